"""Launches: every side of every workload, interleaved in random order, round by round.

A round runs each cell (workload, side, workers, parameters) once. The cells of one workload stand together in a
round, in random order, and so do the workloads: what drifts on the machine hits all sides alike, and a round's
figures are pairs. What fails or hangs costs its own figure only, and what was measured is handed on after each
workload, so that a run that is broken off can be taken up again (`before`)."""
import dataclasses
import json
import os
import random
import signal
import subprocess
import time

from .workloads import BYTES_MOST, BYTES_MOST_OF_OTHERS, MEMORY_SHARE

# A cell that has been launched so often and has taken so long in all is launched no more: the slowest of the rivals
# would take most of the time, and the table says how often each was launched.
LAUNCHES_ENOUGH, SPENT_MOST_S = 3, 100
FAILURES_MOST = 2


@dataclasses.dataclass(frozen=True)
class Cell:
    workload: str
    side: str
    workers: int
    parameters: tuple  # of (name, value)
    purpose: str  # bars, scaling, or the name of a sweep
    one_core: bool = False  # kept on one core: a runtime with one worker may have more threads that compute

    @staticmethod
    def of(record):
        """The cell that a record is of."""
        parameters = tuple(record["parameters"].items())
        return Cell(
            **{field.name: record[field.name] for field in dataclasses.fields(Cell)} | {"parameters": parameters}
        )


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
        wanted = (
            {1, cores}
            if workload.workers is None
            else {cores if count == "all" else count for count in workload.workers}
        )
        for side in sides:
            parameters = tuple(workload.parameters(size, side.name).items())
            scaling = between if workload.scales else set()
            for workers in sorted(wanted | scaling):
                if not side.has(workload.name, workers):
                    continue
                purpose = "bars" if workers in wanted else "scaling"
                one_core = workload.computes and workers == 1
                yield Cell(workload.name, side.name, workers, parameters, purpose, one_core)


def sweeps(plan, sides, cores, size, memory_bytes, present=()):
    """The points of the sweeps, but those that are among the cells that are there already. A floor has one worker."""
    there = {(cell.workload, cell.side, cell.workers, cell.parameters) for cell in present}
    for name, sweep in plan.items():
        for side in sides:
            workers = 1 if side.one_by_one else cores
            if not side.has(sweep.workload, workers):
                continue
            for count in sweep.counts(size, side.name):
                cell = Cell(sweep.workload, side.name, workers, ((sweep.parameter, count),), name)
                needed = count * BYTES_MOST.get(side.name, BYTES_MOST_OF_OTHERS)
                known = (cell.workload, cell.side, cell.workers, cell.parameters) in there
                if not known and needed <= memory_bytes * MEMORY_SHARE:
                    yield cell


def end(process):
    """Whatever the program started goes with it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()
    process.stdout.close()
    process.stderr.close()


def output_of(command, limit_s):
    """(status or None after limit_s, output, errors) of a program in a process group of its own."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=limit_s)
        return process.returncode, output, errors
    except subprocess.TimeoutExpired:
        return None, "", ""
    finally:
        end(process)


def result_line(output):
    """The last line that is a JSON object; {} if there is none."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    try:
        return json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}


def launch(command, limit_s):
    """(status, result line or None, what it said otherwise, seconds)"""
    started = time.monotonic()
    try:
        status, output, errors = output_of(command, limit_s)
    except OSError as error:
        return "failed", None, str(error), 0
    seconds = time.monotonic() - started
    if status is None:
        return "timeout", None, f"not done after {limit_s:g} s", seconds
    line = result_line(output)
    if status == 3:
        return "unsupported", None, line.get("reason", "no counterpart"), seconds
    if status != 0 or not all(isinstance(line.get(name), (int, float)) for name in ("seconds", "ops")):
        return "failed", None, (errors.strip() or f"status {status}, and no result")[-300:], seconds
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


class Progress:
    """What has been launched, and so what is left. A cell that is unsupported, that failed FAILURES_MOST times, or that
    has taken its share of the time, is not launched again."""

    def __init__(self, records):
        self.records, self.rounds, self.failures, self.spent, self.given_up = [], {}, {}, {}, set()
        for record in records:
            self.add(record)

    def add(self, record):
        cell, bad = Cell.of(record), record["status"] in ("failed", "timeout")
        self.records.append(record)
        self.rounds.setdefault(cell, set()).add(record["round"])
        self.failures[cell] = self.failures.get(cell, 0) + bad
        self.spent[cell] = self.spent.get(cell, 0) + record["wall_s"]
        slow = len(self.rounds[cell]) >= LAUNCHES_ENOUGH and self.spent[cell] > SPENT_MOST_S
        if record["status"] == "unsupported" or self.failures[cell] >= FAILURES_MOST or slow:
            self.given_up.add(cell)

    def wants(self, cell, round_number):
        return cell not in self.given_up and round_number not in self.rounds.get(cell, ())


def measured(cell, side, limit_s, round_number, position):
    """One launch, as a record."""
    command = side.command(cell.workload, dict(cell.parameters), cell.workers)
    if cell.one_core:
        cores = sorted(os.sched_getaffinity(0))
        command = ["taskset", "-c", str(cores[round_number % len(cores)]), *command]
    load = os.getloadavg()[0]
    status, line, words, seconds = launch(command, limit_s)
    return {
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


def execute(cells, sides, rounds, seed, limit_s, report, done=lambda records: None, before=()):
    """Runs all that is not among the records `before`; a list of records, which `done` gets after each workload."""
    by_name = {side.name: side for side in sides}
    chance, progress = random.Random(seed), Progress(before)
    for round_number in range(1, rounds + 1):
        order = [cell for cell in shuffled_round(cells, chance) if progress.wants(cell, round_number)]
        for position, cell in enumerate(order):
            record = measured(cell, by_name[cell.side], limit_s, round_number, position)
            progress.add(record)
            report(round_number, rounds, position + 1, len(order), record)
            if position + 1 == len(order) or order[position + 1].workload != cell.workload:
                done(progress.records)
    return progress.records
