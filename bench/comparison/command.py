"""The command line of bench/compare."""
import argparse
import json
import os
import pathlib
import sys
import time

from . import context, figures, gate, latency, markdown, page, runs, sides, speedups, table, workloads

# What a run's size says of its other settings: launches of each, seconds of a point of load, seconds a launch may take.
BY_SIZE = {"full": (5, 1.5, 120), "quick": (3, 0.5, 20), "smoke": (2, 0.5, 120)}
GATE_PAIRS = 11

DESCRIPTION = """Runs Troupe's workloads, hand-made floors and other actor runtimes, interleaved in random order, and
writes raw.json, table.txt and page.html (self-contained). On Debian, as root or with sudo, it installs what it needs.
With --gate BASE: is this tree slower than that commit?"""


def words(text):
    return [word for word in text.replace(",", " ").split() if word]


def options(arguments):
    parser = argparse.ArgumentParser(prog="bench/compare", description=DESCRIPTION)
    parser.add_argument(
        "--workloads",
        type=words,
        default=list(workloads.DEFAULT),
        metavar="A,B",
        help="spec,parallel (default), savina, all, or names; '' for none",
    )
    parser.add_argument(
        "--peers",
        type=words,
        default=list(sides.ALL_PEERS),
        metavar="A,B",
        help=f"of {', '.join(sides.ALL_PEERS)}; '' for none",
    )
    parser.add_argument(
        "--add", action="append", default=[], metavar="NAME=PROGRAM", help="another program that follows peers/SPEC.md"
    )
    parser.add_argument(
        "--runs", type=int, metavar="N", help="launches of each (5; --quick: 3); pairs of each row of --gate (11)"
    )
    parser.add_argument(
        "--workers", type=int, default=context.cores(), metavar="N", help="the larger number of workers (all cores)"
    )
    parser.add_argument(
        "--services",
        type=words,
        default=list(workloads.SERVICES),
        metavar="A,B",
        help=f"of {', '.join(workloads.SERVICES)}; '' for none",
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="of each point of offered load (1.5; --quick: 0.5)")
    parser.add_argument("--no-sweeps", action="store_true", help="not memory and time against the number of actors")
    parser.add_argument(
        "--quick",
        dest="size",
        action="store_const",
        const="quick",
        default="full",
        help="all rows with about a fifth of the work, 3 launches of each, fewer points: some 12 minutes on 4 cores",
    )
    parser.add_argument(
        "--smoke",
        dest="size",
        action="store_const",
        const="smoke",
        help="tiny parameters, 2 launches: does it all work?",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the order and the arrivals (1)")
    parser.add_argument("--limit", type=float, metavar="S", help="seconds that a launch may take (120; --quick: 20)")
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=sides.TOP / "build/compare",
        metavar="FOLDER",
        help="where the results go (build/compare)",
    )
    parser.add_argument(
        "--from",
        dest="source",
        type=pathlib.Path,
        metavar="RAW.JSON",
        help="measure nothing: table and page from this file",
    )
    parser.add_argument(
        "--resume",
        dest="resumed",
        type=pathlib.Path,
        metavar="RAW.JSON",
        help="take up a run that was broken off: what is missing in this file, with its settings",
    )
    parser.add_argument("--readme", action="store_true", help="put the figures into README.md and bench/README.md")
    parser.add_argument("--gate", metavar="BASE", help="compare this tree with commit BASE; status 1 if it is slower")
    chosen = parser.parse_args(arguments)
    runs, seconds, limit = BY_SIZE[chosen.size]
    chosen.runs = (GATE_PAIRS if chosen.gate else runs) if chosen.runs is None else chosen.runs
    chosen.seconds = seconds if chosen.seconds is None else chosen.seconds
    chosen.limit = limit if chosen.limit is None else chosen.limit
    if chosen.runs < 1 or chosen.workers < 1 or chosen.seconds <= 0:
        parser.error("--runs and --workers are at least 1, --seconds more than 0")
    if unknown := set(chosen.services) - set(workloads.SERVICES):
        parser.error(f"there is no service {', '.join(unknown)}")
    if chosen.runs < 5 and not chosen.source and not chosen.resumed:
        print("compare: fewer than 5 launches of each say little", file=sys.stderr)
    return chosen


class Report:
    """Says each launch, and after a round how long all will take."""

    def __init__(self):
        self.started, self.rounds_done = time.monotonic(), 0

    def __call__(self, round_number, rounds, position, count, record):
        result = (
            f"{record['result']['seconds']:.4f} s" if record["result"] else f"{record['status']}: {record['words']}"
        )
        sides.say(
            f"round {round_number}/{rounds} {position:3}/{count} {record['workload']:10} {record['side']:8} "
            f"workers={record['workers']} {result}"
        )
        if position == count:
            self.rounds_done += 1
            minutes = (time.monotonic() - self.started) / 60
            rest = minutes / self.rounds_done * (rounds - round_number)
            sides.say(f"compare: {minutes:.1f} minutes so far; the launches of the other rounds take some {rest:.0f}")


def settings_of(chosen, picked):
    return {
        "workers": chosen.workers,
        "runs": chosen.runs,
        "workloads": [workload.name for workload in picked],
        "size": chosen.size,
        "seed": chosen.seed,
        "limit_s": chosen.limit,
        "load_s": chosen.seconds,
        "services": chosen.services,
        "sweeps": not chosen.no_sweeps,
        "peers": chosen.peers,
        "added": chosen.add,
        "memory_bytes": context.memory_bytes(),
    }


def take_up(chosen, data):
    """The settings of the run that was broken off."""
    if data["context"]["commit"] != context.commit():
        raise SystemExit(f"compare: that run is of commit {data['context']['commit']}, this tree is {context.commit()}")
    kept = data["context"]["settings"]
    if "memory_bytes" not in kept:
        raise SystemExit("compare: that file is of an older bench/compare, which did not note all settings")
    chosen.workers, chosen.runs, chosen.workloads = kept["workers"], kept["runs"], kept["workloads"]
    chosen.size, chosen.seed, chosen.limit, chosen.seconds = kept["size"], kept["seed"], kept["limit_s"], kept["load_s"]
    chosen.services, chosen.no_sweeps = kept["services"], not kept["sweeps"]
    chosen.peers, chosen.add = kept["peers"], kept["added"]


def measure(chosen):
    before = json.loads(chosen.resumed.read_text(encoding="utf-8")) if chosen.resumed else None
    if before:
        take_up(chosen, before)
    sides.set_up("bench")
    bin_folder = sides.build_troupe()
    everybody = sides.build(chosen.peers, bin_folder, chosen.add)
    picked = workloads.choose(chosen.workloads, f"{bin_folder}/troupe")
    data = before or {
        "format": 1,
        "context": context.gather(everybody, settings_of(chosen, picked)),
        "launches": [],
        "latency": [],
    }
    cells = list(runs.bars_and_scaling(picked, everybody, chosen.workers, chosen.size))
    if not chosen.no_sweeps:
        memory = data["context"]["settings"]["memory_bytes"]
        cells += list(runs.sweeps(workloads.SWEEPS, everybody, chosen.workers, chosen.size, memory, cells))

    def keep(name):
        def kept(records):
            data[name] = records
            write(chosen.out / "raw.json", json.dumps(data, indent=1))

        return kept

    runs.execute(
        cells, everybody, chosen.runs, chosen.seed, chosen.limit, Report(), keep("launches"), list(data["launches"])
    )
    if chosen.services:
        shares = latency.SHARES if chosen.size == "full" else latency.FEW_SHARES
        plan = latency.Plan(chosen.services, chosen.workers, chosen.runs, chosen.seconds, shares, chosen.seed)
        latency.execute(bin_folder, plan, sides.say, keep("latency"), list(data["latency"]))
    return data


def write(path, text):
    """All of it or nothing: whoever stops the program keeps what was written before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def picked_from(data):
    known = workloads.known_workloads()
    return [known.get(name) or workloads.own_workload(name, {}) for name in data["context"]["settings"]["workloads"]]


def main(arguments):
    chosen = options(arguments)
    if chosen.gate:
        return gate.main(chosen)
    data = json.loads(chosen.source.read_text(encoding="utf-8")) if chosen.source else measure(chosen)
    picked, results = picked_from(data), figures.Results(data["launches"], list(data["context"]["sides"]))
    workers = data["context"]["settings"]["workers"]
    tables, risen = table.at_each(results, picked, workers), speedups.rows(results, picked, workers)
    text = table.text(tables, risen, data["context"], results.sides)
    write(chosen.out / "table.txt", text)
    write(chosen.out / "page.html", page.render(data, picked))
    write(chosen.out / "figures.md", markdown.text(tables, risen, data["context"], results.sides))
    print(text)
    if chosen.readme:
        markdown.put(sides.TOP, tables, risen, data["context"], results.sides, sides.say)
    sides.say(f"compare: {chosen.out}/raw.json, table.txt, page.html and figures.md")
    for workload, side, theirs, ours in results.unlike():
        sides.say(f"compare: not the same work: {workload} of {side} counts {theirs:,} operations, of troupe {ours:,}")
    return (
        0
        if all(record["status"] in ("good", "unsupported") for record in data["launches"] if record["side"] == "troupe")
        and not results.unlike()
        else 1
    )
