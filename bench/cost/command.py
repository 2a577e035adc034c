"""The command line of bench/where."""
import argparse
import concurrent.futures
import os
import pathlib
import platform
import shutil

from . import floors, instructions, lines, program, purposes, rows, trace

TOP = pathlib.Path(__file__).resolve().parents[2]
DESCRIPTION = """Takes an operation of Troupe's workloads apart, on one worker: instructions by what they are for,
loads, stores, locked instructions (callgrind, the difference of two sizes), and cache lines (lackey, the steady part
of a trace). With --floors: time and instructions beside those of the hand-made programs. Prints Markdown. It needs
valgrind and binutils, and a build with debug information."""
HALVES = (
    ("pingpong", "ring", "counting", "cast", "fanin", "big", "chameneos"),
    (),
)  # columns of the two tables by purpose


def options(arguments):
    parser = argparse.ArgumentParser(prog="bench/where", description=DESCRIPTION)
    names = [row.name for row in rows.ROWS]
    parser.add_argument("--workloads", default=",".join(names), metavar="A,B", help=f"of {', '.join(names)}")
    parser.add_argument(
        "--bin", default=str(TOP / "build/release/bin"), metavar="FOLDER", help="with troupe and floor_*"
    )
    parser.add_argument("--floors", action="store_true", help="the table beside the floors instead")
    parser.add_argument("--runs", type=int, default=25, metavar="N", help="short runs of each for --floors (25)")
    parser.add_argument(
        "--repeat", type=int, default=3, metavar="N", help="counts of a size, of which the least is taken (3)"
    )
    parser.add_argument(
        "--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="N", help="runs of valgrind at once (2)"
    )
    parser.add_argument("--limit", type=float, default=300, metavar="S", help="seconds that a run may take (300)")
    chosen = parser.parse_args(arguments)
    known = {row.name: row for row in rows.ROWS}
    wanted = chosen.workloads.replace(",", " ").split()
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"there is no workload {', '.join(unknown)}")
    if min(chosen.runs, chosen.jobs, chosen.repeat) < 1:
        parser.error("--runs, --jobs and --repeat are at least 1")
    chosen.rows = [known[name] for name in wanted]
    chosen.bin = os.path.realpath(chosen.bin)
    return chosen


def counted(row, folder, repeats, limit_s):
    """(totals, purpose -> instructions) of an operation of Troupe"""
    troupe = f"{folder}/troupe"
    if row.small is None:
        costs = traced(row, troupe, limit_s)[0].costs()
    else:
        commands = [[troupe, "bench", row.name, *row.words(size)] for size in ("small", "large")]
        costs = instructions.of_an_operation(*commands, repeats, limit_s)
    totals = instructions.totals(costs)
    split, unknown = purposes.split(costs)
    purposes.refuse_unknown(row.name, unknown, totals["instructions"])
    return totals, split


def traced(row, troupe, limit_s):
    text, mappings, ops = trace.run([troupe, "bench", row.name, *row.words("traced")], limit_s)
    steady = trace.Steady(text, mappings, troupe, row.cuts, ops)
    return steady, lines.Kinds(steady)


def apart(row, folder, repeats, limit_s):
    """All that is said of one workload."""
    totals, split = counted(row, folder, repeats, limit_s)
    steady, kinds = traced(row, f"{folder}/troupe", limit_s)
    touched, code = lines.touched(steady, kinds)
    return {"totals": totals, "split": split, "touched": touched, "code": code, "moves": lines.moves(steady, kinds)}


def beside(row, folder, repeats, limit_s):
    totals, split = counted(row, folder, repeats, limit_s)
    return {"totals": totals, "split": split, "floor": floors.counted(row, folder, limit_s)}


def for_each(function, chosen):
    """workload -> what the function says of it"""
    program.disassembly(f"{chosen.bin}/troupe")  # before the others are forked: they have it, then
    program.all_frames(f"{chosen.bin}/troupe")
    with concurrent.futures.ProcessPoolExecutor(chosen.jobs) as pool:
        found = [pool.submit(function, row, chosen.bin, chosen.repeat, chosen.limit) for row in chosen.rows]
        return {row.name: one.result() for row, one in zip(chosen.rows, found)}


def number(value):
    return "" if value is None or -0.5 < value < 0.05 else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def table(head, body):
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for line in body:
        print("| " + " | ".join(line) + " |")
    print()


def print_totals(chosen, found):
    head = [
        "",
        "an operation is",
        "instructions",
        "loads",
        "stores",
        "locked",
        "lines touched",
        "written",
        "moved",
        "lines of code",
    ]
    body = []
    for row in chosen.rows:
        one = found[row.name]
        sums = [sum(pair[i] for pair in one["touched"].values()) for i in range(2)]
        numbers = [*one["totals"].values(), *sums, sum(one["moves"].values()), one["code"]]
        body.append([row.name, f"a {row.operation}" if row.operation != "actor" else "an actor", *map(number, numbers)])
    table(head, body)


def print_purposes(chosen, found):
    names = [row.name for row in chosen.rows if row.name not in ("pairs", "rings") or len(chosen.rows) < 3]
    first = [name for name in names if name in HALVES[0]]
    for columns in (first, [name for name in names if name not in first]):
        if columns:
            body = [
                [purpose, *(number(found[name]["split"][purpose]) for name in columns)]
                for purpose in purposes.PURPOSES
                if any(number(found[name]["split"][purpose]) for name in columns)
            ]
            table(
                ["", *columns], [["all", *(number(found[name]["totals"]["instructions"]) for name in columns)], *body]
            )


def print_lines(chosen, found):
    body = []
    for row in chosen.rows:
        touched, moves = found[row.name]["touched"], found[row.name]["moves"]
        pairs = [f"{number(some)}/{number(written) or 0}" if number(some) else "" for some, written in touched.values()]
        body.append([row.name, *pairs, *(number(moves[kind]) for kind in lines.KINDS if kind not in lines.OF_THE_CORE)])
    table(["", *lines.KINDS, *(f"moved: {kind}" for kind in lines.KINDS if kind not in lines.OF_THE_CORE)], body)


def print_floors(chosen):
    found = for_each(beside, chosen)
    least = floors.times(chosen.rows, chosen.bin, chosen.runs, chosen.limit)
    body = []
    for row in chosen.rows:
        ours, floor = least[row.name]["troupe"], least[row.name]["floor"]
        mine, below = found[row.name]["totals"], found[row.name]["floor"] or {}
        counts = [number(one.get(key)) for key in ("instructions", "locked") for one in (mine, below)]
        body.append(
            [
                row.name,
                *(f"{ns:,.1f}" for ns in (ours, floor, ours - floor)),
                f"{ours / floor:.2f}",
                *counts,
                floors.largest(found[row.name]["split"]),
            ]
        )
    head = [
        "",
        "Troupe, ns",
        "floor, ns",
        "difference",
        "ratio",
        "instructions",
        "floor's",
        "locked",
        "floor's",
        "most of the rest, in instructions",
    ]
    print(f"Least of {chosen.runs} short runs, one worker; load average {os.getloadavg()[0]:.2f}.\n")
    table(head, body)


def main(arguments):
    chosen = options(arguments)
    if platform.machine() != "x86_64":
        raise SystemExit("where: it knows locked instructions and the stack by those of x86-64")
    if not shutil.which("valgrind"):
        print("where: skipped by name: valgrind is not installed")
        return 0
    if chosen.floors:
        print_floors(chosen)
        return 0
    found = for_each(apart, chosen)
    for show in (print_totals, print_purposes, print_lines):
        show(chosen, found)
    return 0
