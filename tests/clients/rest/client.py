"""Calls the REST routes with requests and numpy. Usage: client.py ADDRESS KEY"""
import gzip
import json
import struct
import sys
import zlib
from urllib.parse import quote

import numpy
import requests

ADDRESS, KEY = sys.argv[1:]
SIZES = numpy.array([[1], [19]], numpy.float32)
COLOURS = [b"red", b"blue"]
EXPECTED = [b"small", b"large"]

session = requests.Session()
session.headers["Authorization"] = "Bearer " + KEY


def to_bytes(texts):
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def from_bytes(raw):
    texts = []
    while raw:
        length = struct.unpack_from("<I", raw)[0]
        texts.append(raw[4:4 + length])
        raw = raw[4 + length:]
    return texts


def infer(encoding=None, accept=None, chunked=False, base="/v2", **extra):
    """As Triton's Python client does it: inputs in binary, outputs too unless some are named."""
    tensors = [SIZES.tobytes(), to_bytes(COLOURS)]
    head = json.dumps({"parameters": {"binary_data_output": True}, **extra, "inputs": [
        {"name": "size", "shape": [2, 1], "datatype": "FP32", "parameters": {"binary_data_size": len(tensors[0])}},
        {"name": "colour", "shape": [2, 1], "datatype": "BYTES", "parameters": {"binary_data_size": len(tensors[1])}}]}).encode()
    body = head + b"".join(tensors)
    headers = {"Inference-Header-Content-Length": str(len(head)), "Accept-Encoding": accept or "identity"}
    if encoding:
        body = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
        headers["Content-Encoding"] = encoding
    if chunked:
        body = iter([body[:7], body[7:100], body[100:]])
    answer = session.post(ADDRESS + base + "/models/things/infer?test_1=1", data=body, headers=headers)
    assert answer.status_code == 200, answer.text
    length = int(answer.headers["Inference-Header-Content-Length"])
    described, raw, tensors = json.loads(answer.content[:length]), answer.content[length:], {}
    assert answer.headers["Content-Type"] == "application/octet-stream"
    for output in described["outputs"]:
        size = output["parameters"]["binary_data_size"]
        tensors[output["name"]] = (output, raw[:size])
        raw = raw[size:]
    assert not raw
    return described, tensors


def expect_error(status, fragment, answer):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    assert fragment in answer.json()["error"] and fragment in answer.text, answer.text


for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/things/ready", "/v2/models/" + quote("things") + "/versions/1/ready"):
    assert session.get(ADDRESS + path).status_code == 200
server = session.get(ADDRESS + "/v2").json()
assert "binary_tensor_data" in server["extensions"] and "classification" in server["extensions"]
metadata = session.get(ADDRESS + "/v2/models/things").json()
assert {tensor["name"]: tensor["datatype"] for tensor in metadata["inputs"]} == {"size": "FP32", "colour": "BYTES"}
config = session.get(ADDRESS + "/v2/models/things/config").json()
assert config["max_batch_size"] > 0 and {tensor["data_type"] for tensor in config["input"]} == {"TYPE_FP32", "TYPE_STRING"}

for arguments in ({}, {"encoding": "gzip"}, {"encoding": "deflate", "accept": "deflate"}, {"accept": "gzip"}, {"chunked": True}, {"base": "/t/platform/v2"}, {"id": "7"}):
    described, tensors = infer(**arguments)
    assert from_bytes(tensors["label"][1]) == EXPECTED, tensors
    output, raw = tensors["probabilities"]
    probabilities = numpy.frombuffer(raw, numpy.float32).reshape(output["shape"])
    assert numpy.allclose(probabilities.sum(axis=1), 1, atol=1e-4), probabilities
    assert described.get("id") == arguments.get("id")

_, tensors = infer(outputs=[{"name": "probabilities", "parameters": {"classification": 1}}])
best = [text.decode().split(":") for text in from_bytes(tensors["probabilities"][1])]
assert [parts[2].encode() for parts in best] == EXPECTED and all(float(parts[0]) > 0.5 for parts in best), best

stats = session.get(ADDRESS + "/v2/models/things/stats").json()["model_stats"][0]
assert stats["inference_stats"]["success"]["count"] >= 7 and stats["inference_count"] >= 14, stats
index = session.post(ADDRESS + "/v2/repository/index", json={"ready": True}).json()
assert index == [{"name": "things", "version": "1", "state": "READY", "reason": ""}], index
assert session.post(ADDRESS + "/v2/repository/models/things/unload", json={"parameters": {"unload_dependents": False}}).status_code == 200
assert session.post(ADDRESS + "/v2/repository/models/things/load", json={}).status_code == 200

expect_error(404, "Request for unknown model: 'nobody' is not found", session.get(ADDRESS + "/v2/models/nobody"))
expect_error(404, "failed to load 'nobody', failed to poll from model repository", session.post(ADDRESS + "/v2/repository/models/nobody/load"))
expect_error(404, "Not Found", session.get(ADDRESS + "/v2/nothing"))
expect_error(405, "Method Not Allowed", session.get(ADDRESS + "/v2/models/things/infer"))
expect_error(400, "Raw request must only have 1 input (found 1) to be deduced but got 2 inputs in 'things' model configuration", session.post(
    ADDRESS + "/v2/models/things/infer", data=b"\0\0\0\0", headers={"Inference-Header-Content-Length": "0"}))
refused = session.post(ADDRESS + "/v2/models/things/infer", data=b"x", headers={"Content-Encoding": "br"})
expect_error(501, "br", refused)
assert refused.headers["Accept-Encoding"] == "gzip, deflate"
print("requests %s, numpy %s: passed" % (requests.__version__, numpy.__version__))
