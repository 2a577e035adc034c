#!/bin/bash
# savina.sh BIN: every program of the Savina suite, small, on one worker, on four, and on more than there are cores;
# each checks its result itself. Then what must fail does, and the plain-thread programs beside them find the same
# results.
set -u
bin=$1
failed=0

fail() {
    printf 'FAIL %s\n' "$*"
    failed=1
}

# Name and parameters, small enough for all of them three times in seconds, under the sanitizers, too.
small() {
    cat <<'TABLE'
pingpong n=2000
counting n=20000
forkjoin_create n=500
forkjoin_throughput n=300 a=10
threadring a=20 n=5000
chameneos a=10 n=3000
big a=12 n=300
dictionary clients=6 n=500 initial=500
sortedlist clients=6 n=200 writes=40
prodcons buffer=7 producers=5 consumers=3 items=20 produce=1 consume=1
philosophers a=5 n=500
barber n=100 seats=5 pause=50 cut=50
smokers n=100 a=10
logmap terms=100 series=5
banking a=30 n=1500
radixsort n=500 bits=20
filterbank n=200 columns=16 channels=3
sieve n=3000 m=50
uct nodes=1500 work=50 deviation=10
facility points=3000 grid=100
trapezoid n=20000 a=16
pi digits=300 a=5
matmul size=48 a=5 threshold=64
quicksort n=20000 threshold=200
apsp n=24 b=6
sor size=8 iterations=15
astar grid=10 a=6 threshold=20
nqueens size=7 a=6 cutoff=3
fib n=14
bitonic n=64
TABLE
}

# run WORKERS NAME PARAMETER...: one run; its line names the program and the workers that it was asked for
run() {
    local workers=$1 name=$2 line status
    shift 2
    line=$(timeout 100 "$bin/troupe" bench "savina.$name" "$@" workers="$workers")
    status=$?
    [ "$status" -eq 0 ] || fail "savina.$name $* workers=$workers: status $status"
    [[ $line == *"\"workload\":\"savina.$name\","*"\"workers\":$workers}"*'"seconds":'* ]] ||
        fail "savina.$name workers=$workers printed '$line'"
}

more=$((2 * $(nproc) + 1))
while read -r name parameters; do
    for workers in 1 4 "$more"; do
        # shellcheck disable=SC2086
        run "$workers" "$name" $parameters
    done
done < <(small)

# all that there are, and the thirty of the suite
listed=$("$bin/troupe" help bench | sed -n 's/^  savina\.\([a-z_]*\) .*/\1/p' | sort)
[ "$listed" = "$(small | cut -d ' ' -f 1 | sort)" ] || fail "the table is not the list of programs: $listed"
[ "$(wc -l <<<"$listed")" -eq 30 ] || fail "there are not thirty programs"

# more than one round of edge cases: the first solutions only, one worker for all, shares of different size
run 4 nqueens size=8 a=3 cutoff=2 limit=10
run 4 astar grid=6 a=1 threshold=1
run 4 trapezoid n=1001 a=7
run 4 matmul size=40 a=3 threshold=30
run 4 prodcons buffer=1 producers=3 consumers=3 items=5 produce=0 consume=0

# an interrupt ends them at any moment: what several actors read is not freed before the last of them has ended
for program in 'matmul size=2048 threshold=4096' 'apsp n=1200 b=100' 'astar grid=120'; do
    # shellcheck disable=SC2086
    said=$(timeout -k 60 -s INT 0.2 "$bin/troupe" bench savina.$program 2>&1)
    [ $? -ne 137 ] || fail "savina.$program: the interrupt did not end it"
    grep -qE 'SIG|Sanitizer' <<<"$said" && fail "savina.$program, interrupted: $said"
done

# wrong parameters are refused
"$bin/troupe" bench savina.apsp n=24 b=7 2>/dev/null && fail "apsp took blocks that do not fit"
"$bin/troupe" bench savina.bitonic n=33 2>/dev/null && fail "bitonic took n=33"

# the same with plain threads
for program in 'nqueens size=8' 'trapezoid n=20000 a=16' 'fib n=22' 'matmul size=48 threshold=64'; do
    for workers in 1 4 "$more"; do
        # shellcheck disable=SC2086
        timeout 100 "$bin"/floor_$program workers="$workers" | grep -q "\"workers\":$workers}" ||
            fail "floor_$program workers=$workers"
    done
done

# the same as plain sequential programs
for program in 'apsp n=24' 'sor size=8' 'sieve n=3000' 'radixsort n=500 bits=20' 'quicksort n=20000'; do
    # shellcheck disable=SC2086
    timeout 100 "$bin"/floor_$program | grep -q "\"workload\":\"savina.${program%% *}\"" || fail "floor_$program"
done

[ "$failed" -eq 0 ] && echo "savina: all programs are right"
exit "$failed"
