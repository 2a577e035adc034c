"""bench/compare --gate BASE: is this tree slower than that commit?

Two signals. Time: each row is run in pairs, the two builds in random order, and the ratio new / old of each pair is
kept; the row looks slower if the whole 99 % interval of the median ratio is above 1 + TOLERANCE. What looks slower is
measured once more, alone, with new pairs, and is a regression only if it is again: with some twenty rows one would
look so by chance now and then. Instructions: callgrind counts those of single-worker kernels; the same binary gives
the same count to a thousandth, whatever else the machine does, so more than 1 + INSTRUCTION_TOLERANCE is a
regression."""
import json
import os
import random
import re
import shutil
import statistics
import subprocess

from . import context, figures, runs, sides, workloads

TOLERANCE, INSTRUCTION_TOLERANCE = 0.01, 0.01
WIDE = 0.1  # an interval wider than this says too little
ROWS = (
    "pingpong",
    "ring",
    "pairs",
    "counting",
    "cast",
    "fanin",
    "spawn",
    "spawnchain",
    "skynet",
    "big",
    "chameneos",
    "call",
    "callname",
    "calls",
    "restart",
    "selective",
)
KERNELS = {  # workload: parameter, count; the cost of a second `count` is what the kernel costs
    "pingpong": ("n", 20000),
    "ring": ("n", 40000),
    "counting": ("n", 40000),
    "cast": ("n", 40000),
    "call": ("n", 10000),
    "callname": ("n", 10000),
    "spawn": ("n", 10000),
    "spawnchain": ("n", 10000),
    "restart": ("n", 1000),
}


def build_base(base):
    """The commit in a work tree of its own, built as its own tools/build does; the folder of its programs."""
    commit = sides.run(["git", "rev-parse", "--verify", f"{base}^{{commit}}"], cwd=sides.TOP).strip()
    tree = sides.TOP / "build/gate" / commit[:16]
    if not tree.is_dir():
        sides.run(["git", "worktree", "prune"], cwd=sides.TOP)
        sides.run(["git", "worktree", "add", "--detach", tree, commit], cwd=sides.TOP)
    sides.say(f"compare: building {commit[:12]} in {tree.relative_to(sides.TOP)}")
    subprocess.run([tree / "tools/build", "release", "troupe_command"], check=True)
    return commit, str(tree / "build/release/bin/troupe")


def paired(programs, workload, figure, parameters, workers, rounds, limit_s, chance):
    """[new / old] of each pair that came out well on both sides; None if a side fails."""
    found = []
    for _ in range(rounds):
        order, got = list(programs), {}
        chance.shuffle(order)
        for name in order:
            settings = [f"{key}={value}" for key, value in parameters.items()]
            status, line, words, _ = runs.launch(
                [programs[name], "bench", workload.name, *settings, f"workers={workers}"], limit_s
            )
            if status == "unsupported":
                return None
            if status != "good":
                raise SystemExit(f"compare: {workload.name} {status} on the {name} side: {words}")
            got[name] = figure.read(line)
        found.append(got["new"] / got["old"])
    return found


def middle_99(ratios, seed=1):
    chance = random.Random(seed)
    medians = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(figures.RESAMPLES))
    return statistics.median(ratios), medians[int(0.005 * len(medians))], medians[int(0.995 * len(medians)) - 1]


def judge(summed):
    if summed[1] > 1 + TOLERANCE:
        return "slower"
    if summed[2] < 1 - TOLERANCE:
        return "faster"
    return "same" if summed[2] - summed[1] < WIDE else "unclear: too noisy"


def show(name, workers, summed, words):
    print(f"{name:12} {workers:7}   {summed[0]:6.3f}   {summed[1]:6.3f} to {summed[2]:6.3f}   {words}", flush=True)


def compare_times(chosen, programs, picked, record):
    slower, chance = [], random.Random(chosen.seed)
    print(f"\n{'time':12} workers   new/old   99 % interval      over {chosen.runs} pairs")
    cells = [(workload, workers) for workload in picked for workers in dict.fromkeys((1, chosen.workers))]
    chance.shuffle(cells)
    for workload, workers in cells:
        parameters, figure = workload.parameters(chosen.size), workload.figures[0]

        def measure():
            return paired(programs, workload, figure, parameters, workers, chosen.runs, chosen.limit, chance)

        ratios = measure()
        if ratios is None:
            continue
        summed, again = middle_99(ratios), None
        verdict = judge(summed)
        show(workload.name, workers, summed, verdict if verdict != "slower" else "looks slower: once more")
        if verdict == "slower":
            again = measure()
            verdict = judge(middle_99(again))
            show(
                workload.name,
                workers,
                middle_99(again),
                "SLOWER, both times" if verdict == "slower" else "not again: noise",
            )
        record["times"].append(
            {"workload": workload.name, "workers": workers, "ratios": ratios, "again": again, "verdict": verdict}
        )
        if verdict == "slower":
            slower.append(f"{workload.name} on {workers}")
    return slower


def count(program, workload, parameter, amount, limit_s):
    command = [
        "valgrind",
        "--tool=callgrind",
        "--fair-sched=yes",  # else the watchdog's thread may never run, and calls find no tick to count deadlines from
        "--callgrind-out-file=/dev/null",
        program,
        "bench",
        workload,
        f"{parameter}={amount}",
        "workers=1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    match = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not match:
        raise SystemExit(f"compare: callgrind of {workload} failed:\n{done.stderr[-1000:]}")
    return int(match.group(1))


def compare_instructions(chosen, programs, picked, record):
    """Instructions of one more operation: the count of twice as many, less the count, so that start and end cancel."""
    more = []
    if not shutil.which("valgrind"):
        print("\ninstructions: skipped by name: valgrind is not installed")
        return more
    print(f"\n{'instructions':12} {'old':>10} {'new':>10}   new/old   a unit of the workload, one worker")
    for workload in picked:
        if workload.name not in KERNELS:
            continue
        parameter, amount = KERNELS[workload.name]
        cost = {}
        for name, program in programs.items():
            once, twice = (count(program, workload.name, parameter, n, chosen.limit * 5) for n in (amount, 2 * amount))
            cost[name] = (twice - once) / amount
        ratio = cost["new"] / cost["old"]
        verdict = (
            "MORE" if ratio > 1 + INSTRUCTION_TOLERANCE else "fewer" if ratio < 1 - INSTRUCTION_TOLERANCE else "same"
        )
        print(f"{workload.name:12} {cost['old']:10.1f} {cost['new']:10.1f}   {ratio:7.4f}   {verdict}", flush=True)
        record["instructions"].append({"workload": workload.name, **cost, "ratio": ratio, "verdict": verdict})
        if verdict == "MORE":
            more.append(f"{workload.name} ({ratio - 1:+.1%} instructions)")
    return more


def main(chosen):
    commit, old = build_base(chosen.gate)
    programs = {"new": str(sides.build_troupe() / "troupe"), "old": old}
    names = ROWS if chosen.workloads == list(workloads.DEFAULT) else chosen.workloads
    picked = workloads.choose(names, programs["new"])
    print(f"this tree ({context.commit()}) against {commit}; load average {os.getloadavg()[0]:.2f}")
    record = {"base": commit, "tree": context.commit(), "times": [], "instructions": []}
    bad = compare_times(chosen, programs, picked, record) + compare_instructions(chosen, programs, picked, record)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "gate.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    print(f"\ngate: {'REGRESSION: ' + ', '.join(bad) if bad else 'no regression'}")
    return 1 if bad else 0
