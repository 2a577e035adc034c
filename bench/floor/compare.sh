#!/bin/bash
# compare.sh: troupe's messages and calls against a hand-made floor, and four workers against one.
#
# usage: bench/floor/compare.sh [BIN [RUNS]]
#   BIN   the folder with troupe and floor_* (build/release/bin)
#   RUNS  how many runs of each, taken in turn (5)
#
# Prints medians in ns an operation and their ratios. The limits: at most 2.0 times the floor for pingpong, ring and
# call with one worker, and four workers no slower than one, each with 10 % of tolerance; the exit status is 1 if one is
# missed.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
bin=${1:-$here/build/release/bin}
runs=${2:-5}
missed=0

# ns an operation, from the line of JSON that a program prints
ns_per_op() {
    sed -n 's/.*"ops":\([0-9]*\),"seconds":\([0-9.]*\).*/\1 \2/p' | awk '{ printf "%.2f\n", $2 * 1e9 / $1 }'
}

median() { sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

# row WORKLOAD: runs floor, one worker and four workers in turn, prints the medians, checks the limits
row() {
    local work=$1 floor one four run
    local folder
    folder=$(mktemp -d)
    for ((run = 0; run < runs; run++)); do
        [ ! -x "$bin/floor_$work" ] || "$bin/floor_$work" | ns_per_op >>"$folder/floor"
        "$bin/troupe" bench "$work" workers=1 | ns_per_op >>"$folder/one"
        "$bin/troupe" bench "$work" workers=4 | ns_per_op >>"$folder/four"
    done
    floor=$(median 2>/dev/null <"$folder/floor" || true)
    one=$(median <"$folder/one")
    four=$(median <"$folder/four")
    rm -r "$folder"
    awk -v work="$work" -v floor="${floor:-0}" -v one="$one" -v four="$four" 'BEGIN {
        ratio = floor > 0 ? one / floor : 0
        verdict = "ok"
        if (four > one * 1.1) verdict = "4 workers slower than 1"
        if (ratio > 2.0 * 1.1) verdict = "more than twice the floor"
        printf "%-10s %9.1f %9.1f %8.2f %9.1f %8.2f   %s\n", work, floor, one, ratio, four, four / one, verdict
        exit verdict == "ok" ? 0 : 1
    }' || missed=1
}

printf '%-10s %9s %9s %8s %9s %8s\n' 'ns/op' floor '1 worker' ratio '4 workers' '4 to 1'
for work in pingpong ring counting call; do
    row "$work"
done
exit "$missed"
