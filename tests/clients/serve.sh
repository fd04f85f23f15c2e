# Sourced by the scripts beside it: starts a server in $work with a model of one number and one text, and stops it at the end.
# Sets root, work, ATOLL_SERVER and ATOLL_KEY.
root=$(CDPATH='' cd -- "$here/../../.." && pwd)
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT

"$root/atoll" --version >/dev/null
"$root/atoll" serve --Atoll:Data="$work/data" --Atoll:Urls=http://127.0.0.1:0 >"$work/log" 2>&1 &
server=$!
while ! grep -q 'atl_' "$work/log"; do
    kill -0 "$server" 2>/dev/null || { cat "$work/log"; server=; exit 1; }
    sleep 0.2
done
ATOLL_SERVER=$(grep -o 'http://127.0.0.1:[0-9]*' "$work/log" | head -n 1)
ATOLL_KEY=$(grep -o 'atl_[0-9a-zA-Z]*' "$work/log" | head -n 1)
export ATOLL_SERVER ATOLL_KEY

# Learned in seconds.
awk 'BEGIN { print "size,colour,kind"; for (i = 0; i < 400; i++) { c = i % 2 ? "red" : "blue"; print i % 20 "," c "," ((i % 20 > 9) != (i % 17 == 0) ? "large" : "small") } }' >"$work/things.csv"
"$root/atoll" datasets create things "$work/things.csv" --label kind >"$work/cli" 2>&1 || { cat "$work/cli"; exit 1; }
"$root/atoll" train things --follow >"$work/cli" 2>&1 || { cat "$work/cli"; exit 1; }
