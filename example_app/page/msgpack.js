// As much of msgpack (https://github.com/msgpack/msgpack/blob/master/spec.md) as this page needs.
// Arrays travel as {shape, dtype, data}, which is what `arrays=map` asks the server for.

const KINDS = {
  uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array,
  uint32: Uint32Array, int32: Int32Array, float32: Float32Array, float64: Float64Array,
};

/** An array: a typed array and its shape. */
export class NDArray {
  constructor(data, shape = [data.length]) {
    this.data = data;
    this.shape = shape;
  }

  toMap() {
    const dtype = Object.keys(KINDS).find((name) => this.data instanceof KINDS[name]);
    const { buffer, byteOffset, byteLength } = this.data;
    return { shape: this.shape, dtype, data: new Uint8Array(buffer, byteOffset, byteLength) };
  }

  static fromMap({ shape, dtype, data }) {
    const Kind = KINDS[dtype];
    if (!Kind) throw new TypeError(`arrays of ${dtype} are not known here`);
    // A typed array has to begin at a multiple of its items' size. Where it does, it is a view.
    const bytes = data.byteOffset % Kind.BYTES_PER_ELEMENT ? data.slice() : data;
    const length = bytes.byteLength / Kind.BYTES_PER_ELEMENT;
    return new NDArray(new Kind(bytes.buffer, bytes.byteOffset, length), shape);
  }
}

/** A document as msgpack: a Uint8Array. */
export function pack(value) {
  const parts = [];
  write(value, parts);
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

function write(value, parts) {
  if (value === null || value === undefined) parts.push([0xc0]);
  else if (typeof value === "boolean") parts.push([value ? 0xc3 : 0xc2]);
  else if (typeof value === "number") writeNumber(value, parts);
  else if (typeof value === "string") {
    const text = new TextEncoder().encode(value);
    parts.push(header(text.length, [0xd9, 0xda, 0xdb], 0xa0, 32), text);
  } else if (value instanceof Uint8Array) {
    parts.push(header(value.length, [0xc4, 0xc5, 0xc6]), value);
  } else if (value instanceof NDArray) write(value.toMap(), parts);
  else if (Array.isArray(value)) {
    parts.push(header(value.length, [0, 0xdc, 0xdd], 0x90, 16));
    value.forEach((item) => write(item, parts));
  } else {
    const entries = Object.entries(value);
    parts.push(header(entries.length, [0, 0xde, 0xdf], 0x80, 16));
    entries.flat().forEach((item) => write(item, parts));
  }
}

function header(count, [short, middle, long], fix, fixed = 0) {
  if (count < fixed) return [fix | count];
  if (short && count < 0x100) return [short, count];
  if (count < 0x10000) return [middle, count >> 8, count & 255];
  return [long, count >>> 24, (count >> 16) & 255, (count >> 8) & 255, count & 255];
}

function writeNumber(value, parts) {
  if (Number.isInteger(value) && value >= 0 && value < 128) return parts.push([value]);
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 31) {
    const bytes = new DataView(new ArrayBuffer(5));
    bytes.setUint8(0, 0xd2);
    bytes.setInt32(1, value);
    return parts.push(new Uint8Array(bytes.buffer));
  }
  const bytes = new DataView(new ArrayBuffer(9));
  bytes.setUint8(0, 0xcb);
  bytes.setFloat64(1, value);
  return parts.push(new Uint8Array(bytes.buffer));
}

/** The document in msgpack; bytes are views of `bytes`, and so are arrays where they can be. */
export function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = new TextDecoder();
  let at = 0;

  const take = (count) => {
    if (at + count > bytes.length) throw new RangeError("the response is cut short");
    at += count;
    return bytes.subarray(at - count, at);
  };
  const number = (method, size) => {
    take(size);
    return Number(view[method](at - size));
  };
  const list = (count) => Array.from({ length: count }, read);
  const map = (count) => {
    const found = {};
    for (let i = 0; i < count; i++) found[read()] = read();
    const isArray = count === 3 && found.shape && found.dtype && found.data instanceof Uint8Array;
    return isArray ? NDArray.fromMap(found) : found;
  };

  function read() {
    const tag = number("getUint8", 1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return map(tag & 15);
    if (tag < 0xa0) return list(tag & 15);
    if (tag < 0xc0) return text.decode(take(tag & 31));
    if (tag >= 0xe0) return tag - 256;
    switch (tag) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return take(number("getUint8", 1));
      case 0xc5: return take(number("getUint16", 2));
      case 0xc6: return take(number("getUint32", 4));
      case 0xca: return number("getFloat32", 4);
      case 0xcb: return number("getFloat64", 8);
      case 0xcc: return number("getUint8", 1);
      case 0xcd: return number("getUint16", 2);
      case 0xce: return number("getUint32", 4);
      case 0xcf: return number("getBigUint64", 8);
      case 0xd0: return number("getInt8", 1);
      case 0xd1: return number("getInt16", 2);
      case 0xd2: return number("getInt32", 4);
      case 0xd3: return number("getBigInt64", 8);
      case 0xd9: return text.decode(take(number("getUint8", 1)));
      case 0xda: return text.decode(take(number("getUint16", 2)));
      case 0xdb: return text.decode(take(number("getUint32", 4)));
      case 0xdc: return list(number("getUint16", 2));
      case 0xdd: return list(number("getUint32", 4));
      case 0xde: return map(number("getUint16", 2));
      case 0xdf: return map(number("getUint32", 4));
      default: throw new TypeError(`0x${tag.toString(16)} is not known here`);
    }
  }
  return read();
}
