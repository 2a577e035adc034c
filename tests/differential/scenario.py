"""scenario.py: the scenario language, read and written: what every process of a small program does, and what came of
it.

    scenario links-12
    p1: trap on; spawn d1 link; recv EXIT          a process: one command after another
    d1: exit r1                                    a process that another one spawns
    v1: server trap                                a gen_server; what it does is in the requests
    s1: sup one_for_all 2; a permanent; b transient trap     a supervisor, its children are servers with these names
    s1: sup simple_one_for_one 2; t transient init=ox        the same, with a template for children that are added
    otp MARK p1 EXIT(d1,r1) !normal | d1 !              an outcome: for each process what it saw, then how it ended

In an outcome, `!reason` is a process that ended (`!` alone: spawned by another, or never started) and `...` one that
waits for ever. A supervisor's line may end with auto=any or auto=all, a child with any of
    trap                traps exits
    init=LETTERS        how its starts go, the last letter for all that follow: o well, x stops with r1, c crashes with r2, i ignore
    shutdown=MS         or kill, or infinity; else 5 seconds
    stuck               when it is shut down it does not come to an end
    significant         for auto
The README of the tests lists the commands."""

import dataclasses
import re

REASONS = ("normal", "kill", "killed", "shutdown", "noproc", "r1", "r2", "r3")


@dataclasses.dataclass(frozen=True)
class Mode:
    """What stands behind the restart type of a child."""
    trap: bool = False
    init: str = "o"
    shutdown: str = "5000"
    stuck: bool = False
    significant: bool = False

    def words(self):
        flags = [word for word in ("trap", "stuck", "significant") if getattr(self, word)]
        return flags + [f"{key}={getattr(self, key)}" for key in ("init", "shutdown") if getattr(self, key) != getattr(Mode, key)]


def read_mode(words):
    values = dict(word.split("=") for word in words if "=" in word)
    return Mode(**values, **{word: True for word in words if "=" not in word})


@dataclasses.dataclass
class Process:
    name: str
    kind: str  # script, spawned, server, sup
    ops: tuple  # scripts: tuples of words
    trap: bool = False  # servers
    strategy: str = ""  # supervisors
    intensity: int = 0
    auto: str = ""  # "", any, all
    children: tuple = ()  # (id, restart, mode)


@dataclasses.dataclass
class Scenario:
    name: str
    processes: list
    outcomes: list  # those of OTP, where they are recorded
    troupes: list = dataclasses.field(default_factory=list)  # those of Troupe alone

    def text(self, outcomes=True):
        lines = [f"scenario {self.name}"]
        lines += [f"{p.name}: {body_text(p)}" for p in self.processes]
        if outcomes:
            lines += [f"otp {outcome}" for outcome in self.outcomes] + [f"troupe {outcome}" for outcome in self.troupes]
        return "\n".join(lines) + "\n"


def body_text(process):
    if process.kind == "server":
        return "server trap" if process.trap else "server"
    if process.kind == "sup":
        parts = [f"sup {process.strategy} {process.intensity}{' auto=' + process.auto if process.auto else ''}"]
        return "; ".join(parts + [" ".join((i, restart, *mode.words())) for i, restart, mode in process.children])
    return "; ".join(" ".join(op) for op in process.ops)


KINDS = {"p": "script", "d": "spawned", "v": "server", "s": "sup"}


def read_process(name, body):
    parts = [tuple(part.split()) for part in body.split(";") if part.strip()]
    kind = KINDS[name[0]]
    if kind == "server":
        return Process(name, kind, (), trap="trap" in parts[0])
    if kind == "sup":
        children = tuple((part[0], part[1], read_mode(part[2:])) for part in parts[1:])
        auto = parts[0][3].partition("=")[2] if len(parts[0]) > 3 else ""
        return Process(name, kind, (), strategy=parts[0][1], intensity=int(parts[0][2]), auto=auto, children=children)
    return Process(name, kind, tuple(parts))


def read(lines):
    """The scenarios of a file, with their recorded outcomes."""
    found = []
    for line in lines:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        first, _, rest = line.partition(" ")
        if first == "scenario":
            found.append(Scenario(rest, [], []))
        elif first == "otp":
            found[-1].outcomes.append(rest)
        elif first == "troupe":
            found[-1].troupes.append(rest)
        elif re.fullmatch(r"[pdvs]\d:", first):
            found[-1].processes.append(read_process(first[:-1], rest))
        else:
            raise ValueError(f"not a line of a scenario: {line}")
    return found


COMPLETE = "orders complete"  # among the outcomes: these are all


def read_outcomes(lines):
    """What an interpreter prints: {scenario: {outcome: how often}}."""
    found, current = {}, None
    for line in lines:
        first, _, rest = line.rstrip("\n").partition(" ")
        if first == "scenario":
            current = found.setdefault(rest, {})
        elif first == "outcome":
            count, _, outcome = rest.partition(" ")
            current[outcome] = current.get(outcome, 0) + int(count)
        elif first == "orders" and rest.endswith(" complete"):
            current[COMPLETE] = 1
    return found


def parts_of(outcome):
    """{process: (what it saw, ..., how it ended)}"""
    parts = {}
    for part in outcome.split(" | "):
        name, *words = part.split()
        parts[name] = tuple(words)
    return parts
