"""From one worker to all: how many times as fast a side is on all workers as the same side on one. More is better.

Three kinds of goals: `scaling` is a number; `threads` is what plain threads reach in the same run, less 3 %; all other
workloads must not be slower on all workers than on one."""
from . import figures, goals

THREADS_LESS = 0.97


def curves(results, workload, figure, counts):
    """side -> [(workers, median speed-up over its own one worker, low, high)]"""
    found = {}
    for side in results.sides:
        base = results.by_round(figure, workload.name, side, 1)
        points = []
        for count in counts:
            pair = figures.ratio(base, results.by_round(figure, workload.name, side, count)) if base else None
            if pair:
                points.append((count, *pair))
        if len(points) > 1:
            found[side] = points
    return found


def is_time(figure):
    """Of memory or latency there is no speed-up."""
    return figure.unit.startswith("ns") or figure.unit.startswith("ms")


def against(pair, other):
    """(speed-up of one pair of dicts (on one worker, on all) over that of the other, low, high) or None"""
    return figures.quotient([pair[0], other[1]], [pair[1], other[0]]) if all((*pair, *other)) else None


def aim(label, workers, threads):
    """(kind of the goal, the goal or None, what is reached at the least)"""
    if workers != goals.DATA["workers"]:
        return "", None, None
    if label in goals.DATA["scaling"]:
        goal = goals.DATA["scaling"][label]
        return "scaling", goal, goal / (1 + goals.DATA["tolerance"])
    if label in goals.DATA["as threads"]:
        return "threads", threads and threads * THREADS_LESS, threads and threads * THREADS_LESS
    return "not slower", 1, 1 / (1 + goals.DATA["tolerance"])


def row(results, workload, figure, cores):
    pairs = {
        side: (
            results.by_round(figure, workload.name, side, 1),
            results.by_round(figure, workload.name, side, cores),
        )
        for side in results.sides
    }
    sums = {
        side: figures.quotient([one], [all_of_them])
        for side, (one, all_of_them) in pairs.items()
        if one and all_of_them
    }
    rivals = {side: found for side, found in sums.items() if side not in ("troupe", "floor") and found}
    best = max(rivals, key=lambda side: rivals[side][0]) if rivals else None
    ours, threads = sums.get("troupe"), sums.get("floor")
    kind, goal, least = aim(figure.label, cores, threads and threads[0])
    return {
        "label": figure.label,
        "sides": sums,
        "best": best,
        "to_best": against(pairs["troupe"], pairs[best]) if ours and best else None,
        "to_floor": against(pairs["troupe"], pairs["floor"]) if ours and threads else None,
        "kind": kind,
        "goal": goal,
        "met": ours[0] >= least if ours and least else None,
        "pairs": len(figures.common([*pairs["troupe"], *pairs[best]])) if ours and best else 0,
    }


def rows(results, workloads, cores):
    if cores < 2:
        return []
    found = [
        row(results, workload, figure, cores)
        for workload in workloads
        for figure in workload.figures[:1]
        if not workload.sweep and is_time(figure)
    ]
    return [one for one in found if one["sides"].get("troupe")]


def verdict(one, enough):
    """Who is first: where the speed-up itself is a goal. A side that is slow on one worker may well gain more."""
    if one["kind"] == "not slower":
        return "-"
    if not one["to_best"]:
        return "no rival"
    value, low, high = one["to_best"]
    if one["pairs"] < enough:
        return f"{'ahead' if value > 1 else 'behind'}, of too few runs"
    return "first" if low > 1 else "BEHIND" if high < 1 else f"{'ahead' if value > 1 else 'behind'} within noise"


def goal_words(one):
    if one["kind"] == "threads":
        return f"{one['goal']:.2f} (threads less 3 %)" if one["goal"] else "threads less 3 %"
    return "-" if one["goal"] is None else f"{one['goal']:g}{' (not slower)' if one['kind'] == 'not slower' else ''}"


def met_words(one):
    return "-" if one["met"] is None else "met" if one["met"] else "missed"
