#!/bin/sh
# Drives a real server with public HTTP clients as they come. Not a part of ./test, because it needs what is not on every machine:
#   python   Debian's python3-requests and python3-numpy; binary requests as Triton's Python client makes them
#   curl     curl, with chunks and compression
#   node     Node.js 18 or newer, with its fetch
# Usage: tests/clients/rest/run.sh [python] [curl] [node]      all of them without a name. Ends with 0 when every client passed.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
[ $# -gt 0 ] || set -- python curl node
. "$here/../serve.sh"

for client in "$@"; do
    case $client in
        python) "${PYTHON:-/usr/bin/python3}" "$here/client.py" "$ATOLL_SERVER" "$ATOLL_KEY" ;;
        curl) sh "$here/client.sh" "$ATOLL_SERVER" "$ATOLL_KEY" "$work" ;;
        node) node "$here/client.mjs" "$ATOLL_SERVER" "$ATOLL_KEY" ;;
        *) echo "run.sh: there is no client '$client'." >&2; exit 2 ;;
    esac
done
