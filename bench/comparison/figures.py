"""Medians and what they are worth: 95 % intervals by bootstrap over rounds, so that what a round has in common
cancels."""
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


def ratio(ours, theirs, seed=1):
    """(ratio of the medians, low, high) of two dicts round -> value, resampled by rounds that both have; None where
    they have none in common, or what is divided by was too little to be measured."""
    rounds = sorted(set(ours) & set(theirs))
    if not rounds or min(theirs[r] for r in rounds) <= 0:
        return None
    whole = statistics.median(ours[r] for r in rounds) / statistics.median(theirs[r] for r in rounds)
    if len(rounds) < 3:
        pairs = [ours[r] / theirs[r] for r in rounds]
        return whole, min(pairs), max(pairs)
    chance, found = random.Random(seed), []
    for _ in range(RESAMPLES):
        drawn = chance.choices(rounds, k=len(rounds))
        found.append(statistics.median(ours[r] for r in drawn) / statistics.median(theirs[r] for r in drawn))
    return (whole, *middle_95(found))


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
        for key, records in self.cells.items():
            if (
                key[:3] == (workload, side, workers)
                and key[4] == sweep
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

    def why_not(self, workload, side, workers):
        """'' or why there is no figure: unsupported, timeout, failed; and the words."""
        bad = [record for record in self.find(workload, side, workers) if record["status"] != "good"]
        return (bad[-1]["status"], bad[-1]["words"]) if bad else ("", "")

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
    values = {side: results.by_round(figure, workload.name, side, workers) for side in results.sides}
    floor = values.get("floor") or results.by_round(figure, workload.name, "floor", 1)
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
        "why_not": {
            side: results.why_not(workload.name, side, workers) for side in results.sides if not sums.get(side)
        },
    }


def rows(results, workloads, workers):
    found = [row(results, workload, figure, workers) for workload in workloads for figure in workload.figures]
    return [one for one in found if one["sides"].get("troupe") or one["why_not"].get("troupe", ("", ""))[0]]


def speedups(results, workload, figure, counts):
    """side -> [(workers, median speed-up over its own one worker, low, high)]"""
    curves = {}
    for side in results.sides:
        base = results.by_round(figure, workload.name, side, 1)
        points = []
        for count in counts:
            pair = ratio(base, results.by_round(figure, workload.name, side, count)) if base else None
            if pair:
                points.append((count, *pair))
        if len(points) > 1:
            curves[side] = points
    return curves
