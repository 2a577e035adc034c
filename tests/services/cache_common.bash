# cache_common.bash: for the scripts of this folder: starting and stopping the cache and a real Redis. Sourced with
# `bin` set to the folder of the programs. Nothing here depends on how long anything takes: waits end when what they
# wait for happens, or when the test is stopped as hung.

export PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d)
started=()

fail()
{
    echo "FAILED: $*" >&2
    [ -f "$work/cache.err" ] && tail -20 "$work/cache.err" >&2
    exit 1
}

skip()
{
    echo "SKIPPED: $*"
    exit 77
}

clean_up()
{
    for pid in ${started[@]}; do
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    rm -rf "$work"
}
trap clean_up EXIT

# start_cache OPTIONS...: sets cache_pid and port.
start_cache()
{
    : >"$work/cache.out"
    "$bin/cache" --port 0 "$@" >"$work/cache.out" 2>"$work/cache.err" &
    cache_pid=$!
    started+=("$cache_pid")
    until port=$(sed -n 's/.* port \([0-9]*\);.*/\1/p' "$work/cache.out") && [ -n "$port" ]; do
        kill -0 "$cache_pid" 2>/dev/null || fail "the cache did not start"
        sleep 0.05
    done
}

# stop_cache: the orderly way; it must end well.
stop_cache()
{
    kill -TERM "$cache_pid" || fail "the cache had ended"
    wait "$cache_pid"
    local status=$?
    started=("${started[@]/#$cache_pid/}")
    [ "$status" -eq 0 ] || fail "the cache ended with status $status"
}

# start_redis: sets redis_socket, the path of its Unix socket.
start_redis()
{
    command -v redis-server >/dev/null || skip "redis-server is not installed"
    redis_socket=$work/redis.sock
    redis-server --port 0 --unixsocket "$redis_socket" --save "" --appendonly no --daemonize no \
        --dir "$work" >"$work/redis.out" 2>&1 &
    redis_pid=$!
    started+=("$redis_pid")
    until [ -S "$redis_socket" ]; do
        kill -0 "$redis_pid" 2>/dev/null || fail "redis-server did not start: $(tail -3 "$work/redis.out")"
        sleep 0.05
    done
}

cli() { redis-cli -p "$port" "$@"; }

# expect WANTED COMMAND...: what redis-cli prints.
expect()
{
    local wanted=$1 got
    shift
    got=$(cli "$@" 2>&1)
    [ "$got" = "$wanted" ] || fail "$*: expected '$wanted', got '$got'"
}
