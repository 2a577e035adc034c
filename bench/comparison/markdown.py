"""The figures as Markdown, and into the two README files: the tables of bench/README.md between its two marks, and in
README.md the second and the fourth cell of the rows that the comparison measures."""
import textwrap

from . import goals, speedups, table

WIDTH = 138

NAMES = {"erlang": "OTP", "go": "Go", "caf": "CAF"}
NOTES = {("restart", "tokio"): "no supervisors", ("restart", "go"): "no supervisors", ("restart", "caf"): "by hand"}
BEGIN, END = "<!-- figures of bench/compare: begin -->", "<!-- figures of bench/compare: end -->"
COMMAND = {"full": "bench/compare", "quick": "bench/compare --quick", "smoke": "bench/compare --smoke"}


def name(side):
    return NAMES.get(side, side)


def line(cells):
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def of(cells):
    """A table's head and the line below it."""
    return [line(cells), line(["---"] * len(cells))]


def rival(row, side):
    """In bold what is ahead of Troupe."""
    ours, theirs = row["sides"].get("troupe"), row["sides"][side]
    note = NOTES.get((row["workload"], side))
    words = f"{name(side)} {table.number(theirs[0])}{f' ({note})' if note else ''}"
    return f"**{words}**" if ours and theirs[0] < ours[0] else words


def rivals_of(row, rivals, most=3):
    """The best of them, each in a cell; in what is left, who has no figure and why."""
    found = sorted((side for side in rivals if row["sides"].get(side)), key=lambda side: row["sides"][side][0])[:most]
    cells, reasons = [rival(row, side) for side in found], {}
    for side in rivals:
        if side not in found and not row["sides"].get(side):
            status = row["why_not"].get(side, ("", ""))[0]
            reasons.setdefault({"unsupported": "none"}.get(status, status), []).append(name(side))
    words = "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items() if why)
    if words and len(cells) < most:
        cells.append(words)
    return cells + [""] * (most - len(cells))


def with_interval(found):
    return f"{table.number(found[0])} ({table.number(found[1])} to {table.number(found[2])})" if found else "-"


def to(found):
    """A ratio to a goal: bold if the goal is missed."""
    if not found:
        return ""
    return f"{found[0]:.2f}" if goals.is_met(found[0]) else f"**{found[0]:.2f}**"


def of_rows(rows, rivals):
    aims = goals.present(rows)
    head = ["workload", "unit", "Troupe", "best rival", "next", "", "to the best", "first?", "to the floor"]
    lines = of(head + (["goal", "to the goal", "scaled"] if aims else []))
    for row in rows:
        cells = [row["label"], row["unit"], with_interval(row["sides"].get("troupe")), *rivals_of(row, rivals)]
        cells += [table.ratio(row["to_best"]), table.verdict(row), table.ratio(row["to_floor"])]
        if aims:
            goal = "" if row["goal"] is None else f"{row['goal']:g}"
            cells += [goal, to(row["to_goal"]), to(row["to_scaled"])]
        lines.append(line(cells))
    return lines


def of_speedups(rows, rivals):
    lines = of(["workload", "Troupe", *map(name, rivals), "first?", "threads", "goal", "reached"])
    for row in rows:
        shown = [table.number(found[0]) if found else "" for found in map(row["sides"].get, rivals)]
        threads = row["sides"].get("floor")
        cells = [row["label"], with_interval(row["sides"]["troupe"]), *shown, speedups.verdict(row, table.ENOUGH)]
        met = speedups.met_words(row)
        cells += [table.number(threads[0]) if threads else "", speedups.goal_words(row)]
        lines.append(line([*cells, f"**{met}**" if met == "missed" else met]))
    return lines


def text(tables, risen, context, sides):
    settings, rivals = context["settings"], [side for side in sides if side not in ("troupe", "floor")]
    paragraphs = [
        f"Figures of `{COMMAND.get(settings.get('size'), 'bench/compare')}` at {context['commit'][:12]}, "
        f"{context['taken']}: medians of {settings['runs']} launches, in brackets their 95 % intervals; "
        f"{context['cpu']['name']}, {context['cpu']['cores usable']} cores, {context['virtual']}, {context['kernel']}.",
        "What is bold is ahead of Troupe, or a goal that is missed; `~` and `within noise`: nobody can tell. A ratio to a "
        "`scaled` goal counts how much longer the hand-made floors take here than where the goals were set.",
    ]
    lines = [textwrap.fill(paragraph, WIDTH) for paragraph in paragraphs]
    for heading, rows in tables:
        if rows:
            lines += ["", f"{heading[0].upper()}{heading[1:]}; less is better.", "", *of_rows(rows, rivals)]
            lines += ["", textwrap.fill(goals.words(rows), WIDTH)] if goals.present(rows) else []
    if risen:
        heading = f"From 1 worker to {settings['workers']}: how many times as fast; more is better."
        lines += ["", heading, "", *of_speedups(risen, rivals)]
    return "\n".join(lines) + "\n"


# --- into the README files


def value(tables, heading, label, side="troupe"):
    """The median of a row, as text, or None."""
    rows = {row["label"]: row for row in dict(tables).get(heading, [])}
    found = rows[label]["sides"].get(side) if label in rows else None
    return table.number(found[0]) if found else None


BESIDE_FLOORS = {  # row -> the first cell in README.md, the unit
    "pingpong": ("pingpong, 1 worker, by a hand-made floor", "ns a message"),
    "ring": ("ring", "ns a hop"),
    "counting": ("counting", "ns a message"),
    "call": ("call, with timeout and failure detection", "ns"),
}
IDLE = "idle server, neither linked nor named, of a million"
TEN_MILLION = "ten million idle servers"
LATE = "tick of 1 ms beside 4 hogs on 4 workers, late at p99"
README_LABELS = (*(label for label, _ in BESIDE_FLOORS.values()), IDLE, TEN_MILLION, LATE)


def readme_figures(tables):
    """The first cell of a row of README.md -> its second cell, of the rows that all of this run has."""
    many, one, found = tables[0][0], "on 1 worker", {}
    for label, (first, unit) in BESIDE_FLOORS.items():
        ours, floor, several = value(tables, one, label), value(tables, one, label, "floor"), value(tables, many, label)
        if ours and floor and several:
            times = float(ours.replace(",", "")) / float(floor.replace(",", ""))
            found[first] = f"{ours} {unit}, floor {floor}: {times:.1f} times; {many[3:]} {several}"
    idle, late = value(tables, many, "idle"), value(tables, many, "hog: tick late")
    most, start = value(tables, many, "10 million idle"), value(tables, many, "10 million idle: start, call")
    if idle:
        found[IDLE] = f"{idle} bytes of RSS"
    if most and start:
        found[TEN_MILLION] = f"{most} GB, {start} us each to start and to answer a call"
    if late:
        found[LATE] = f"{late} us"
    return found


def with_figures(readme, found):
    """The text of README.md with these figures in its table."""
    lines = readme.split("\n")
    for i, old in enumerate(lines):
        cells = [cell.strip() for cell in old.split("|")[1:-1]]
        if len(cells) == 4 and cells[0] in found:
            lines[i] = line([cells[0], found[cells[0]], cells[2], "`bench/compare`"])
    return "\n".join(lines)


def between_marks(readme, figures):
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"compare: bench/README.md has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{figures}{END}{after}"


def put(top, tables, risen, context, sides, say):
    path = top / "bench/README.md"
    path.write_text(
        between_marks(path.read_text(encoding="utf-8"), text(tables, risen, context, sides)), encoding="utf-8"
    )
    if context["settings"].get("size") != "full":
        say("compare: README.md keeps its figures: they are of full runs")
        return
    path = top / "README.md"
    path.write_text(with_figures(path.read_text(encoding="utf-8"), readme_figures(tables)), encoding="utf-8")
