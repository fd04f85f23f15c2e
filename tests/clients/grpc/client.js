// Calls every method with @grpc/grpc-js. Usage: node client.js PROTO_FOLDER HOST:PORT KEY
const assert = require('node:assert');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [protos, address, key] = process.argv.slice(2);
const load = file => grpc.loadPackageDefinition(loader.loadSync(file, { includeDirs: [protos], keepCase: true, longs: String, enums: String, defaults: true, oneofs: true }));
const inference = load('open_inference_grpc.proto').inference;
const health = load('grpc/health/v1/health.proto').grpc.health.v1;
const reflection = load('grpc/reflection/v1/reflection.proto').grpc.reflection.v1;
const credential = new grpc.Metadata();
credential.set('authorization', `Bearer ${key}`);

const client = new inference.GRPCInferenceService(address, grpc.credentials.createInsecure());
const compressed = new inference.GRPCInferenceService(address, grpc.credentials.createInsecure(), {
  'grpc.default_compression_algorithm': 2, 'grpc.keepalive_time_ms': 1000, 'grpc.keepalive_permit_without_calls': 1,
});
const call = (one, method, request, options = {}) => new Promise((resolve, reject) =>
  one[method](request, credential, options, (error, response) => (error ? reject(error) : resolve(response))));

const rows = [[1, 'red'], [19, 'blue']];
const request = (id = '', many = 1) => {
  const all = Array(many).fill(rows).flat();
  return {
    model_name: 'things', id,
    inputs: [
      { name: 'size', datatype: 'FP32', shape: [all.length, 1], contents: { fp32_contents: all.map(row => row[0]) } },
      { name: 'colour', datatype: 'BYTES', shape: [all.length, 1], contents: { bytes_contents: all.map(row => Buffer.from(row[1])) } },
    ],
  };
};
const labels = response => {
  let raw = response.raw_output_contents[response.outputs.findIndex(output => output.name === 'label')];
  const texts = [];
  while (raw.length > 0) {
    const length = raw.readUInt32LE();
    texts.push(raw.subarray(4, 4 + length).toString());
    raw = raw.subarray(4 + length);
  }
  return texts;
};

async function main() {
  assert.strictEqual((await call(client, 'ServerLive', {})).live, true);
  assert.strictEqual((await call(client, 'ServerReady', {})).ready, true);
  assert.strictEqual((await call(client, 'ServerMetadata', {})).name, 'atoll');
  assert.strictEqual((await call(client, 'ModelReady', { name: 'things' })).ready, true);
  assert.strictEqual((await call(client, 'ModelReady', { name: 'nothing' })).ready, false);
  assert.strictEqual((await call(client, 'ModelMetadata', { name: 'things' })).platform, 'onnxruntime_onnx');
  assert.strictEqual((await call(client, 'ModelConfig', { name: 'things' })).config.platform, 'onnxruntime_onnx');
  assert.ok((await call(client, 'RepositoryIndex', {})).models.some(model => model.name === 'things' && model.state === 'READY'));
  await call(client, 'RepositoryModelUnload', { model_name: 'things' });
  await call(client, 'RepositoryModelLoad', { model_name: 'things' });
  assert.ok(Number((await call(client, 'ModelStatistics', { name: 'things' })).model_stats[0].memory_usage[0].byte_size) > 0);
  for (const one of [client, compressed]) {
    assert.deepStrictEqual(labels(await call(one, 'ModelInfer', request('7'))), ['small', 'large']);
    assert.strictEqual(labels(await call(one, 'ModelInfer', request('7', 2000))).length, 4000);
  }
  await assert.rejects(call(client, 'ModelInfer', { model_name: 'nä' }), { code: grpc.status.NOT_FOUND, details: "Request for unknown model: 'nä' is not found" });
  await assert.rejects(call(client, 'ModelInfer', { model_name: 'things' }), { code: grpc.status.INVALID_ARGUMENT });
  await assert.rejects(call(client, 'ModelInfer', request(), { deadline: Date.now() - 1 }), { code: grpc.status.DEADLINE_EXCEEDED });

  const stream = client.ModelStreamInfer(credential);
  const ids = [];
  const ended = new Promise((resolve, reject) => {
    stream.on('data', answer => {
      assert.strictEqual(answer.error_message, '');
      assert.deepStrictEqual(labels(answer.infer_response), ['small', 'large']);
      ids.push(answer.infer_response.id);
    });
    stream.on('end', resolve);
    stream.on('error', reject);
  });
  for (let i = 0; i < 50; i++) stream.write(request(String(i)));
  stream.end();
  await ended;
  assert.deepStrictEqual(ids, Array.from({ length: 50 }, (_, i) => String(i)));

  const check = new health.Health(address, grpc.credentials.createInsecure());
  assert.strictEqual((await call(check, 'Check', {})).status, 'SERVING');
  const asked = new reflection.ServerReflection(address, grpc.credentials.createInsecure()).ServerReflectionInfo();
  const answer = new Promise((resolve, reject) => asked.on('data', resolve).on('error', reject));
  asked.write({ list_services: '' });
  assert.ok((await answer).list_services_response.service.some(service => service.name === 'inference.GRPCInferenceService'));
  asked.end();
  console.log('node: @grpc/grpc-js passed');
  process.exit(0);
}
main().catch(error => { console.error(error); process.exit(1); });
