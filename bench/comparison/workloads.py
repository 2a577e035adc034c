"""What is measured: the workloads of peers/SPEC.md, and the figures read off a result line. Less is better in all."""
import dataclasses
import re
import subprocess


@dataclasses.dataclass(frozen=True)
class Figure:
    """One number of a result line: a row of the table."""

    label: str
    unit: str
    read: object  # result line -> number, or None if the line does not have it


def per_op(line):
    return line["seconds"] / line["ops"] * 1e9 if line.get("ops") else None


def milliseconds(line):
    return line["seconds"] * 1e3


def field(name):
    return lambda line: line.get(name)


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    parameters: dict  # SPEC's defaults
    quick: dict  # the same, small, for a run that only shows that all works
    figures: tuple
    scales: bool = False  # its curve over the number of workers is of interest
    workers: tuple = None  # run on these numbers of workers only; None: on one and on all


def messages(name, what="message", **kind):
    return (Figure(name, f"ns a {what}", per_op),)


SPEC = [
    Workload("pingpong", {"n": 1000000}, {"n": 50000}, messages("pingpong")),
    Workload("ring", {"a": 503, "n": 5000000}, {"a": 503, "n": 100000}, messages("ring", "hop")),
    Workload("pairs", {"p": 32, "n": 100000}, {"p": 32, "n": 4000}, messages("pairs"), scales=True),
    Workload(
        "rings",
        {"r": 16, "a": 503, "n": 500000},
        {"r": 16, "a": 503, "n": 20000},
        messages("rings", "hop"),
        scales=True,
    ),
    Workload("counting", {"n": 5000000}, {"n": 200000}, messages("counting")),
    Workload("cast", {"n": 3000000}, {"n": 100000}, messages("cast", "cast")),
    Workload("fanin", {"s": 100, "n": 50000}, {"s": 100, "n": 2000}, messages("fanin"), scales=True),
    Workload("spawn", {"n": 1000000}, {"n": 50000}, messages("spawn", "actor")),
    Workload("spawnchain", {"n": 1000000}, {"n": 50000}, messages("spawnchain", "actor")),
    Workload("skynet", {"leaves": 1000000}, {"leaves": 10000}, messages("skynet", "actor"), scales=True),
    Workload("big", {"a": 120, "n": 20000}, {"a": 120, "n": 1000}, messages("big"), scales=True),
    Workload(
        "chameneos", {"a": 100, "n": 400000}, {"a": 100, "n": 20000}, messages("chameneos", "meeting"), scales=True
    ),
    Workload("call", {"n": 500000}, {"n": 20000}, messages("call", "call")),
    Workload("callname", {"n": 500000}, {"n": 20000}, messages("callname", "call")),
    Workload(
        "calls", {"c": 64, "s": 64, "n": 20000}, {"c": 64, "s": 64, "n": 1000}, messages("calls", "call"), scales=True
    ),
    Workload("timers", {"n": 500000}, {"n": 20000}, (Figure("timers", "ns of CPU a timer", per_op),)),
    Workload("idle", {"n": 1000000}, {"n": 20000}, (Figure("idle", "bytes an actor", field("bytes_per_actor")),)),
    Workload("restart", {"n": 20000}, {"n": 2000}, messages("restart", "restart")),
    Workload("selective", {"n": 20000}, {"n": 2000}, messages("selective", "call")),
    Workload("nqueens", {"size": 12}, {"size": 9}, (Figure("nqueens", "ms in all", milliseconds),), scales=True),
    Workload(
        "hog",
        {"hogs": 4, "n": 2000},
        {"hogs": 4, "n": 300},
        (
            Figure("hog: tick late", "us, p99", field("late_p99_us")),
            Figure("hog: round trip", "us, p99", field("p99_us")),
        ),
        workers=("all",),
    ),
]

# Sweeps over the number of actors: chart -> (workload, figure, parameter)
SWEEPS = {
    "bytes": ("idle", Figure("memory of an idle actor", "bytes an actor", field("bytes_per_actor")), "n"),
    "spawn": ("spawn", Figure("time to spawn N actors, send each a message and see it end", "ms", milliseconds), "n"),
}


SERVICES = ("echo", "hello", "cache")


def listed_by_troupe(program):
    """name -> parameters of every workload that `troupe bench` knows, but the services: latency.py has those."""
    text = subprocess.run([program, "help", "bench"], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        match = re.match(r"  ([a-z][\w.]*) ((?: *\w+=\w+)*)", line)
        if match and match.group(1) not in ("and", "of", *SERVICES):
            found[match.group(1)] = dict(pair.split("=") for pair in match.group(2).split())
    return found


def choose(names, program):
    """Workloads by name. `spec`: those of SPEC; `all`: every one that Troupe has. One that is not SPEC's is measured in
    milliseconds, with Troupe's default parameters."""
    known = {workload.name: workload for workload in SPEC}
    listed = listed_by_troupe(program)
    chosen = []
    for name in names:
        group = list(known) if name == "spec" else list(known) + list(listed) if name == "all" else [name]
        for one in group:
            if one not in known and one not in listed:
                raise SystemExit(
                    f"compare: there is no workload '{one}'; there are {', '.join(sorted(set(known) | set(listed)))}"
                )
            if one not in known:
                known[one] = Workload(one, {}, {}, (Figure(one, "ms in all", milliseconds),), scales=True)
            if known[one] not in chosen:
                chosen.append(known[one])
    return chosen
