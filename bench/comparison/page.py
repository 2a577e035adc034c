"""The page: one self-contained HTML file, made from the raw data alone."""
import json
import pathlib

from . import chart, figures, goals, latency, speedups, table, workloads
from .chart import escape, short

COLOURS = {  # side: light, dark
    "troupe": ("#2a78d6", "#3987e5"),
    "erlang": ("#e34948", "#e66767"),
    "go": ("#1baf7a", "#199e70"),
    "tokio": ("#eb6834", "#d95926"),
    "caf": ("#4a3aa7", "#9085e9"),
    "redis": ("#e34948", "#e66767"),
    "nginx": ("#4a3aa7", "#9085e9"),
}
OTHERS = [("#eda100", "#c98500"), ("#e87ba4", "#d55181"), ("#008300", "#30a030")]

STYLE = pathlib.Path(__file__).with_name("page.css")


def style(sides):
    others = iter(OTHERS * 4)
    colours = {side: COLOURS[side] if side in COLOURS else next(others) for side in sides if side != "floor"}
    light, dark = (" ".join(f"--c-{side}: {pair[i]};" for side, pair in colours.items()) for i in (0, 1))
    classes = "".join(f".s-{side} {{ --c: var(--c-{side}); }}\n" for side in colours)
    return STYLE.read_text(encoding="utf-8").replace("LIGHT", light).replace("DARK", dark) + classes


def within(found, show=table.number):
    """The interval, small below its figure."""
    return f"<small>{show(found[1])}–{show(found[2])}</small>"


def two_digits(value):
    return f"{value:.2f}"


def ratio_cell(found, kind, more=False):
    """more: more is better"""
    if not found:
        return '<td class="none">–</td>'
    value, low, high = found
    sure = kind == "best" and not low <= 1 <= high
    mark = "noise" if not sure else "first" if (low > 1 if more else high < 1) else "behind"
    return f'<td class="{mark}">{value:.2f}{within(found, two_digits)}</td>'


def standing(words):
    mark = {"first": "first", "BEHIND": "behind"}.get(words, "noise")
    return f'<td class="standing {mark}">{escape(words.lower())}</td>'


def value_cell(row, side, most=0):
    found = row["sides"].get(side)
    classes = " ".join(name for name, true in (("own", side == "troupe"), ("best", side == row["best"])) if true)
    if found:
        count = table.few(row, side, most)
        of_few = f'<small class="few">{count} launches</small>' if count else ""
        return f'<td class="{classes}"><b>{table.number(found[0])}</b>{within(found)}{of_few}</td>'
    status, words = row.get("why_not", {}).get(side, ("", ""))
    words = row.get("no_floor", "") if side == "floor" else words
    shown = {"unsupported": "none", "": "–"}.get(status, status)
    return f'<td class="none" title="{escape(words)}">{escape(shown)}</td>'


def goal_cell(goal, to_goal):
    """The goal, and Troupe's ratio to it: green within the tolerance, red beyond."""
    shown, words = table.goal_cell(goal, to_goal)
    if not to_goal:
        return f'<td class="none">{shown.replace("-", "–")}</td>'
    mark = "first" if goals.is_met(to_goal[0]) else "behind"
    return f'<td><b>{shown}</b><small class="{mark}">{words}</small></td>'


def table_row(row, rivals, aims, most):
    kind = "best" if row["pairs"] >= table.ENOUGH else "few"
    aim = goal_cell(row["goal"], row["to_goal"]) + goal_cell(row["scaled"], row["to_scaled"]) if aims else ""
    return (
        f'<td>{escape(row["label"])}<small>{escape(row["unit"])}</small></td>{value_cell(row, "troupe", most)}'
        f'{"".join(value_cell(row, side, most) for side in rivals)}{ratio_cell(row["to_best"], kind)}'
        f'{standing(table.verdict(row))}{value_cell(row, "floor", most)}{ratio_cell(row["to_floor"], "floor")}{aim}'
    )


def whole_table(names, body):
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = "".join(f"<tr>{row}</tr>" for row in body)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def table_of(rows, rivals, most=0):
    aims = goals.present(rows)
    names = ["workload", "troupe", *rivals, "Troupe to best", "first?", "floor", "Troupe to floor"]
    names += ["goal", "scaled goal"] if aims else []
    reasons = "; ".join(f'{", ".join(names)}: {why}' for why, names in table.without_floor([("", rows)]).items())
    note = f'<p class="note">No floor: {escape(reasons)}.</p>' if reasons else ""
    note += f'<p class="note">{escape(goals.words(rows))}</p>' if aims else ""
    return whole_table(names, [table_row(row, rivals, aims, most) for row in rows]) + note


def speedup_row(row, rivals):
    kind = "best" if row["pairs"] >= table.ENOUGH else "few"
    met = {True: "first", False: "behind", None: "none"}[row["met"]]
    return (
        f'<td>{escape(row["label"])}</td>{"".join(value_cell(row, side) for side in ("troupe", *rivals))}'
        f'{ratio_cell(row["to_best"], kind, more=True)}{standing(speedups.verdict(row, table.ENOUGH))}'
        f'{value_cell(row, "floor")}{ratio_cell(row["to_floor"], "floor")}'
        f'<td>{escape(speedups.goal_words(row))}</td><td class="{met}">{speedups.met_words(row)}</td>'
    )


def speedup_table(rows, rivals):
    names = [
        "workload",
        "troupe",
        *rivals,
        "Troupe to best",
        "first?",
        "threads",
        "Troupe to threads",
        "goal",
        "reached",
    ]
    return whole_table(names, [speedup_row(row, rivals) for row in rows]) if rows else ""


def card(title, note, body):
    return f'<div class="card"><header><h3>{escape(title)}</h3><small>{escape(note)}</small></header>{body}</div>'


def bar_cards(rows, sides):
    cards = []
    for row in rows:
        shown = [
            side
            for side in sides
            if side != "floor" and (row["sides"].get(side) or row["why_not"].get(side, ("", ""))[0])
        ]
        words = {"unsupported": "no counterpart", "timeout": "not done in time", "failed": "failed"}
        values = {
            side: row["sides"].get(side) or words.get(row["why_not"][side][0], row["why_not"][side][0])
            for side in shown
        }
        cards.append(card(row["label"], row["unit"], chart.bars(shown, values, row["sides"].get("floor"), row["unit"])))
    return f'<div class="grid-of">{"".join(cards)}</div>'


def scaling_cards(results, chosen, cores):
    cards, counts = [], sorted({record["workers"] for record in results.records})
    for workload in chosen:
        if not workload.scales or cores < 2:
            continue
        curves = speedups.curves(results, workload, workload.figures[0], counts)
        series = {
            side: [
                (x, y, low, high, f"{y:.2f} times on {x} workers, 95 %: {low:.2f} to {high:.2f}")
                for x, y, low, high in points
            ]
            for side, points in curves.items()
        }
        if series:
            ideal = [(1, 1), (cores, cores)]
            cards.append(
                card(
                    workload.name,
                    "speed-up over one worker",
                    chart.lines(series, "workers", "times as fast", x_ticks=counts, ideal=ideal, height=260),
                )
            )
    return f'<div class="grid-of wide">{"".join(cards)}</div>' if cards else ""


def sweep_cards(results):
    cards = []
    for name, sweep in workloads.SWEEPS.items():
        for figure in sweep.figures:
            series = sweep_series(results, name, sweep, figure)
            if series:
                cards.append(
                    card(
                        figure.label,
                        figure.unit,
                        chart.lines(series, "actors", figure.unit, log_x=True, log_y=figure.unit == "ms"),
                    )
                )
    return f'<div class="grid-of wide">{"".join(cards)}</div>' if cards else ""


def swept_counts(results, name, sweep, side):
    """How many actors this side had in the sweep; a point may be among the bars."""
    mine = [one for one in results.records if (one["workload"], one["side"]) == (sweep.workload, side)]
    workers = {one["workers"] for one in mine if one["purpose"] == name}
    points = {
        (one["parameters"][sweep.parameter], one["workers"])
        for one in mine
        if one["workers"] in workers and one["purpose"] in (name, "bars")
    }
    return sorted(points)


def sweep_series(results, name, sweep, figure):
    series = {}
    for side in results.sides:
        for count, workers in swept_counts(results, name, sweep, side):
            found = figures.summary(
                results.by_round(figure, sweep.workload, side, workers, sweep=name, parameters={sweep.parameter: count})
            )
            if found:
                words = f"{short(found[0])} {figure.unit} at {short(count)}"
                series.setdefault(side, []).append((count, *found, words))
    return series


def latency_cards(records):
    parts = []
    for service in dict.fromkeys(record["service"] for record in records):
        curves, cards = latency.curves(records, service), []
        for share, name in ((0.5, "median"), (0.99, "99 % are below"), (0.999, "99.9 % are below")):
            series = {
                side: [
                    (
                        rate,
                        us[share],
                        None,
                        None,
                        f"{short(us[share])} us at {short(rate)} requests a second, {answered:.1%} answered",
                    )
                    for rate, answered, us, _ in points
                    if us[share] is not None
                ]
                for side, points in curves.items()
            }
            series = {side: points for side, points in series.items() if points}
            if series:
                cards.append(
                    card(
                        name,
                        "us from the planned send time",
                        chart.lines(series, "offered requests a second", "us", log_y=True),
                    )
                )
        cards.append(distribution_card(curves))
        bad = [one for one in records if one["service"] == service and "failed" in one["line"]]
        words = "; ".join(
            dict.fromkeys(f"{one['side']} at {short(one['rate'])}: {one['line']['failed']}" for one in bad)
        )
        note = f'<p class="note">Not measured: {escape(words)}.</p>' if bad else ""
        parts.append(
            f'<h3 class="service">{escape(service)}</h3>{note}{chart.legend(curves)}'
            f'<div class="grid-of wide">{"".join(cards)}</div>'
        )
    return "".join(parts)


def distribution_card(curves):
    """Every percentile, at half of the largest load that was offered."""
    rates = sorted({point[0] for points in curves.values() for point in points})
    if not rates:
        return ""
    rate, series = rates[(len(rates) - 1) // 2], {}
    for side, points in curves.items():
        for at, _, _, counts in points:
            total, seen, curve = sum(counts.values()), 0, []
            for end, count in counts.items() if at == rate else ():
                seen += count
                if seen < total:
                    curve.append((total / (total - seen), end, None, None, ""))
            if curve:
                series[side] = [point for point in curve if point[0] >= 1.01]
    return (
        card(
            f"all percentiles at {short(rate)} a second",
            "one in so many is slower",
            chart.lines(series, "one in ...", "us", log_x=True, log_y=True, dots=False),
        )
        if series
        else ""
    )


def plain(value):
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def context_list(context):
    flat = {}
    for key, value in context.items():
        if key == "sides":
            flat.update({f"side {name}": f'{about["built with"]}; {about["command"]}' for name, about in value.items()})
        elif isinstance(value, dict):
            flat[key] = "; ".join(f"{name}: {plain(what)}" for name, what in value.items() if what not in ("", None))
        else:
            flat[key] = value
    return "<dl>" + "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in flat.items()) + "</dl>"


def standings(rows):
    words = [table.verdict(row) for row in rows if row["to_best"]]
    first, behind = words.count("first"), words.count("BEHIND")
    noise = len(words) - first - behind
    text = (
        f"Of {len(words)} rows with a rival, Troupe is first in {first}, behind in {behind}, and in {noise} "
        "nobody can tell."
    )
    aims = [row for row in rows if row["to_goal"]]
    scaled = [row for row in rows if row["to_scaled"]]
    met = sum(goals.is_met(row["to_scaled"][0]) for row in scaled)
    if aims:
        text += f" {len(aims) - len(goals.missed(aims))} of {len(aims)} goals are met"
        text += f"; scaled by this machine's floors, {met} of {len(scaled)}." if scaled else "."
    return text


def risen_words(rows):
    aims = [row for row in rows if row["met"] is not None]
    missed = [row["label"] for row in aims if not row["met"]]
    return (
        "How many times as fast as the same runtime on one worker; here more is better. Goals: 3.7 for pairs, rings and "
        "calls; what plain threads reach, less 3 %, for work that is computed in parallel, where one worker has one "
        f"core; and nothing may be slower. {len(aims) - len(missed)} of {len(aims)} are met"
        f"{'; missed: ' + ', '.join(missed) if missed else ''}."
    )


FLOOR_KEY = '<span class="key dash s-floor"><i></i>floor: the same work without a runtime</span>'
IDEAL_KEY = '<span class="key dash"><i></i>ideal</span>'


def section(heading, words, body):
    return f"<h2>{escape(heading)}</h2><p>{escape(words)}</p>{body}" if body else ""


NOTICES = {
    "quick": '<p class="notice">A quick run: about a fifth of the work and few launches. Intervals are wide, and what '
    "the start of a program costs weighs more than in a full one.</p>",
    "smoke": '<p class="behind notice">Tiny parameters, which only show that everything works. No figure here says '
    "anything.</p>",
}


def head(context, versions):
    settings = context["settings"]
    facts = [
        context["cpu"]["name"],
        f'{settings["workers"]} workers of {context["cpu"]["cores usable"]} cores',
        context["virtual"],
        context["kernel"],
        context["system"],
        context["C compiler"],
        f'commit {context["commit"][:12]}{" with changes" if "changes" in context["commit"] else ""}',
        f'{settings["runs"]} launches each',
        context["taken"],
    ]
    words = (
        f'{versions}. Times are medians of {settings["runs"]} launches, interleaved in random order; less is better '
        "everywhere. Each program verifies its own result."
    )
    return (
        f"<h1>Troupe beside other runtimes</h1><p>{escape(words)}</p>"
        f'<ul class="context">{"".join(f"<li>{escape(fact)}</li>" for fact in facts)}</ul>'
        f'{NOTICES.get(settings.get("size"), "")}'
    )


def tables_and_bars(tables, risen, sides, cores, most):
    rivals = [side for side in sides if side != "troupe"]
    for heading, rows in tables:
        words = (
            f"{standings(rows)} Less is better. Underlined: the best rival. Small: 95 % intervals of the median or of "
            "the ratio."
        )
        yield section(f"All rows, {heading}", words, table_of(rows, rivals, most))
    yield section(f"From 1 worker to {cores}", risen_words(risen), speedup_table(risen, rivals))
    for heading, rows in tables:
        words = "Whiskers are 95 % intervals of the median, by bootstrap."
        yield section(f"Bars, {heading}", words, chart.legend(sides, FLOOR_KEY) + bar_cards(rows, sides))


def curves_of(data, results, chosen, sides, cores):
    scaling, swept = scaling_cards(results, chosen, cores), sweep_cards(results)
    if scaling:
        words = "How many times as fast as the same runtime on one worker: a curve says nothing about who is faster."
        yield section("Scaling", words, chart.legend(sides, FLOOR_KEY + IDEAL_KEY) + scaling)
    if swept:
        words = (
            f"On {cores} workers; floors on one. A curve ends where more actors would not fit into two thirds of the "
            "memory, or in a run that is no full one."
        )
        yield section("Many actors", words, chart.legend(sides, FLOOR_KEY) + swept)
    words = (
        "An open-loop generator sends at planned times, whether or not the server keeps up; latency counts from "
        "the planned time. A point is missing where that percentile was never answered."
    )
    yield section("Latency against offered load", words, latency_cards(data["latency"]))


def render(data, chosen):
    """The whole page, as text."""
    context, cores = data["context"], data["context"]["settings"]["workers"]
    results = figures.Results(data["launches"], list(context["sides"]))
    sides = [side for side in results.sides if side != "floor"]
    drawn = dict.fromkeys([*sides, *(record["side"] for record in data["latency"])])
    versions = ", ".join(f"{side} {text}" for side, text in results.versions().items() if side != "floor" and text)
    body = [
        head(context, versions),
        *tables_and_bars(
            table.at_each(results, chosen, cores),
            speedups.rows(results, chosen, cores),
            sides,
            cores,
            context["settings"]["runs"],
        ),
        *curves_of(data, results, chosen, sides, cores),
        "<h2>Circumstances</h2>",
        context_list(context),
        f"<details><summary>Every launch</summary>{launches(data)}</details>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Troupe beside other runtimes</title><style>{style(drawn)}</style></head>"
        f'<body><main>{"".join(body)}</main></body></html>\n'
    )


def launches(data):
    names = ("workload", "side", "workers", "parameters", "round", "seconds", "load average before")
    rows = []
    for record in data["launches"]:
        seconds = record["result"]["seconds"] if record["result"] else record["status"]
        cells = [
            record["workload"],
            record["side"],
            record["workers"],
            json.dumps(record["parameters"]),
            record["round"],
        ]
        rows.append([*cells, seconds, record["load_average"]])
    return whole_table(names, ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows])
