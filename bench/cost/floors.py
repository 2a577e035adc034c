"""What remains to the floor: time and instructions of an operation beside those of the hand-made program that does the
same work (bench/floor). Times are minima of many short runs on one worker, which a busy machine disturbs least."""
import json
import random
import subprocess

from . import instructions, purposes

# What a hand-made program does as well: what is above it is in the others.
ALSO_BELOW = (purposes.ALLOCATE, purposes.ENQUEUE, purposes.TAKE, purposes.FREE, purposes.SWITCH, purposes.WORKLOAD)


def commands(row, folder, size):
    settings = row.words(size)
    return {
        "troupe": [f"{folder}/troupe", "bench", row.name, *settings],
        "floor": [f"{folder}/floor_{row.name}", *settings],
    }


def ns_an_operation(command, limit_s):
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise SystemExit(f"where: {' '.join(command)} failed:\n{done.stderr[-1000:]}")
    result = json.loads(lines[-1])
    return result["seconds"] / result["ops"] * 1e9


def times(rows, folder, runs, limit_s, seed=1):
    """workload -> side -> the least ns of an operation; a round runs everything once, in random order"""
    cells = [(row.name, side, command) for row in rows for side, command in commands(row, folder, "timed").items()]
    least, chance = {}, random.Random(seed)
    for _ in range(runs):
        chance.shuffle(cells)
        for name, side, command in cells:
            found, sides = ns_an_operation(command, limit_s), least.setdefault(name, {})
            sides[side] = min(found, sides.get(side, found))
    return least


def counted(row, folder, limit_s):
    """What the floor's operation has of each kind of instruction; None: the number of operations is always the same."""
    if row.small is None:
        return None
    small, large = (commands(row, folder, size)["floor"] for size in ("small", "large"))
    return instructions.totals(instructions.of_an_operation(small, large, 1, limit_s))


def largest(split, count=4):
    """The most of what a floor has not, in words."""
    above = [(cost, purpose) for purpose, cost in split.items() if purpose not in ALSO_BELOW]
    return ", ".join(f"{purpose} {cost:,.0f}" for cost, purpose in sorted(above, reverse=True)[:count])
