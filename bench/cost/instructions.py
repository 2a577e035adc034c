"""Instructions, loads, stores and locked instructions of an operation: callgrind's counts of two sizes, the difference
for each address, so that start and end cancel."""
import collections
import json
import pathlib
import subprocess
import tempfile

from . import program

COUNTED = ("instructions", "loads", "stores")


def profile(command, limit_s):
    """((object, address) -> [instructions, loads, stores], operations) of a run, and of processes that it forks"""
    with tempfile.TemporaryDirectory(prefix="where-") as folder:
        out = [f"--callgrind-out-file={folder}/%p", "--compress-strings=no", "--compress-pos=no"]
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--dump-instr=yes", "--cache-sim=yes", *out, *command],
            capture_output=True,
            text=True,
            timeout=limit_s,
        )
        result = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode != 0 or not result:
            raise SystemExit(f"where: {' '.join(command)} failed under callgrind:\n{done.stderr[-1000:]}")
        costs = collections.defaultdict(lambda: [0, 0, 0])
        for path in pathlib.Path(folder).iterdir():
            with path.open(encoding="utf-8") as lines:
                for key, cost in read(lines).items():
                    costs[key] = [sum(pair) for pair in zip(costs[key], cost)]
        return costs, json.loads(result[-1])["ops"]


def quietest(command, repeats, limit_s):
    """Of some runs the one with the fewest instructions: a busy machine adds turns of other threads, and takeovers."""
    return min(
        (profile(command, limit_s) for _ in range(repeats)), key=lambda run: sum(cost[0] for cost in run[0].values())
    )


def read(lines):
    """Of a call only the line itself counts, not what was called: that is on the line after it."""
    found = collections.defaultdict(lambda: [0, 0, 0])
    where, skip = "", False
    for line in lines:
        if line.startswith("ob="):
            where = line[3:].strip()
        elif line.startswith("calls="):
            skip = True
        elif line.startswith("0x"):
            if not skip:
                address, _, *numbers = line.split()
                cost = found[where, int(address, 16)]
                for i, number in enumerate(numbers[:3]):
                    cost[i] += int(number)
            skip = False
    return found


def of_an_operation(small_command, large_command, repeats, limit_s):
    """(object, address) -> [instructions, loads, stores] of one operation"""
    small, small_ops = quietest(small_command, repeats, limit_s)
    large, large_ops = quietest(large_command, repeats, limit_s)
    ops = large_ops - small_ops
    found = {
        key: [(cost[i] - small.get(key, (0, 0, 0))[i]) / ops for i in range(3)]
        for key, cost in large.items()
        if cost != list(small.get(key, (0, 0, 0)))
    }
    for (path, address), cost in found.items():
        if program.touches_nothing(path, address):
            cost[1:] = [0, 0]
    return found


def totals(costs):
    """name -> number; locked ones are counted by the disassembly"""
    sums = dict(zip(COUNTED, (sum(cost[i] for cost in costs.values()) for i in range(3))))
    sums["locked"] = sum(cost[0] for (path, address), cost in costs.items() if program.is_locked(path, address))
    return sums
