"""Medians and what they are worth: 95 % intervals by bootstrap over rounds, so that what a round has in common
cancels."""
import math
import random
import statistics

from . import goals

RESAMPLES = 2000


def middle_95(values):
    values = sorted(values)
    return values[int(0.025 * (len(values) - 1))], values[int(0.975 * (len(values) - 1) + 0.999)]


def interval(values, seed=1):
    """The interval of the median."""
    if len(values) < 3:
        return min(values), max(values)
    chance = random.Random(seed)
    return middle_95([statistics.median(chance.choices(values, k=len(values))) for _ in range(RESAMPLES)])


def common(dicts):
    """The rounds that all of these dicts (round -> value) have, in order."""
    return sorted(set.intersection(*(set(values) for values in dicts)))


def quotient(above, below, seed=1):
    """(medians of `above`, multiplied, over those of `below`; low, high), resampled by rounds that all of them have;
    None where they have none in common, or what is divided by was too little to be measured. Both are lists of dicts
    round -> value."""
    rounds = common([*above, *below])
    if not rounds or min(values[r] for values in below for r in rounds) <= 0:
        return None

    def of(drawn):
        def product(all_values):
            return math.prod(statistics.median(values[r] for r in drawn) for values in all_values)

        return product(above) / product(below)

    if len(rounds) < 3:
        singles = [of([r]) for r in rounds]
        return of(rounds), min(singles), max(singles)
    chance = random.Random(seed)
    return of(rounds), *middle_95([of(chance.choices(rounds, k=len(rounds))) for _ in range(RESAMPLES)])


def ratio(ours, theirs, seed=1):
    return quotient([ours], [theirs], seed)


class Results:
    """All records of a comparison, asked by cell."""

    def __init__(self, records, order=()):
        self.records = records
        present = dict.fromkeys(record["side"] for record in records)
        self.sides = [side for side in order if side in present] + [side for side in present if side not in order]
        self.cells = {}
        for record in records:
            key = (
                record["workload"],
                record["side"],
                record["workers"],
                tuple(sorted(record["parameters"].items())),
                record["purpose"] not in ("bars", "scaling") and record["purpose"],
            )
            self.cells.setdefault(key, []).append(record)

    def find(self, workload, side, workers, sweep=False, parameters=None):
        """The point of a sweep may be among the bars: it is not measured twice."""
        for wanted in (sweep, False):
            for key, records in self.cells.items():
                if (
                    key[:3] == (workload, side, workers)
                    and key[4] == wanted
                    and (parameters is None or dict(key[3]) == parameters)
                ):
                    return records
        return []

    def by_round(self, figure, workload, side, workers, **which):
        found = {}
        for record in self.find(workload, side, workers, **which):
            value = figure.read(record["result"]) if record["status"] == "good" else None
            if value is not None:
                found[record["round"]] = value
        return found

    def why_not(self, workload, side, workers, **which):
        """'' or why there is no figure: unsupported, timeout, failed, not run; and the words."""
        records = self.find(workload, side, workers, **which)
        bad = [record for record in records if record["status"] != "good"]
        if not records and which and any(key[:2] == (workload, side) for key in self.cells):
            return "not run", "so many would need too much of the memory, or this was no full run"
        return (bad[-1]["status"], bad[-1]["words"]) if bad else ("", "")

    def unlike(self):
        """(workload, side, its ops, Troupe's) where a side counts other operations than Troupe does with the same
        parameters, so that no ratio of the two says anything."""
        counted = {}
        for record in self.records:
            if record["status"] == "good":
                work = (record["workload"], tuple(sorted(record["parameters"].items())))
                counted.setdefault(work, {})[record["side"]] = record["result"]["ops"]
        return [
            (workload, side, ops, of_sides["troupe"])
            for (workload, _), of_sides in counted.items()
            for side, ops in of_sides.items()
            if ops != of_sides.get("troupe", ops)
        ]

    def versions(self):
        found = {}
        for record in self.records:
            if record["result"]:
                found[record["side"]] = record["result"].get("version", "")
        return found


def summary(values):
    """(median, low, high) or None"""
    values = list(values.values())
    return (statistics.median(values), *interval(values)) if values else None


def to_goal(ours, goal):
    """(ratio, low, high) of a figure to its goal, or None"""
    return tuple(value / goal for value in ours) if ours and goal is not None else None


def row(results, workload, figure, workers):
    """One row of the table: every side's figure, Troupe's ratio to the best rival, to the floor and to the goal."""
    which = {"sweep": workload.sweep, "parameters": workload.full} if workload.sweep else {}

    def values_of(side, count):
        return results.by_round(figure, workload.name, side, count, **which)

    values = {side: values_of(side, workers) for side in results.sides}
    floor = {} if workload.floor_parameters else values.get("floor") or values_of("floor", 1)
    sums = {side: summary(found) for side, found in values.items()}
    sums["floor"] = summary(floor)
    rivals = {side: found for side, found in sums.items() if side not in ("troupe", "floor") and found}
    best = min(rivals, key=lambda side: rivals[side][0]) if rivals else None
    ours, goal = values.get("troupe", {}), goals.goal(figure.label, workers)
    return {
        "workload": workload.name,
        "label": figure.label,
        "unit": figure.unit,
        "workers": workers,
        "sides": sums,
        "best": best,
        "to_best": ratio(ours, values[best]) if best and ours else None,
        "to_floor": ratio(ours, floor) if ours and floor else None,
        "goal": goal,
        "to_goal": to_goal(sums.get("troupe"), goal),
        "no_floor": workload.no_floor,
        "pairs": len(set(ours) & set(values[best])) if best else 0,
        "counts": {side: len(found) for side, found in values.items()},
        "why_not": {
            side: results.why_not(workload.name, side, workers, **which) for side in results.sides if not sums.get(side)
        },
    }


def rows(results, workloads, workers):
    """Those that Troupe was measured in. A goal is scaled by how long a floor takes here and took where the goals were
    set, if it is one of time."""
    found = [row(results, workload, figure, workers) for workload in workloads for figure in workload.figures]
    found = [
        one
        for one in found
        if one["sides"].get("troupe") or one["why_not"].get("troupe", ("", ""))[0] not in ("", "not run")
    ]
    factors = goals.factors(found)
    for one in found:
        one["scaled"] = goals.scaled(one["label"], one["goal"], factors)
        one["to_scaled"] = to_goal(one["sides"].get("troupe"), one["scaled"])
    return found
