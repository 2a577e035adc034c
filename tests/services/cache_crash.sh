#!/bin/bash
# Crashes stay where they are: a shard comes back empty while the others and every connection go on; a connection that
# crashes takes nobody along.
bin=$1
here=$(dirname "$0")
. "$here/cache_common.bash"

start_cache --shards 4
python3 "$here/cache_crash.py" "$port" || fail "cache_crash.py"

# A write to address 0 ends one connection. Sanitizers have their own handler for it, or none.
if [ "$(head -c 4 "$bin/cache" | tail -c 3)" = ELF ] && ! grep -qaE '__(asan|tsan)_init' "$bin/cache"; then
    cli debug segfault >"$work/segfault" 2>&1
    expect PONG ping
else
    echo "skipped by name: debug segfault: the sanitizer's own handler, or an emulator, is in the way"
fi
stop_cache
