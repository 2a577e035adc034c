#!/bin/bash
# What has an end ends well: options, ports, connections, memory, keys that expire.
bin=$1
here=$(dirname "$0")
. "$here/cache_common.bash"

"$bin/cache" --help | grep -q -- --maxmemory || fail "--help"
for wrong in "--port x" "--port 65536" "--shards 0" "--shards 129" "--maxmemory 1x" "--policy none" "--nonsense" "word"; do
    # shellcheck disable=SC2086
    "$bin/cache" $wrong >/dev/null 2>"$work/wrong"
    status=$?
    [ "$status" -eq 2 ] && [ -s "$work/wrong" ] || fail "$wrong: status $status"
done

# connections: the third of two is told so, and there is room again once one has left
start_cache --shards 2 --maxclients 2
python3 "$here/cache_limits.py" clients "$port" || fail "maxclients"
"$bin/cache" --port "$port" >/dev/null 2>"$work/second"
status=$?
[ "$status" -eq 1 ] && grep -q "can't listen on .*:$port: Address already in use" "$work/second" ||
    fail "a port that is taken: status $status, $(cat "$work/second")"
stop_cache

# memory: forgetting keeps it within the limit, refusing says so
start_cache --shards 3 --maxmemory 8mb --policy allkeys-lru
python3 "$here/cache_limits.py" forget "$port" || fail "allkeys-lru"
stop_cache
start_cache --shards 3 --maxmemory 8mb
python3 "$here/cache_limits.py" refuse "$port" || fail "noeviction"
stop_cache

# keys that nobody asks for leave, too
start_cache --shards 4
python3 "$here/cache_limits.py" expire "$port" || fail "expiry"
stop_cache

# one worker and one shard, many shards and many workers: the same commands
for options in "--workers 1 --shards 1" "--workers 8 --shards 128"; do
    # shellcheck disable=SC2086
    start_cache $options
    python3 "$here/cache_limits.py" commands "$port" || fail "$options"
    stop_cache
done
