#!/bin/bash
# command.sh BIN: `troupe bench` with no, one and several workloads, and what it refuses. Each of the workloads that all
# peers have runs once, small, and finds its result right.
set -u
bin=$1
failed=0
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

fail() {
    printf 'FAIL %s\n' "$*"
    failed=1
}

# bench STATUS WORD...: runs it, with that status; what it prints is in $folder/out and $folder/err
bench() {
    local want=$1 status
    shift
    timeout 200 "$bin/troupe" bench "$@" >"$folder/out" 2>"$folder/err"
    status=$?
    [ "$status" -eq "$want" ] || fail "bench $*: status $status, not $want: $(tail -n 3 "$folder/err")"
}

# says FILE TEXT: it has the text
says() { grep -qF -e "$2" "$folder/$1" || fail "'$2' is not in: $(cat "$folder/$1")"; }

names() { sed -n 's/^{"peer":"troupe",.*"workload":"\([a-z_.]*\)","params".*"ops":[0-9]*,"seconds":[0-9.]*.*}$/\1/p' "$folder/out" | xargs; }

# several: one line each, in the order of the names; a setting goes to those that know it
bench 0 ring pingpong n=2000 a=7 workers=2
[ "$(names)" = 'ring pingpong' ] || fail "two workloads printed: $(cat "$folder/out")"
says out '"workload":"ring","params":{"a":7,"n":2000,"workers":2}'
says out '"workload":"pingpong","params":{"n":2000,"workers":2}'

# none named: the workloads of bench/peers/SPEC.md, all of them and no other
bench 0 n=1000 p=2 a=5 r=2 s=4 c=4 leaves=1000 seconds=1 size=6 hogs=0
spec=$(sed -n 's/^| \([a-z]*\) .*=.* | .* | .* |$/\1/p' "$(dirname "$0")/../../bench/peers/SPEC.md" | sort | xargs)
[ "$(names | tr ' ' '\n' | sort | xargs)" = "$spec" ] || fail "without a name it ran '$(names)', not '$spec'"

# services are workloads, too
if [[ $bin == *aarch64* ]]; then
    echo "skipped by name: troupe bench pingpong echo: an emulated program cannot start another"
else
    bench 0 pingpong echo n=1000 rate=300 seconds=1 connections=4
    [ "$(names)" = 'pingpong echo' ] || fail "a workload and a service printed: $(cat "$folder/out")"
    says out '"rate":300,"seconds":1,"connections":4,"workers":'
fi

# one that fails does not keep the others from running, and is not forgotten
bench 1 savina.apsp pingpong n=24 b=7
[ "$(names)" = pingpong ] || fail "after a failure: $(cat "$folder/out")"
says err 'savina.apsp failed'

# the hand-made programs beside them: each finds its own result right
while read -r name parameters; do
    # shellcheck disable=SC2086
    timeout 100 "$bin/floor_$name" $parameters >"$folder/out" || fail "floor_$name $parameters"
    says out "{\"peer\":\"floor\",\"version\":\"1\",\"workload\":\"$name\""
done <<'TABLE'
pingpong n=1000
ring a=5 n=1000
pairs p=3 n=1000 workers=2
rings r=3 a=5 n=1000 workers=2
counting n=1000
cast n=1000
fanin s=4 n=1000
spawn n=1000
spawnchain n=1000
skynet leaves=1000
big a=5 n=1000
chameneos a=5 n=1000
call n=1000
callname n=1000
calls c=4 n=1000 workers=2
selective n=1000
timers n=1000
restart n=1000
idle n=1000
nqueens size=6
TABLE

# nothing runs if a name or a setting is wrong
bench 3 pingpong nonsense n=10
[ "$(cat "$folder/out")" = '{"unsupported":true}' ] || fail "an unknown workload printed: $(cat "$folder/out")"
says err "no workload 'nonsense'"
bench 2 pingpong ring q=10
says err "unknown setting 'q=10'; none of the workloads knows it"
bench 2 pingpong a=10
says err "unknown setting 'a=10'; pingpong has n=1000000 workers=N"
for bad in n= n=ten n=-1 n=1.5 n=10000000000000000000 workers=257 =5; do
    bench 2 pingpong "$bad"
    says err "'$bad'; pingpong has n=1000000"
    [ ! -s "$folder/out" ] || fail "'$bad' printed: $(cat "$folder/out")"
done
bench 2 idle variant=7
bench 2 echo rate=many
says err "'rate=many'; echo has rate=0"
bench 0 --help
says out 'usage: troupe bench [WORKLOAD ...] [key=value ...]'
says out 'one that none of them knows is refused'

[ "$failed" -eq 0 ] && echo "command: as it should be"
exit "$failed"
