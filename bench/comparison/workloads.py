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


SIZES = ("full", "quick", "smoke")  # a run's: SPEC's defaults; about a fifth of it; only to see that all works


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    full: dict  # parameters of a run of that size
    quick: dict
    smoke: dict
    figures: tuple
    scales: bool = False  # its curve over the number of workers is of interest
    workers: tuple = None  # run on these numbers of workers only; None: on one and on all
    no_floor: str = ""  # why there is no hand-made program beside it
    computes: bool = False  # handlers that compute for long: one worker has one core (see Cell.one_core)
    floor_parameters: dict = None  # of a floor that does another amount of work: only its speed-up compares
    sweep: str = ""  # its figures are a point of that sweep

    def parameters(self, size, side=""):
        return self.floor_parameters if side == "floor" and self.floor_parameters else getattr(self, size)


def messages(name, what="message"):
    return (Figure(name, f"ns {'an' if what[0] in 'aeiou' else 'a'} {what}", per_op),)


def numbers(names, full, quick, smoke):
    """The three sizes' parameters, each given as numbers in the order of the names."""
    return [dict(zip(names.split(), values)) for values in (full, quick, smoke)]


SPEC = [
    Workload("pingpong", *numbers("n", [1000000], [200000], [50000]), messages("pingpong")),
    Workload("ring", *numbers("a n", [503, 5000000], [503, 1000000], [503, 100000]), messages("ring", "hop")),
    Workload("pairs", *numbers("p n", [32, 100000], [32, 20000], [32, 4000]), messages("pairs"), scales=True),
    Workload(
        "rings",
        *numbers("r a n", [16, 503, 500000], [16, 503, 100000], [16, 503, 20000]),
        messages("rings", "hop"),
        scales=True,
    ),
    Workload("counting", *numbers("n", [5000000], [2000000], [200000]), messages("counting")),
    Workload("cast", *numbers("n", [3000000], [1500000], [100000]), messages("cast", "cast")),
    Workload("fanin", *numbers("s n", [100, 50000], [100, 20000], [100, 2000]), messages("fanin"), scales=True),
    Workload("spawn", *numbers("n", [1000000], [200000], [50000]), messages("spawn", "actor")),
    Workload("spawnchain", *numbers("n", [1000000], [200000], [50000]), messages("spawnchain", "actor")),
    Workload("skynet", *numbers("leaves", [1000000], [100000], [10000]), messages("skynet", "actor"), scales=True),
    Workload("big", *numbers("a n", [120, 20000], [120, 5000], [120, 1000]), messages("big"), scales=True),
    Workload(
        "chameneos",
        *numbers("a n", [100, 400000], [100, 200000], [100, 20000]),
        messages("chameneos", "meeting"),
        scales=True,
    ),
    Workload("call", *numbers("n", [500000], [150000], [20000]), messages("call", "call")),
    Workload("callname", *numbers("n", [500000], [150000], [20000]), messages("callname", "call")),
    Workload(
        "calls",
        *numbers("c s n", [64, 64, 20000], [64, 64, 5000], [64, 64, 1000]),
        messages("calls", "call"),
        scales=True,
    ),
    Workload("timers", *numbers("n", [500000], [200000], [20000]), (Figure("timers", "ns of CPU a timer", per_op),)),
    Workload(
        "idle",
        *numbers("n", [1000000], [200000], [20000]),
        (Figure("idle", "bytes an actor", field("bytes_per_actor")),),
    ),
    Workload(
        "idlecpu",
        *numbers("n seconds", [100000, 10], [100000, 2], [1000, 1]),
        (Figure("idle: CPU", "% of a core", field("cpu_percent")),),
        workers=("all",),
        no_floor="a program that waits, by hand, uses no CPU time",
    ),
    Workload("restart", *numbers("n", [20000], [4000], [1000]), messages("restart", "restart")),
    Workload("selective", *numbers("n", [20000], [20000], [2000]), messages("selective", "call")),
    Workload(
        "nqueens",
        *numbers("size", [12], [12], [9]),
        (Figure("nqueens", "ms in all", milliseconds),),
        scales=True,
        computes=True,
    ),
    Workload(
        "hog",
        *numbers("hogs n", [4, 2000], [4, 200], [4, 200]),
        (
            Figure("hog: tick late", "us, p99", field("late_p99_us")),
            Figure("hog: round trip", "us, p99", field("p99_us")),
        ),
        workers=("all",),
        no_floor="by hand it would be the kernel's scheduler",
    ),
]

OTHER_WORK = "its threads compute a larger number: only the speed-up compares"


def of_savina(name, **more):
    """A program of Savina's parallel group that has a counterpart with plain threads; always whole."""
    figure = Figure(f"savina.{name}", "ms in all", milliseconds)
    return Workload(f"savina.{name}", {}, {}, {}, (figure,), scales=True, computes=True, **more)


PARALLEL = [
    of_savina("nqueens"),
    of_savina("trapezoid"),
    of_savina("fib", floor_parameters={"n": 36}, no_floor=OTHER_WORK),
    of_savina("matmul"),
]


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A workload over the number of its actors, and a chart for each figure."""

    workload: str
    parameter: str
    figures: tuple
    full: tuple
    quick: tuple
    smoke: tuple
    rivals_most: int  # in a run that is not a full one

    def counts(self, size, side=""):
        most = float("inf") if size == "full" or side in ("troupe", "floor") else self.rivals_most
        return [count for count in getattr(self, size) if count <= most]


SWEEPS = {
    "bytes": Sweep(
        "idle",
        "n",
        (
            Figure("memory of an idle actor", "bytes an actor", field("bytes_per_actor")),
            Figure("time to start N servers that stay, each of which answers a call", "ms", milliseconds),
        ),
        (10000, 100000, 1000000, 10000000),
        (10000, 100000, 1000000, 10000000),
        (1000, 10000),
        1000000,
    ),
    "spawn": Sweep(
        "spawn",
        "n",
        (Figure("time to spawn N actors, send each a message and see it end", "ms", milliseconds),),
        (1000, 10000, 100000, 1000000),
        (1000, 10000, 100000),
        (1000, 10000),
        100000,
    ),
}

# Bytes that an idle actor of a side may need at the most: a sweep leaves out what would not fit into so much of the
# memory.
BYTES_MOST = {"troupe": 512, "floor": 256, "tokio": 1300, "caf": 1400}
BYTES_MOST_OF_OTHERS = 4096
MEMORY_SHARE = 2 / 3


def gigabytes(line):
    return line["bytes_per_actor"] * line["ops"] / 1e9 if "bytes_per_actor" in line else None


def microseconds_per_op(line):
    return per_op(line) / 1000 if line.get("ops") else None


# The sweep's last point as rows of their own. Each of the servers has answered a call when it is counted.
TEN_MILLION = Workload(
    "idle",
    *numbers("n", [10000000], [10000000], [10000000]),
    (
        Figure("10 million idle", "GB", gigabytes),
        Figure("10 million idle: start, call", "us each", microseconds_per_op),
    ),
    workers=("all",),
    sweep="bytes",
)

# Savina: the programs whose work has a floor; the others say why not.
SAVINA_FLOORS = {
    "savina.pingpong": "pingpong",
    "savina.counting": "counting",
    "savina.threadring": "ring",
    "savina.chameneos": "chameneos",
    "savina.big": "big",
    "savina.nqueens": "nqueens",
    "savina.trapezoid": "trapezoid",
    "savina.fib": "fib",
    "savina.matmul": "matmul",
    "savina.apsp": "apsp",
    "savina.sor": "sor",
    "savina.sieve": "sieve",
    "savina.radixsort": "radixsort",
    "savina.quicksort": "quicksort",
}
SAVINA_CHECKED = "there is no program by hand; each run checks its result by a sequential computation"
SAVINA_MESSAGES = "it is about the messages between actors, whose floors are those of counting, spawn and call"
SAVINA_COMPUTES = (
    "filterbank",
    "uct",
    "facility",
    "pi",
    "astar",
    "bitonic",
)  # the others of the suite's parallel group


def known_workloads():
    return {workload.name: workload for workload in [*SPEC, *PARALLEL]}


def own_workload(name, listed):
    """One that is not SPEC's, with Troupe's default parameters."""
    why = "it has no counterpart without a runtime"
    if name.startswith("savina."):
        parallel = name[len("savina.") :] in SAVINA_COMPUTES
        why = "" if name in SAVINA_FLOORS else SAVINA_CHECKED if parallel else SAVINA_MESSAGES
    figure = Figure(name, "ms in all", milliseconds)
    computes = name.startswith("savina.")
    return Workload(name, listed, listed, listed, (figure,), scales=True, no_floor=why, computes=computes)


SERVICES = ("echo", "hello", "cache")
DEFAULT = ("spec", "parallel")  # what is measured if nobody says


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
    """Workloads by name. `spec`: those of SPEC; `parallel`: those of Savina that plain threads do, too; `savina`: that
    suite; `all`: every one that Troupe has. One that is not SPEC's is measured in milliseconds, with Troupe's default
    parameters."""
    known = known_workloads()
    listed = listed_by_troupe(program)
    savina = [name for name in listed if name.startswith("savina.")]
    groups = {"spec": [workload.name for workload in SPEC], "savina": savina, "all": [*known, *listed]}
    groups["parallel"] = [workload.name for workload in PARALLEL]
    chosen = []
    for name in names:
        for one in groups.get(name, [name]):
            if one not in known and one not in listed:
                raise SystemExit(
                    f"compare: there is no workload '{one}'; there are {', '.join(sorted(set(known) | set(listed)))}"
                )
            if one not in known:
                known[one] = own_workload(one, listed[one])
            if known[one] not in chosen:
                chosen.append(known[one])
    return chosen
