#!/bin/bash
# bench.sh BIN [REQUESTS [ROUNDS]]: the cache against Debian's redis-server on the same machine: throughput with
# redis-benchmark, SET and GET, one key and 100,000 keys, without and with pipelining; then what 10,000 idle connections
# cost. Rounds alternate between the two servers; medians are compared. BIN: the folder with the program `cache`.
# CACHE_OPTIONS: more options for it, for example "--workers 2".
set -e
bin=${1:?usage: bench.sh BIN [REQUESTS [ROUNDS]]}
requests=${2:-1000000}
rounds=${3:-5}
work=$(mktemp -d)
trap 'kill $cache_pid $redis_pid 2>/dev/null; rm -rf "$work"' EXIT

start_servers()
{
    : >"$work/cache.out"
    # shellcheck disable=SC2086
    "$bin/cache" --port 0 --maxclients 20000 $CACHE_OPTIONS >"$work/cache.out" 2>"$work/cache.err" &
    cache_pid=$!
    until cache_port=$(sed -n 's/.* port \([0-9]*\);.*/\1/p' "$work/cache.out") && [ -n "$cache_port" ]; do
        kill -0 "$cache_pid"
        sleep 0.05
    done
    redis_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    redis-server --port "$redis_port" --save "" --appendonly no --maxclients 20000 --dir "$work" >"$work/redis.out" 2>&1 &
    redis_pid=$!
    until redis-cli -p "$redis_port" ping >/dev/null 2>&1; do
        kill -0 "$redis_pid"
        sleep 0.05
    done
}

# measure NAME PORT PIPELINE [OPTIONS...]: appends "NAME TEST PIPELINE KEYS RATE" to the results.
measure()
{
    local name=$1 port=$2 pipeline=$3 keys=one
    shift 3
    [ $# -gt 0 ] && keys=100000
    redis-benchmark -p "$port" -t set,get -n "$requests" -c 50 --threads 2 -P "$pipeline" "$@" --csv 2>/dev/null |
        sed -n 's/^"\([SG]ET\)","\([0-9.]*\)".*/\1 \2/p' |
        while read -r test rate; do echo "$name $test $pipeline $keys $rate"; done >>"$work/results"
}

report()
{
    python3 - "$work/results" <<'PYTHON'
import statistics
import sys

rates = {}
for line in open(sys.argv[1]):
    name, test, pipeline, keys, rate = line.split()
    rates.setdefault((int(pipeline), keys, test), {}).setdefault(name, []).append(float(rate))
print(f"{'-P':>4} {'keys':>7} {'':>4} {'cache/s':>10} {'redis/s':>10} {'ratio':>6}   spread of each")
for (pipeline, keys, test), both in sorted(rates.items()):
    ours, theirs = (statistics.median(both[name]) for name in ("cache", "redis"))
    spread = " ".join(f"{min(both[n]):.0f}..{max(both[n]):.0f}" for n in ("cache", "redis"))
    print(f"{pipeline:4} {keys:>7} {test:>4} {ours:10.0f} {theirs:10.0f} {ours / theirs:6.2f}   {spread}")
PYTHON
}

# Resident memory of the cache before, during and after 10,000 connections that have asked for something and are silent.
idle()
{
    ulimit -n "$(ulimit -Hn)"
    python3 - "$cache_port" "$cache_pid" <<'PYTHON'
import socket
import sys

COUNT = 10000
port, pid = int(sys.argv[1]), sys.argv[2]


def resident():
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def ask(client):
    client.sendall(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n")
    wanted, got = b"+OK\r\n$5\r\nvalue\r\n", b""
    while len(got) < len(wanted):
        got += client.recv(100)
    assert got == wanted


before = resident()
clients = []
for _ in range(COUNT):
    client = socket.create_connection(("127.0.0.1", port))
    ask(client)
    clients.append(client)
print(f"{COUNT} idle connections: {(resident() - before) / COUNT / 1024:.1f} KB of resident memory each")
for client in clients:
    ask(client)
print("all of them answered again")
PYTHON
}

ulimit -n "$(ulimit -Hn)"
start_servers
idle
for ((round = 1; round <= rounds; round++)); do
    for pipeline in 1 16; do
        for keys in "" "-r 100000"; do
            # shellcheck disable=SC2086
            measure cache "$cache_port" "$pipeline" $keys
            # shellcheck disable=SC2086
            measure redis "$redis_port" "$pipeline" $keys
        done
    done
done
report
