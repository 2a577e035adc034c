#!/bin/bash
# bench.sh BIN [SECONDS [ROUNDS]]: hello against nginx and Go's net/http on the same machine, with wrk: 64 connections,
# keep-alive, closed loop (the most that each answers; for latency under a given load see bench/compare). Rounds
# alternate between the servers; medians are compared. BIN: the folder with the program `hello`. A server that is not
# installed is left out, by name.
set -eu
bin=${1:?usage: bench.sh BIN [SECONDS [ROUNDS]]}
seconds=${2:-10}
rounds=${3:-5}
here=$(cd "$(dirname "$0")" && pwd)
cores=$(nproc)
work=$(mktemp -d)
started=()
trap 'for pid in ${started[@]}; do kill "$pid" 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT
command -v wrk >/dev/null || { echo "wrk is missing (Debian package wrk)" >&2; exit 2; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# up NAME COMMAND...: starts it on $port and waits until it answers
up() {
    local name=$1
    shift
    "$@" >"$work/$name.out" 2>&1 &
    started+=($!)
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        kill -0 $! || { cat "$work/$name.out" >&2; exit 1; }
        sleep 0.05
    done
    servers+=("$name $port")
}

servers=()
port=$(free_port)
up hello "$bin/hello" --port "$port"
nginx=$(PATH=$PATH:/usr/sbin command -v nginx || true)
if [ -n "$nginx" ]; then
    port=$(free_port)
    cat >"$work/nginx.conf" <<CONF
daemon off; pid $work/nginx.pid; error_log stderr crit; worker_processes $cores;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; client_body_temp_path $work/a; proxy_temp_path $work/b;
  fastcgi_temp_path $work/c; uwsgi_temp_path $work/d; scgi_temp_path $work/e;
  server { listen 127.0.0.1:$port; location / { default_type text/plain; return 200 "Hello, World!"; } }
}
CONF
    up nginx "$nginx" -e stderr -p "$work" -c "$work/nginx.conf"
else
    echo "left out: nginx is not installed"
fi
if command -v go >/dev/null; then
    port=$(free_port)
    (cd "$here/../../peers/go" && GOCACHE="$work/go-cache" GOFLAGS=-mod=mod GOPROXY=off go build -buildvcs=false -o "$work/go-hello" ./hello)
    up go "$work/go-hello" "$port"
else
    echo "left out: Go is not installed"
fi

for ((round = 1; round <= rounds; round++)); do
    for server in "${servers[@]}"; do
        read -r name port <<<"$server"
        wrk -t 2 -c 64 -d "$seconds" --latency "http://127.0.0.1:$port/" >"$work/wrk"
        if grep -qE 'Non-2xx|Socket errors' "$work/wrk"; then
            cat "$work/wrk" >&2
            exit 1
        fi
        awk -v name="$name" '/Requests\/sec/ { rate = $2 } $1 == "99%" { late = $2 } END { print name, rate, late }' "$work/wrk" >>"$work/results"
    done
done
python3 - "$work/results" <<'PYTHON'
import re
import statistics
import sys

rates, late = {}, {}
for line in open(sys.argv[1]):
    name, rate, time = line.split()
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", time).groups()
    rates.setdefault(name, []).append(float(rate))
    late.setdefault(name, []).append(float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit])
ours = statistics.median(rates["hello"])
print(f"{'server':8} {'requests/s':>11} {'hello to it':>11} {'p99 us':>9}   spread")
for name, found in rates.items():
    median = statistics.median(found)
    print(f"{name:8} {median:11.0f} {ours / median:11.2f} {statistics.median(late[name]):9.0f}   {min(found):.0f}..{max(found):.0f}")
PYTHON
