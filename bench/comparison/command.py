"""The command line of bench/compare."""
import argparse
import json
import pathlib
import sys

from . import context, figures, gate, latency, page, runs, sides, table, workloads

# What a run's size says of its other settings: launches of each, seconds of a point of load, seconds a launch may take.
BY_SIZE = {"full": (5, 3, 120), "quick": (3, 0.5, 20), "smoke": (2, 0.5, 120)}
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
        default=["spec"],
        metavar="A,B",
        help="spec (default), savina, all, or names; '' for none",
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
    parser.add_argument("--seconds", type=float, metavar="S", help="of each point of offered load (3; --quick: 0.5)")
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
    if chosen.runs < 5 and not chosen.source:
        print("compare: fewer than 5 launches of each say little", file=sys.stderr)
    return chosen


def report(round_number, rounds, position, count, record):
    result = f"{record['result']['seconds']:.4f} s" if record["result"] else f"{record['status']}: {record['words']}"
    sides.say(
        f"round {round_number}/{rounds} {position:3}/{count} {record['workload']:10} {record['side']:8} "
        f"workers={record['workers']} {result}"
    )


def measure(chosen):
    sides.set_up("bench")
    bin_folder = sides.build_troupe()
    everybody = sides.build(chosen.peers, bin_folder, chosen.add)
    picked = workloads.choose(chosen.workloads, f"{bin_folder}/troupe")
    settings = {
        "workers": chosen.workers,
        "runs": chosen.runs,
        "workloads": [workload.name for workload in picked],
        "size": chosen.size,
        "seed": chosen.seed,
        "limit_s": chosen.limit,
        "load_s": chosen.seconds,
    }
    data = {"format": 1, "context": context.gather(everybody, settings), "launches": [], "latency": []}
    cells = list(runs.bars_and_scaling(picked, everybody, chosen.workers, chosen.size))
    if not chosen.no_sweeps:
        cells += runs.sweeps(workloads.SWEEPS, everybody, chosen.workers, chosen.size, context.memory_bytes())

    def keep(records):
        data["launches"] = records
        write(chosen.out / "raw.json", json.dumps(data, indent=1))

    keep(runs.execute(cells, everybody, chosen.runs, chosen.seed, chosen.limit, report, keep))
    if chosen.services:
        shares = latency.SHARES if chosen.size == "full" else latency.FEW_SHARES
        data["latency"] = latency.execute(
            bin_folder, chosen.services, chosen.workers, chosen.runs, chosen.seconds, shares, chosen.seed, sides.say
        )
        keep(data["launches"])
    return data


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def picked_from(data):
    known = {workload.name: workload for workload in workloads.SPEC}
    return [known.get(name) or workloads.own_workload(name, {}) for name in data["context"]["settings"]["workloads"]]


def main(arguments):
    chosen = options(arguments)
    if chosen.gate:
        return gate.main(chosen)
    data = json.loads(chosen.source.read_text(encoding="utf-8")) if chosen.source else measure(chosen)
    picked, results = picked_from(data), figures.Results(data["launches"], list(data["context"]["sides"]))
    tables = table.at_each(results, picked, data["context"]["settings"]["workers"])
    text = table.text(tables, data["context"], results.sides)
    write(chosen.out / "table.txt", text)
    write(chosen.out / "page.html", page.render(data, picked))
    print(text)
    sides.say(f"compare: {chosen.out}/raw.json, table.txt and page.html")
    return (
        0
        if all(record["status"] in ("good", "unsupported") for record in data["launches"] if record["side"] == "troupe")
        else 1
    )
