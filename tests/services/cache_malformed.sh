#!/bin/bash
# Malformed, oversized and half-sent requests get an error or a closed connection, and nobody else notices.
bin=$1
here=$(dirname "$0")
. "$here/cache_common.bash"

start_cache --shards 3 --maxmemory 64mb
python3 "$here/cache_malformed.py" "$port" "${2:-1}" || fail "cache_malformed.py"
kill -0 "$cache_pid" || fail "the cache has ended"
grep -iqE "fault|assert" "$work/cache.err" && fail "something crashed"
stop_cache
