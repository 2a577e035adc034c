#!/bin/bash
# speedup.sh: what several workers give over one: troupe's parallel programs and the same with plain threads.
#
# usage: bench/floor/speedup.sh [BIN [RUNS [WORKERS]]]
#   BIN      the folder with troupe and floor_* (build/release/bin)
#   RUNS     how many runs of each, taken in turn (5)
#   WORKERS  how many workers are compared with one (4)
#
# Prints medians in ms and the speed-ups. The limit: troupe's is at least the plain threads' less 3 %; the exit status
# is 1 if one is missed. The runs with one worker have one core: a handler that computes for 3 ms gets a spare worker
# beside it, which would make the base too fast.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
bin=${1:-$here/build/release/bin}
runs=${2:-5}
workers=${3:-4}
missed=0
core=$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')

ms() { sed -n 's/.*"seconds":\([0-9.]*\).*/\1/p' | awk '{ printf "%.3f\n", $1 * 1e3 }'; }

median() { sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

# row NAME FLOOR_ARGUMENTS WORKLOAD...: runs floor_NAME and the workload in turn, with one worker and with several
row() {
    local name=$1 arguments=$2 run count folder on
    shift 2
    folder=$(mktemp -d)
    for ((run = 0; run < runs; run++)); do
        for count in 1 "$workers"; do
            on=()
            [ "$count" -ne 1 ] || on=(taskset -c "$core")
            # shellcheck disable=SC2086
            "${on[@]}" "$bin/floor_$name" $arguments workers="$count" | ms >>"$folder/floor$count"
            "${on[@]}" "$bin/troupe" bench "$@" workers="$count" | ms >>"$folder/troupe$count"
        done
    done
    awk -v name="$1" -v floor1="$(median <"$folder/floor1")" -v floorN="$(median <"$folder/floor$workers")" \
        -v one="$(median <"$folder/troupe1")" -v several="$(median <"$folder/troupe$workers")" 'BEGIN {
        plain = floor1 / floorN
        ours = one / several
        verdict = ours >= plain * 0.97 ? "ok" : "below"
        printf "%-18s %9.1f %9.1f %7.2f %9.1f %9.1f %7.2f   %s\n", name, floor1, floorN, plain, one, several, ours, verdict
        exit verdict == "ok" ? 0 : 1
    }' || missed=1
    rm -r "$folder"
}

printf '%-18s %9s %9s %7s %9s %9s %7s\n' 'ms' 'threads 1' "$workers" 'gives' 'troupe 1' "$workers" 'gives'
row nqueens '' nqueens
row nqueens '' savina.nqueens
row trapezoid '' savina.trapezoid
row fib 'n=36' savina.fib n=25
row matmul '' savina.matmul
exit "$missed"
