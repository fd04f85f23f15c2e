// Calls the REST routes with Node's own fetch. Usage: client.mjs ADDRESS KEY
import assert from "node:assert";
import { gzipSync } from "node:zlib";

const [address, key] = process.argv.slice(2);
const headers = { authorization: `Bearer ${key}` };
const texts = values => Buffer.concat(values.flatMap(value => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(Buffer.byteLength(value));
  return [length, Buffer.from(value)];
}));

const tensors = [Buffer.from(new Float32Array([1, 19]).buffer), texts(["red", "blue"])];
const head = Buffer.from(JSON.stringify({
  id: "7", parameters: { binary_data_output: true },
  inputs: [
    { name: "size", shape: [2, 1], datatype: "FP32", parameters: { binary_data_size: tensors[0].length } },
    { name: "colour", shape: [2, 1], datatype: "BYTES", parameters: { binary_data_size: tensors[1].length } },
  ],
}));
const body = Buffer.concat([head, ...tensors]);
for (const encoding of [undefined, "gzip"]) {
  const answer = await fetch(`${address}/v2/models/things/infer`, {
    method: "POST", body: encoding ? gzipSync(body) : body,
    headers: { ...headers, "inference-header-content-length": String(head.length), ...(encoding ? { "content-encoding": encoding } : {}) },
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  assert.strictEqual(answer.status, 200, bytes.toString());
  const length = Number(answer.headers.get("inference-header-content-length"));
  const described = JSON.parse(bytes.subarray(0, length));
  assert.strictEqual(described.id, "7");
  let at = length;
  for (const output of described.outputs) {
    const size = output.parameters.binary_data_size;
    if (output.name === "label") assert.deepStrictEqual(bytes.subarray(at, at + size), texts(["small", "large"]));
    at += size;
  }
  assert.strictEqual(at, bytes.length);
}
const missing = await fetch(`${address}/v2/models/nobody/infer`, { method: "POST", body: "{}", headers });
assert.strictEqual(missing.status, 404);
assert.match((await missing.json()).error, /Request for unknown model: 'nobody' is not found/);
console.log(`node ${process.version}: passed`);
