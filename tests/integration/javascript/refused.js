// Fetches an array as msgpack-numpy's map, and prints what the package says to that.
import * as plain from "@msgpack/msgpack";
import * as msgpackr from "msgpackr";

const [url] = process.argv.slice(2);
const headers = { "Content-Type": "application/msgpack" };
for (const [encode, decode] of [
  [plain.encode, plain.decode],
  [msgpackr.pack, msgpackr.unpack],
]) {
  const body = encode({ name: "x", length: 1 });
  const response = await fetch(`${url}/arrays`, { method: "POST", headers, body });
  const answer = new Uint8Array(await response.arrayBuffer());
  try {
    decode(answer);
    console.log("read");
  } catch (error) {
    console.log(error.message);
  }
}
const body = msgpackr.pack({ name: undefined, length: 1 });
console.log((await fetch(`${url}/arrays`, { method: "POST", headers, body })).status);
