"""Calls every method with grpcio, blocking and asynchronous. Usage: client.py HOST:PORT KEY"""
import asyncio
import struct
import sys
import threading

import grpc

import health_pb2 as health
import open_inference_grpc_pb2 as oip

ADDRESS, KEY = sys.argv[1:]
METADATA = (("authorization", "Bearer " + KEY),)
SERVICE = "/inference.GRPCInferenceService/"


def call(channel, name, kind="unary_unary"):
    streams = name == "ModelStreamInfer"
    request = oip.ModelInferRequest if streams else getattr(oip, name + "Request")
    response = oip.ModelStreamInferResponse if streams else getattr(oip, name + "Response")
    return getattr(channel, kind)(SERVICE + name, request_serializer=request.SerializeToString, response_deserializer=response.FromString)


def infer_request(rows, raw=True, identity=""):
    request = oip.ModelInferRequest(model_name="things", id=identity)
    size = request.inputs.add(name="size", datatype="FP32", shape=[len(rows), 1])
    colour = request.inputs.add(name="colour", datatype="BYTES", shape=[len(rows), 1])
    if raw:
        request.raw_input_contents.append(struct.pack("<%df" % len(rows), *[size for size, _ in rows]))
        request.raw_input_contents.append(b"".join(struct.pack("<I", len(text)) + text for _, text in rows))
    else:
        size.contents.fp32_contents.extend(size for size, _ in rows)
        colour.contents.bytes_contents.extend(text for _, text in rows)
    return request


def labels(response):
    index = [output.name for output in response.outputs].index("label")
    raw, texts = response.raw_output_contents[index], []
    while raw:
        length = struct.unpack_from("<I", raw)[0]
        texts.append(raw[4:4 + length].decode())
        raw = raw[4 + length:]
    return texts


def expect_error(code, fragment, function):
    try:
        function()
    except grpc.RpcError as error:
        assert error.code() == code, error
        assert fragment in error.details(), error.details()
        return
    raise AssertionError("no error, expected %s" % code)


ROWS = [(1.0, b"red"), (19.0, b"blue")]
EXPECTED = ["small", "large"]


def check(channel):
    assert call(channel, "ServerLive")(oip.ServerLiveRequest()).live
    assert call(channel, "ServerReady")(oip.ServerReadyRequest()).ready
    assert call(channel, "ServerMetadata")(oip.ServerMetadataRequest()).name == "atoll"
    ready = call(channel, "ModelReady")
    assert ready(oip.ModelReadyRequest(name="things"), metadata=METADATA).ready
    assert not ready(oip.ModelReadyRequest(name="nothing"), metadata=METADATA).ready
    metadata = call(channel, "ModelMetadata")(oip.ModelMetadataRequest(name="things"), metadata=METADATA)
    assert sorted(tensor.name for tensor in metadata.inputs) == ["colour", "size"], metadata
    config = call(channel, "ModelConfig")(oip.ModelConfigRequest(name="things"), metadata=METADATA).config
    assert config.max_batch_size > 0 and sorted(tensor.name for tensor in config.input) == ["colour", "size"], config
    assert ("things", "READY") in [(model.name, model.state) for model in call(channel, "RepositoryIndex")(oip.RepositoryIndexRequest(), metadata=METADATA).models]
    call(channel, "RepositoryModelUnload")(oip.RepositoryModelUnloadRequest(model_name="things"), metadata=METADATA)
    call(channel, "RepositoryModelLoad")(oip.RepositoryModelLoadRequest(model_name="things"), metadata=METADATA)
    statistics = call(channel, "ModelStatistics")(oip.ModelStatisticsRequest(name="things"), metadata=METADATA).model_stats[0]
    assert statistics.memory_usage[0].byte_size > 0, statistics
    expect_error(grpc.StatusCode.UNIMPLEMENTED, "TraceSetting", lambda: channel.unary_unary(SERVICE + "TraceSetting")(b"", metadata=METADATA))
    infer = call(channel, "ModelInfer")
    for raw in (True, False):
        response = infer(infer_request(ROWS, raw, "7"), metadata=METADATA, timeout=30)
        assert labels(response) == EXPECTED and response.id == "7", response
    expect_error(grpc.StatusCode.UNAUTHENTICATED, "credential", lambda: infer(infer_request(ROWS)))
    expect_error(grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'n\u00e4' is not found", lambda: infer(oip.ModelInferRequest(model_name="n\u00e4"), metadata=METADATA))
    expect_error(grpc.StatusCode.INVALID_ARGUMENT, "expected 2 inputs but got 0", lambda: infer(oip.ModelInferRequest(model_name="things"), metadata=METADATA))
    expect_error(grpc.StatusCode.UNIMPLEMENTED, "ModelNothing", lambda: channel.unary_unary(SERVICE + "ModelNothing")(b"", metadata=METADATA))

    many = infer_request(ROWS * 2000)
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Deflate, grpc.Compression.Gzip):
        assert labels(infer(many, metadata=METADATA, compression=compression)) == EXPECTED * 2000

    stream = call(channel, "ModelStreamInfer", "stream_stream")
    requests = [infer_request(ROWS, identity=str(i)) for i in range(50)]
    requests[20].model_name = "nothing"
    for i, answer in enumerate(stream(iter(requests), metadata=METADATA)):
        if i == 20:
            assert "Request for unknown model" in answer.error_message, answer
        else:
            assert answer.infer_response.id == str(i) and labels(answer.infer_response) == EXPECTED
            assert answer.infer_response.parameters["triton_final_response"].bool_param
    assert i == 49
    expect_error(grpc.StatusCode.NOT_FOUND, "unknown model", lambda: list(stream(iter(requests), metadata=METADATA + (("triton_grpc_error", "true"),))))

    watched = channel.unary_unary("/grpc.health.v1.Health/Check", health.HealthCheckRequest.SerializeToString, health.HealthCheckResponse.FromString)
    assert watched(health.HealthCheckRequest(service="inference.GRPCInferenceService")).status == health.HealthCheckResponse.SERVING
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch", health.HealthCheckRequest.SerializeToString, health.HealthCheckResponse.FromString)
    answers = watch(health.HealthCheckRequest())
    assert next(answers).status == health.HealthCheckResponse.SERVING
    answers.cancel()
    expect_error(grpc.StatusCode.DEADLINE_EXCEEDED, "", lambda: list(watch(health.HealthCheckRequest(), timeout=0.3)))


async def check_async():
    async with grpc.aio.insecure_channel(ADDRESS) as channel:
        infer = call(channel, "ModelInfer")
        answers = await asyncio.gather(*[infer(infer_request(ROWS, identity=str(i)), metadata=METADATA) for i in range(50)])
        assert [answer.id for answer in answers] == [str(i) for i in range(50)]
        assert all(labels(answer) == EXPECTED for answer in answers)
        stream = call(channel, "ModelStreamInfer", "stream_stream")(metadata=METADATA)
        for i in range(5):
            await stream.write(infer_request(ROWS, identity=str(i)))
            assert (await stream.read()).infer_response.id == str(i)
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
        assert await stream.code() == grpc.StatusCode.OK


OPTIONS = [
    ("grpc.keepalive_time_ms", 100), ("grpc.keepalive_timeout_ms", 2000), ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0), ("grpc.http2.min_ping_interval_without_data_ms", 100), ("grpc.max_receive_message_length", 2**31 - 1),
]
with grpc.insecure_channel(ADDRESS, options=OPTIONS) as channel:
    check(channel)
    changes = []
    channel.subscribe(lambda state: changes.append(state))
    threading.Event().wait(3)
    assert grpc.ChannelConnectivity.TRANSIENT_FAILURE not in changes, changes
    check(channel)
asyncio.run(check_async())
print("python: grpcio %s passed" % grpc.__version__)
