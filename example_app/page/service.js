// One call in either mode: how it travels, how large it is, how long it takes.

import { NDArray, pack, unpack } from "./msgpack.js";

const BINARY = "application/msgpack";

/** The service refused a call, or could not be reached; the message is for people. */
export class ServiceError extends Error {}

/**
 * Make a call.
 * @param {string} path of the endpoint
 * @param {object} document with Uint8Array for bytes and NDArray for arrays
 * @param {"json"|"binary"} mode
 * @param {{signal?: AbortSignal, progress?: (fraction: number|null) => void}} options
 * @returns {Promise<{value: object, sent: number, received: number, milliseconds: number}>}
 */
export async function call(path, document, mode, { signal, progress } = {}) {
  const began = performance.now();
  const body = mode === "binary" ? pack(document) : JSON.stringify(toJson(document));
  const headers =
    mode === "binary"
      ? { "Content-Type": BINARY, Accept: `${BINARY}; arrays=map` }
      : { "Content-Type": "application/json", Accept: "application/json" };
  const { response, bytes } = await fetched(path, { method: "POST", body, headers, signal }, progress);
  const isBinary = response.headers.get("Content-Type")?.includes("msgpack");
  const value = isBinary ? unpack(bytes) : fromJson(JSON.parse(new TextDecoder().decode(bytes)));
  const milliseconds = performance.now() - began;
  if (!response.ok) throw new ServiceError(reason(value, response.status));
  const sent = typeof body === "string" ? new TextEncoder().encode(body).length : body.length;
  return { value, sent, received: bytes.length, milliseconds };
}

/** The bytes of a file that the service has. */
export async function download(path) {
  const { response, bytes } = await fetched(path, {});
  if (!response.ok) throw new ServiceError(reason(null, response.status));
  return bytes;
}

async function fetched(path, options, progress) {
  try {
    const response = await fetch(path, options);
    return { response, bytes: await readBody(response, progress) };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("The service cannot be reached. Is it still running?");
  }
}

async function readBody(response, progress) {
  const total = Number(response.headers.get("Content-Length"));
  if (!progress || !response.body || !total) return new Uint8Array(await response.arrayBuffer());
  const whole = new Uint8Array(total);
  let at = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return whole.subarray(0, at);
    whole.set(value, at);
    at += value.length;
    progress(at / total);
  }
}

/** What the service says is wrong: FastAPI's list, its text, or problem details. */
function reason(value, status) {
  const detail = value?.detail;
  if (typeof detail === "string") return sentence(detail);
  if (Array.isArray(detail) && detail.length) {
    const { loc, msg } = detail[0];
    return sentence(`${loc?.slice(1).join(".")}: ${msg}`);
  }
  return `The service responded with status ${status}.`;
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
}

function toJson(value) {
  if (value instanceof Uint8Array) return base64(value);
  if (value instanceof NDArray) {
    const { shape, dtype, data } = value.toMap();
    return { shape, dtype, data_b64: base64(data) };
  }
  if (Array.isArray(value)) return value.map(toJson);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
  }
  return value;
}

function fromJson(value) {
  if (Array.isArray(value)) return value.map(fromJson);
  if (!value || typeof value !== "object") return value;
  if (value.shape && value.dtype && typeof value.data_b64 === "string") {
    return NDArray.fromMap({ ...value, data: fromBase64(value.data_b64) });
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromJson(item)]));
}

// Browsers have base64 for bytes of their own, which is fast; older ones have it for text alone.
function base64(bytes) {
  if (bytes.toBase64) return bytes.toBase64();
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

/** Bytes of base64 in either alphabet: pydantic writes the one for URLs. */
export function fromBase64(text) {
  const standard = text.replaceAll("-", "+").replaceAll("_", "/");
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(standard);
  const plain = atob(standard);
  const bytes = new Uint8Array(plain.length);
  for (let at = 0; at < plain.length; at++) bytes[at] = plain.charCodeAt(at);
  return bytes;
}
