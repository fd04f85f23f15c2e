# Calls the REST routes with curl. Usage: client.sh ADDRESS KEY FOLDER
set -eu
address=$1 key=$2 work=$3

json='{"inputs":[{"name":"size","shape":[2,1],"datatype":"FP32","data":[[1],[19]]},{"name":"colour","shape":[2,1],"datatype":"BYTES","data":["red","blue"]}],"outputs":[{"name":"label"}]}'
expected='"data":["small","large"]'
call() { curl -sS --fail-with-body -H "Authorization: Bearer $key" "$@"; }
expect() { case $1 in *"$2"*) ;; *) echo "curl: expected $2, got: $1" >&2; exit 1 ;; esac; }

expect "$(call "$address/v2/models/things/infer" --data "$json")" "$expected"
expect "$(printf '%s' "$json" | call "$address/v2/models/things/infer" -H 'Transfer-Encoding: chunked' -H 'Expect:' --data-binary @-)" "$expected"
expect "$(printf '%s' "$json" | gzip | call "$address/v2/models/things/infer" --compressed -H 'Content-Encoding: gzip' --data-binary @-)" "$expected"

# JSON, then four bytes of a float each, then texts behind their lengths.
head='{"inputs":[{"name":"size","shape":[2,1],"datatype":"FP32","parameters":{"binary_data_size":8}},{"name":"colour","shape":[2,1],"datatype":"BYTES","parameters":{"binary_data_size":15}}],"outputs":[{"name":"label"}]}'
{ printf '%s' "$head"; printf '\000\000\200\077\000\000\230\101'; printf '\003\000\000\000red\004\000\000\000blue'; } >"$work/body"
expect "$(call "$address/v2/models/things/infer" -H "Inference-Header-Content-Length: ${#head}" --data-binary "@$work/body")" "$expected"
expect "$(call --http2-prior-knowledge "$address/v2/models/things/infer" -H "Inference-Header-Content-Length: ${#head}" --data-binary "@$work/body")" "$expected"
echo "$(curl --version | head -n 1 | cut -d ' ' -f 1,2): passed"
