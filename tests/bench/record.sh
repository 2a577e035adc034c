#!/bin/bash
# record.sh BIN: the troupe command's help, what `troupe record` refuses before it runs the program, and what it leaves.
set -u
bin=$1
failed=0
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
export TMPDIR=$folder

fail() {
    printf 'FAIL %s\n' "$*"
    failed=1
}

# troupe STATUS WORD...: runs it, with that status; what it prints is in $folder/out and $folder/err
troupe() {
    local want=$1 status
    shift
    timeout 200 "$bin/troupe" "$@" >"$folder/out" 2>"$folder/err"
    status=$?
    [ "$status" -eq "$want" ] || fail "troupe $*: status $status, not $want: $(tail -n 3 "$folder/err")"
}

# says FILE TEXT: it has the text
says() { grep -qF -e "$2" "$folder/$1" || fail "'$2' is not in: $(cat "$folder/$1")"; }

# help: of all, and the same of each command in both ways
troupe 0 --help
says out 'troupe record'
for command in bench record help version; do
    troupe 0 help "$command"
    says out "usage: troupe $command"
    cp "$folder/out" "$folder/before"
    troupe 0 "$command" --help
    cmp -s "$folder/out" "$folder/before" || fail "troupe $command --help says something else than troupe help $command"
done
troupe 2 help nonsense
troupe 2 nonsense

# nothing runs if an option or a file is wrong
for bad in '-n 0' '-n x' '-n -5' '-n 99999999999999999999' '-x'; do
    # shellcheck disable=SC2086
    troupe 2 record $bad -- touch "$folder/ran"
    says err 'troupe record: '
done
troupe 2 record -o
troupe 2 record --
troupe 1 record -o "$folder/none/trace.json" -- touch "$folder/ran"
says err 'none/trace.json: No such file or directory'
[ ! -e "$folder/ran" ] || fail "it ran a program that it could not record"

# programs that are not there, or are none of Troupe's
troupe 127 record -o "$folder/trace.json" -- "$folder/none"
says err "$folder/none: No such file or directory"
[ "$(wc -l <"$folder/err")" -eq 1 ] || fail "more than one complaint: $(cat "$folder/err")"
troupe 1 record -o "$folder/trace.json" -- true
says err 'left no recording'
troupe 1 record -o "$folder/trace.json" -d "$0"

[ -z "$(find "$folder" -name 'troupe-trace-*')" ] || fail "recordings are left: $(ls "$folder")"
if [[ $bin == *aarch64* ]]; then
    echo "skipped by name: troupe record of a program: an emulated program cannot start another"
else
    troupe 0 record -n 1000 -o "$folder/trace.json" -- "$bin/troupe" bench pingpong n=1000
    says out '"workload":"pingpong"'
    says trace.json '"name"'
    troupe 1 record -o /dev/full -- "$bin/troupe" bench pingpong n=1000 # the recording is not lost
    troupe 0 record -o "$folder/again.json" -d "$(find "$folder" -name 'troupe-trace-*')"
    says again.json '"name"'
fi

[ "$failed" -eq 0 ] && echo "record: as it should be"
exit "$failed"
