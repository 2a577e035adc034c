"""The table, as text."""

from . import figures, goals

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


def cell(row, side):
    found = row["sides"].get(side)
    if found:
        return spread(found)
    status, _ = row["why_not"].get(side, ("", ""))
    return {"unsupported": "none", "": "-"}.get(status, status)


def ratio(found):
    """value, and whether the interval leaves a doubt about which side of 1 it is on"""
    if not found:
        return "-"
    value, low, high = found
    return f"{value:.2f}{'' if high < 1 or low > 1 else ' ~'}"


def goal_cells(row):
    """The goal, and the ratio to it with what it says."""
    if not row["to_goal"]:
        return ["-" if row["goal"] is None else f"{row['goal']:g}", "-"]
    value = row["to_goal"][0]
    return [f"{row['goal']:g}", f"{value:.2f} {'met' if goals.is_met(value) else 'missed'}"]


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
    counts = dict.fromkeys((cores, 1))
    return [(f"on {n} worker{'s' if n > 1 else ''}", figures.rows(results, chosen, n)) for n in counts]


def without_floor(tables):
    """why -> the workloads that have no floor for that reason"""
    found = {}
    for _, rows in tables:
        for row in rows:
            if not row["sides"].get("floor"):
                names = found.setdefault(row["no_floor"] or "was not measured", [])
                names += [] if row["workload"] in names else [row["workload"]]
    return found


def text(tables, context, results_sides):
    """tables: [(heading, rows)]"""
    lines = [
        f"Troupe {context['commit'][:12]}; {context['cpu']['name']}, {context['cpu']['cores usable']} cores; "
        f"{context['virtual']}; "
        f"{context['kernel']}; {context['taken']}",
        "Medians [95 % interval]; less is better. ratio: Troupe to the best rival, and to the floor; ~: within noise. "
        "none: the runtime has no counterpart.",
    ]
    rivals = [side for side in results_sides if side not in ("troupe", "floor")]
    for heading, rows in tables:
        lines += ["", heading[0].upper() + heading[1:]]
        aims = goals.present(rows)
        head = ["workload", "unit", "troupe", *rivals, "best", "ratio", "floor", "to floor"]
        head += ["goal", "to goal", ""] if aims else [""]
        body = [
            [
                row["label"],
                row["unit"],
                cell(row, "troupe"),
                *(cell(row, side) for side in rivals),
                row["best"] or "-",
                ratio(row["to_best"]),
                number(row["sides"]["floor"][0]) if row["sides"].get("floor") else "-",
                ratio(row["to_floor"]),
                *(goal_cells(row) if aims else ()),
                verdict(row),
            ]
            for row in rows
        ]
        widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
        for line in [head, *body]:
            lines.append(
                "  ".join(
                    text.ljust(width) if i < 2 else text.rjust(width)
                    for i, (text, width) in enumerate(zip(line, widths))
                ).rstrip()
            )
        lines += [goals.words(rows)] if aims else []
    reasons = without_floor(tables)
    lines += [""] + [f"No floor: {', '.join(names)}: {why}." for why, names in reasons.items()] if reasons else []
    return "\n".join(lines) + "\n"
