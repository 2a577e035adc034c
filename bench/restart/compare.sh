#!/usr/bin/env bash
# compare.sh [N [ROUNDS]]: restarts a second of a supervisor's child, Troupe beside OTP, in the same run, alternating,
# no report on either side. Prints a line for each measurement, then the ratio of the medians. OTP's supervisor keeps a
# list of the restarts of its period and walks it at each one: a small N (2000) under a fresh supervisor keeps that list
# short, a large one shows what it costs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
n=${1:-2000}
rounds=${2:-10}
command -v escript >/dev/null || { echo "escript is missing (Debian package erlang-base)" >&2; exit 1; }
"$top/tools/build" release troupe_command

rate() { sed -E 's/.*"ops":([0-9]+),"seconds":([0-9.]+).*/\1 \2/' | awk '{ ops += $1; seconds += $2 } END { printf "%.0f\n", ops / seconds }'; }
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

ours=() theirs=()
for ((i = 0; i < 5; i++)); do
    ours+=("$(for ((j = 0; j < rounds; j++)); do "$top/build/release/bin/troupe" bench restart n="$n"; done | rate)")
    theirs+=("$(escript "$here/otp.escript" "$n" "$rounds" | rate)")
    printf 'troupe %9d restarts/s    otp %9d restarts/s\n' "${ours[i]}" "${theirs[i]}"
done
us=$(printf '%s\n' "${ours[@]}" | median)
them=$(printf '%s\n' "${theirs[@]}" | median)
awk -v us="$us" -v them="$them" 'BEGIN { printf "median: troupe %d, otp %d: %.1f times\n", us, them, us / them }'
