// Sends typed arrays of every kind and compares what comes back; prints the kinds as JSON.
import { deepStrictEqual } from "node:assert";

import { fromMap, post, toMap } from "./arrays.js";

const [url] = process.argv.slice(2);
const ARRAYS = [
  new Int8Array([-128, 127]),
  new Int16Array([-(2 ** 15), 2 ** 15 - 1]),
  new Int32Array([-(2 ** 31), 2 ** 31 - 1]),
  new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n]),
  new Uint8Array([0, 255]),
  new Uint16Array([0, 2 ** 16 - 1]),
  new Uint32Array([0, 2 ** 32 - 1]),
  new BigUint64Array([0n, 2n ** 64n - 1n]),
  new Float32Array([NaN, -0, Infinity, 1.5]),
  new Float64Array([NaN, -0, Infinity, Math.PI]),
  new Float32Array(0),
  new Float64Array([1, 2, 3, 4]).subarray(1, 3),
];
const kinds = [];
for (const array of ARRAYS) {
  const answer = await post(`${url}/echo`, { array: toMap(array) });
  deepStrictEqual(fromMap(answer.array), array.slice());
  deepStrictEqual(answer.array.shape, [array.length]);
  kinds.push(answer.dtype);
}
console.log(JSON.stringify(kinds));
