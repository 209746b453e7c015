// Fetches arrays at many places in a body; prints as JSON which of them share the body's memory.
import { fromMap, post } from "./arrays.js";

const [url, length] = process.argv.slice(2);
const shared = [];
for (let shift = 0; shift < 24; shift++) {
  const name = "x".repeat(shift);
  const answer = await post(`${url}/arrays`, { name, length: Number(length) });
  for (const map of [answer.first, answer.second]) {
    const array = fromMap(map);
    if (array.some((value, index) => value !== index)) throw new Error(`wrong at ${shift}`);
    shared.push(array.buffer === map.data.buffer);
  }
}
console.log(JSON.stringify(shared));
