"""scenario.py: the scenario language, read and written: what every process of a small program does, and what came of it.

    scenario links-12
    p1: trap on; spawn d1 link; recv EXIT          a process: one command after another
    d1: exit r1                                    a process that another one spawns
    v1: server trap                                a gen_server; what it does is in the requests
    s1: sup one_for_all 2; a permanent; b transient trap     a supervisor, its children are servers with these names
    otp p1 EXIT(d1,r1) !normal | d1 !              an outcome: for each process what it saw, then how it ended

In an outcome, `!reason` is a process that ended (`!` alone: spawned by another, or never started) and `...` one that waits for ever.
The README of the tests lists the commands."""

import dataclasses
import re

REASONS = ("normal", "kill", "killed", "shutdown", "noproc", "r1", "r2", "r3")


@dataclasses.dataclass
class Process:
    name: str
    kind: str  # script, spawned, server, sup
    ops: tuple  # scripts: tuples of words
    trap: bool = False  # servers
    strategy: str = ""  # supervisors
    intensity: int = 0
    children: tuple = ()  # (id, restart, trap)


@dataclasses.dataclass
class Scenario:
    name: str
    processes: list
    outcomes: list  # those of OTP, where they are recorded

    def text(self, outcomes=True):
        lines = [f"scenario {self.name}"]
        lines += [f"{p.name}: {body_text(p)}" for p in self.processes]
        if outcomes:
            lines += [f"otp {outcome}" for outcome in self.outcomes]
        return "\n".join(lines) + "\n"


def body_text(process):
    if process.kind == "server":
        return "server trap" if process.trap else "server"
    if process.kind == "sup":
        parts = [f"sup {process.strategy} {process.intensity}"]
        return "; ".join(parts + [f"{i} {restart}{' trap' if trap else ''}" for i, restart, trap in process.children])
    return "; ".join(" ".join(op) for op in process.ops)


KINDS = {"p": "script", "d": "spawned", "v": "server", "s": "sup"}


def read_process(name, body):
    parts = [tuple(part.split()) for part in body.split(";") if part.strip()]
    kind = KINDS[name[0]]
    if kind == "server":
        return Process(name, kind, (), trap="trap" in parts[0])
    if kind == "sup":
        children = tuple((part[0], part[1], "trap" in part) for part in parts[1:])
        return Process(name, kind, (), strategy=parts[0][1], intensity=int(parts[0][2]), children=children)
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
        elif re.fullmatch(r"[pdvs]\d:", first):
            found[-1].processes.append(read_process(first[:-1], rest))
        else:
            raise ValueError(f"not a line of a scenario: {line}")
    return found


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
    return found


def parts_of(outcome):
    """{process: (what it saw, ..., how it ended)}"""
    parts = {}
    for part in outcome.split(" | "):
        name, *words = part.split()
        parts[name] = tuple(words)
    return parts
