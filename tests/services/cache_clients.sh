#!/bin/bash
# The clients that people have work unchanged: redis-cli, redis-benchmark, and a program on hiredis.
bin=$1
here=$(dirname "$0")
. "$here/cache_common.bash"
command -v redis-cli >/dev/null || skip "redis-tools is not installed"

start_cache
expect PONG ping
expect OK set greeting hello
expect hello get greeting
expect "$(printf 'hello\n\n')" mget greeting none
expect 1 incr n
expect 2 dbsize
[ "$(cli --scan --pattern 'gree*')" = greeting ] || fail "redis-cli --scan"
[ "$(printf 'SET a 1\nGET a\n' | cli)" = "$(printf 'OK\n1')" ] || fail "commands on standard input"
[ "$(printf '*3\r\n$3\r\nSET\r\n$1\r\np\r\n$1\r\nq\r\n' | cli --pipe 2>&1 | grep -c 'errors: 0, replies: 1')" = 1 ] ||
    fail "redis-cli --pipe"
expect q get p
cli info | grep -q '^redis_version:' || fail "info"
cli client list | grep -q '^id=' || fail "client list"
[ "$(cli -3 ping 2>/dev/null)" = PONG ] || fail "a client that would like RESP3"
head -c 3000000 /dev/zero | tr '\0' x >"$work/large"
[ "$(cli -x set large <"$work/large")" = OK ] || fail "set of a large value"
expect 3000000 strlen large
cli get large | head -c 3000000 | cmp - "$work/large" || fail "get of a large value"

redis-benchmark -p "$port" -q -c 20 -n 2000 -P 8 -r 1000 -t ping_inline,ping_mbulk,set,get,incr,mset >"$work/benchmark" 2>&1 ||
    fail "redis-benchmark: $(tail -5 "$work/benchmark")"
grep -qi error "$work/benchmark" && fail "redis-benchmark: $(grep -i error "$work/benchmark")"

if [ -e "$bin/service_hiredis_client" ]; then
    "$bin/service_hiredis_client" "$port" || fail "hiredis_client"
else
    echo "skipped by name: hiredis_client: it was not built, libhiredis is missing"
fi
stop_cache
