"""The table, as text."""

from . import figures, goals, speedups, workloads

ENOUGH = 3  # rounds, for a word about who is first


def number(value):
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"


def spread(found):
    """median [low..high]"""
    return f"{number(found[0])} [{number(found[1])}..{number(found[2])}]" if found else ""


def few(row, side, most):
    """How many launches a figure is of, if they are fewer than the run's; else 0."""
    count = row.get("counts", {}).get(side, 0)
    return count if 0 < count < most else 0


def cell(row, side, most=0):
    found = row["sides"].get(side)
    if found:
        count = few(row, side, most)
        return f"{spread(found)}{f' of {count}' if count else ''}"
    status, _ = row["why_not"].get(side, ("", ""))
    return {"unsupported": "none", "": "-"}.get(status, status)


def ratio(found):
    """value, and whether the interval leaves a doubt about which side of 1 it is on"""
    if not found:
        return "-"
    value, low, high = found
    return f"{value:.2f}{'' if high < 1 or low > 1 else ' ~'}"


def goal_cell(goal, to_goal):
    """The goal, and the ratio to it with what it says."""
    if goal is None:
        return ["-", "-"]
    words = f"{to_goal[0]:.2f} {'met' if goals.is_met(to_goal[0]) else 'missed'}" if to_goal else "-"
    short = f"{goal:g}"
    return [short if len(short) <= 4 else number(goal), words]


def goal_cells(row):
    return goal_cell(row["goal"], row["to_goal"]) + goal_cell(row["scaled"], row["to_scaled"])


def verdict(row):
    if not row["sides"].get("troupe"):
        return "no figure of Troupe"
    if not row["best"]:
        return "no rival"
    if not row["to_best"]:
        return "no ratio"
    value, low, high = row["to_best"]
    if row["pairs"] < ENOUGH:
        return f"{'ahead' if value < 1 else 'behind'}, of too few runs"
    return "first" if high < 1 else "BEHIND" if low > 1 else f"{'ahead' if value < 1 else 'behind'} within noise"


def at_each(results, chosen, cores):
    """The tables: [(heading, rows)], on all workers and on one."""
    counts, chosen = dict.fromkeys((cores, 1)), with_swept(chosen)
    return [(f"on {n} worker{'s' if n > 1 else ''}", figures.rows(results, chosen, n)) for n in counts]


def with_swept(chosen):
    """The rows that are points of a sweep stand behind those of its workload; without records there are none."""
    swept = workloads.TEN_MILLION
    found = [[workload, swept] if workload.name == swept.name else [workload] for workload in chosen]
    return [workload for some in found for workload in some]


def without_floor(tables):
    """why -> the workloads that have no floor for that reason"""
    found = {}
    for _, rows in tables:
        for row in rows:
            if not row["sides"].get("floor"):
                names = found.setdefault(row["no_floor"] or "was not measured", [])
                names += [] if row["workload"] in names else [row["workload"]]
    return found


def aligned(lines):
    """Columns of text; the first two to the left."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        words = zip(line, widths)
        yield "  ".join(
            text.ljust(width) if i < 2 else text.rjust(width) for i, (text, width) in enumerate(words)
        ).rstrip()


def of_rows(rows, rivals, most):
    aims = goals.present(rows)
    head = ["workload", "unit", "troupe", *rivals, "best", "ratio", "first?", "floor", "to floor"]
    head += ["goal", "to goal", "scaled goal", "to scaled"] if aims else []
    lines = [head]
    for row in rows:
        floor = row["sides"].get("floor")
        line = [row["label"], row["unit"], cell(row, "troupe", most), *(cell(row, side, most) for side in rivals)]
        line += [row["best"] or "-", ratio(row["to_best"]), verdict(row), number(floor[0]) if floor else "-"]
        lines.append([*line, ratio(row["to_floor"]), *(goal_cells(row) if aims else ())])
    return [*aligned(lines), *([goals.words(rows)] if aims else [])]


def of_speedups(rows, rivals):
    lines = [["workload", "troupe", *rivals, "best", "ratio", "first?", "threads", "to threads", "goal", "reached"]]
    for row in rows:
        shown = [spread(row["sides"].get(side)) or "-" for side in ("troupe", *rivals)]
        threads = row["sides"].get("floor")
        line = [row["label"], *shown, row["best"] or "-", ratio(row["to_best"]), speedups.verdict(row, ENOUGH)]
        line += [number(threads[0]) if threads else "-", ratio(row["to_floor"]), speedups.goal_words(row)]
        lines.append([*line, speedups.met_words(row)])
    return list(aligned(lines))


def text(tables, risen, context, results_sides):
    """tables: [(heading, rows)]; risen: the rows of speedups.py"""
    most = context.get("settings", {}).get("runs", 0)
    lines = [
        f"Troupe {context['commit'][:12]}; {context['cpu']['name']}, {context['cpu']['cores usable']} cores; "
        f"{context['virtual']}; "
        f"{context['kernel']}; {context['taken']}",
        "Medians [95 % interval]; less is better. ratio: Troupe to the best rival, and to the floor; ~: within noise. "
        "none: the runtime has no counterpart. of 3: of so few launches, since they took long.",
    ]
    rivals = [side for side in results_sides if side not in ("troupe", "floor")]
    for heading, rows in tables:
        lines += ["", heading[0].upper() + heading[1:], *of_rows(rows, rivals, most)]
    if risen:
        heading = f"From 1 worker to {context['settings']['workers']}: how many times as fast; more is better"
        lines += ["", heading, *of_speedups(risen, rivals)]
    reasons = without_floor(tables)
    lines += [""] + [f"No floor: {', '.join(names)}: {why}." for why, names in reasons.items()] if reasons else []
    return "\n".join(lines) + "\n"
