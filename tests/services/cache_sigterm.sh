#!/bin/bash
# SIGTERM: no new connections; whoever was being answered gets whole replies; idle connections are closed; status 0.
bin=$1
here=$(dirname "$0")
. "$here/cache_common.bash"

for round in 1 2 3; do
    start_cache --shards 4
    python3 "$here/cache_sigterm.py" "$port" "$cache_pid" || fail "cache_sigterm.py, round $round"
    wait "$cache_pid" || fail "the cache ended with status $?"
    started=()
    cli ping >/dev/null 2>&1 && fail "somebody still listens"
done
exit 0
