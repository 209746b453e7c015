// Classifies the digits in a file of float32, and prints what the server found as JSON.
import { readFileSync } from "node:fs";

import { fromMap, post, toMap } from "./arrays.js";

const [url, file] = process.argv.slice(2);
const bytes = new Uint8Array(readFileSync(file));
const images = new Float32Array(bytes.buffer);
const answer = await post(`${url}/digits/classify`, {
  images: toMap(images, [images.length / 64, 8, 8]),
});
const probabilities = fromMap(answer.probabilities);
if (!(probabilities instanceof Float32Array)) throw new Error(probabilities.constructor.name);
console.log(
  JSON.stringify({
    digits: answer.digits,
    shape: answer.probabilities.shape,
    probabilities: Array.from(probabilities),
  }),
);
