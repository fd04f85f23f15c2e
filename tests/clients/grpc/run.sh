#!/bin/sh
# Drives a real server with public gRPC clients as they come. Not a part of ./test, because it needs what is not on every machine:
#   python   Debian's python3-grpcio, python3-protobuf and protobuf-compiler
#   node     Node.js; npm brings @grpc/grpc-js and @grpc/proto-loader
# Usage: tests/clients/grpc/run.sh [python] [node]      all of them without a name. Ends with 0 when every client passed.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
[ $# -gt 0 ] || set -- python node
. "$here/../serve.sh"

proto=$root/src/Server
mkdir "$work/proto"
cp "$proto/Prediction/OpenInference/Grpc/Protos/"*.proto "$work/proto/"
cp -r "$proto/Platform/Grpc/Protos/grpc" "$work/proto/"
for client in "$@"; do
    case $client in
        python)
            mkdir "$work/python"
            # The folder grpc/ would hide the package of that name.
            protoc -I "$work/proto" --python_out="$work/python" open_inference_grpc.proto model_config.proto
            protoc -I "$work/proto/grpc/health/v1" --python_out="$work/python" health.proto
            PYTHONPATH=$work/python "${PYTHON:-/usr/bin/python3}" "$here/client.py" "${ATOLL_SERVER#http://}" "$ATOLL_KEY"
            ;;
        node)
            mkdir "$work/node"
            cp "$here/client.js" "$work/node/"
            (cd "$work/node" && npm install --silent --no-save --no-package-lock --ignore-scripts @grpc/grpc-js@1.14.0 @grpc/proto-loader@0.8.0 >/dev/null)
            node "$work/node/client.js" "$work/proto" "${ATOLL_SERVER#http://}" "$ATOLL_KEY"
            ;;
        *) echo "run.sh: there is no client '$client'." >&2; exit 2 ;;
    esac
done
