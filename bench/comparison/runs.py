"""Launches: every side of every workload, interleaved in random order, round by round.

A round runs each cell (workload, side, workers, parameters) once. The cells of one workload stand together in a
round, in random order, and so do the workloads: what drifts on the machine hits all sides alike, and a round's
figures are pairs."""
import dataclasses
import json
import os
import random
import subprocess
import time

from .workloads import BYTES_MOST, BYTES_MOST_OF_OTHERS


@dataclasses.dataclass(frozen=True)
class Cell:
    workload: str
    side: str
    workers: int
    parameters: tuple  # of (name, value)
    purpose: str  # bars, scaling, or the name of a sweep


def counts_up_to(cores, every=True):
    """1, 2, 3, 4, 6, 8, 12, 16 ... and all; without every second one: 1, 2, 4, 8 ... and all."""
    counts = {1, cores}
    step = 2
    while step < cores:
        counts.update((step, step * 3 // 2) if every else (step,))
        step *= 2
    return sorted(count for count in counts if count <= cores)


def bars_and_scaling(workloads, sides, cores, size):
    between = set(counts_up_to(cores, every=size == "full"))
    for workload in workloads:
        parameters = tuple(workload.parameters(size).items())
        wanted = (
            {1, cores}
            if workload.workers is None
            else {cores if count == "all" else count for count in workload.workers}
        )
        for side in sides:
            scaling = between if workload.scales else set()
            for workers in sorted(wanted | scaling):
                if not side.has(workload.name, workers):
                    continue
                yield Cell(workload.name, side.name, workers, parameters, "bars" if workers in wanted else "scaling")


def sweeps(plan, sides, cores, size, memory_bytes):
    for name, sweep in plan.items():
        for side in sides:
            if side.one_by_one:
                continue
            for count in sweep.counts(size):
                if count * BYTES_MOST.get(side.name, BYTES_MOST_OF_OTHERS) <= memory_bytes / 2:
                    yield Cell(sweep.workload, side.name, cores, ((sweep.parameter, count),), name)


def launch(command, limit_s):
    """(status, result line or None, what it said otherwise, seconds)"""
    started = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return "timeout", None, f"not done after {limit_s:g} s", limit_s
    except OSError as error:
        return "failed", None, str(error), 0
    seconds = time.monotonic() - started
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    try:
        line = json.loads(lines[-1]) if lines else {}
    except ValueError:
        line = {}
    if done.returncode == 3:
        return "unsupported", None, line.get("reason", "no counterpart"), seconds
    if done.returncode != 0 or "seconds" not in line:
        return "failed", None, (done.stderr.strip() or f"status {done.returncode}")[-300:], seconds
    return "good", line, "", seconds


def shuffled_round(cells, chance):
    """The cells, grouped by workload and purpose of the run, groups and members in random order."""
    groups = {}
    for cell in cells:
        groups.setdefault(
            (cell.workload, cell.parameters if cell.purpose not in ("bars", "scaling") else ()), []
        ).append(cell)
    order = list(groups.values())
    chance.shuffle(order)
    for group in order:
        chance.shuffle(group)
        yield from group


def execute(cells, sides, rounds, seed, limit_s, report, done=lambda records: None):
    """Runs all; a list of records. A cell that is unsupported, or fails twice, is not tried again."""
    by_name = {side.name: side for side in sides}
    chance, records, given_up, failures = random.Random(seed), [], set(), {}
    for round_number in range(1, rounds + 1):
        order = [cell for cell in shuffled_round(cells, chance) if cell not in given_up]
        for position, cell in enumerate(order):
            command = by_name[cell.side].command(cell.workload, dict(cell.parameters), cell.workers)
            load = os.getloadavg()[0]
            status, line, words, seconds = launch(command, limit_s)
            records.append(
                {
                    **dataclasses.asdict(cell),
                    "parameters": dict(cell.parameters),
                    "round": round_number,
                    "position": position,
                    "load_average": round(load, 2),
                    "wall_s": round(seconds, 4),
                    "status": status,
                    "result": line,
                    "words": words,
                }
            )
            failures[cell] = failures.get(cell, 0) + (status in ("failed", "timeout"))
            if status == "unsupported" or failures[cell] > 1:
                given_up.add(cell)
            report(round_number, rounds, position + 1, len(order), records[-1])
        done(records)
    return records
