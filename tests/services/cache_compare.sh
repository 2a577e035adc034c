#!/bin/bash
# The same commands to the cache and to Debian's redis-server: the replies are the same, byte for byte; one at a time,
# all in one pipeline, and as raw bytes that may be no requests at all. The commands: cache_compare.txt.
bin=$1
here=$(dirname "$0")
. "$here/cache_common.bash"

start_redis
start_cache --shards 3
python3 "$here/cache_compare.py" "$port" "$redis_socket" "$here/cache_compare.txt" || fail "replies differ"
stop_cache
