"""The page: one self-contained HTML file, made from the raw data alone."""
import json

from . import chart, figures, latency, table, workloads
from .chart import escape, short

COLOURS = {  # side: light, dark
    "troupe": ("#2a78d6", "#3987e5"), "erlang": ("#e34948", "#e66767"), "go": ("#1baf7a", "#199e70"), "tokio": ("#eb6834", "#d95926"),
    "caf": ("#4a3aa7", "#9085e9"), "redis": ("#e34948", "#e66767"), "nginx": ("#4a3aa7", "#9085e9"),
}
OTHERS = [("#eda100", "#c98500"), ("#e87ba4", "#d55181"), ("#008300", "#30a030")]

STYLE = """
:root { color-scheme: light dark; --bg: #fcfcfb; --card: #ffffff; --ink: #1c1c1a; --soft: #5c5b57; --faint: #8a8883; --rule: #e4e2dc;
  --good: #0a7a3d; --bad: #c0262d; LIGHT }
@media (prefers-color-scheme: dark) { :root { --bg: #161615; --card: #1e1e1c; --ink: #f0efec; --soft: #b6b4ae; --faint: #8b8983; --rule: #353430;
  --good: #4cc38a; --bad: #ff7b72; DARK } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 36px 24px 80px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 52px 0 4px; }
h3 { font-size: 14px; margin: 0; font-weight: 600; }
p { margin: 4px 0 12px; max-width: 78ch; color: var(--soft); }
.context { display: flex; flex-wrap: wrap; gap: 6px 10px; margin: 14px 0 0; padding: 0; list-style: none; }
.context li { border: 1px solid var(--rule); background: var(--card); border-radius: 999px; padding: 3px 11px; font-size: 13px; color: var(--soft); }
.grid-of { display: grid; grid-template-columns: repeat(auto-fill, minmax(360px, 1fr)); gap: 14px; }
.wide { grid-template-columns: repeat(auto-fill, minmax(450px, 1fr)); }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 13px 15px 8px; min-width: 0; }
.card header { display: flex; justify-content: space-between; align-items: baseline; gap: 10px; margin-bottom: 4px; }
.card small { color: var(--faint); font-size: 12px; }
.card svg { display: block; width: 100%; height: auto; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 11px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
tr:last-child td { border-bottom: 0; }
th { font-weight: 600; color: var(--soft); font-size: 12.5px; }
th:nth-child(1), td:nth-child(1), th:nth-child(2), td:nth-child(2) { text-align: left; }
td:nth-child(2), td.none { color: var(--faint); }
td.own { font-weight: 650; }
td.best { text-decoration: underline; text-underline-offset: 3px; text-decoration-color: var(--faint); }
.first { color: var(--good); font-weight: 600; } .behind { color: var(--bad); font-weight: 600; } .noise { color: var(--soft); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 6px 0 12px; font-size: 13px; }
.key { display: inline-flex; align-items: center; gap: 7px; } .key i { width: 12px; height: 12px; border-radius: 3px; background: var(--c); }
.key.dash i { height: 0; border-radius: 0; background: none; border-top: 2px dashed var(--faint); width: 18px; }
svg text { font-size: 12px; fill: var(--soft); dominant-baseline: central; }
svg .name { text-anchor: end; } svg .own { font-weight: 650; fill: var(--ink); } svg .none { fill: var(--faint); font-style: italic; }
svg .tick { font-size: 11px; fill: var(--faint); } svg .tick.y { text-anchor: end; } svg .tick.x { text-anchor: middle; }
svg .label { text-anchor: middle; font-size: 11.5px; }
svg .bar { fill: var(--c); } svg .whisker { stroke: var(--ink); stroke-opacity: .65; fill: none; } svg .thin { stroke: var(--c); stroke-opacity: .7; }
svg .axis { stroke: var(--faint); fill: none; } svg .grid { stroke: var(--rule); fill: none; }
svg .floor path { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 3 3; } svg .ideal { stroke: var(--faint); stroke-width: 1.5; stroke-dasharray: 5 4; fill: none; }
svg .line { stroke: var(--c); stroke-width: 2; fill: none; stroke-linejoin: round; } svg circle { fill: var(--c); stroke: var(--card); stroke-width: 1.5; }
details { margin: 10px 0; } summary { cursor: pointer; color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 18px; font-size: 13.5px; margin: 8px 0; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 520px) { .grid-of, .wide { grid-template-columns: 1fr; } dl { grid-template-columns: 1fr; } dt { margin-top: 6px; } }
"""


def style(sides):
    others = iter(OTHERS * 4)
    colours = {side: COLOURS[side] if side in COLOURS else next(others) for side in sides if side != "floor"}
    light, dark = (" ".join(f"--c-{side}: {pair[i]};" for side, pair in colours.items()) for i in (0, 1))
    classes = "".join(f".s-{side} {{ --c: var(--c-{side}); }}\n" for side in colours)
    return STYLE.replace("LIGHT", light).replace("DARK", dark) + classes


def ratio_cell(found, kind):
    if not found:
        return '<td class="none">–</td>'
    value, low, high = found
    mark = "noise" if kind == "floor" or low <= 1 <= high else "first" if high < 1 else "behind"
    return f'<td class="{mark}" title="95 %: {low:.2f} to {high:.2f}">{value:.2f}</td>'


def standing(row):
    words = table.verdict(row)
    mark = {"first": "first", "BEHIND": "behind"}.get(words, "noise")
    return f'<td class="{mark}">{escape(words.lower())}</td>'


def value_cell(row, side):
    found = row["sides"].get(side)
    classes = " ".join(name for name, true in (("own", side == "troupe"), ("best", side == row["best"])) if true)
    if found:
        return f'<td class="{classes}" title="95 %: {table.number(found[1])} to {table.number(found[2])}">{table.number(found[0])}</td>'
    status, words = row["why_not"].get(side, ("", ""))
    return f'<td class="none" title="{escape(words)}">{escape({"unsupported": "none", "": "–"}.get(status, status))}</td>'


def table_of(rows, rivals):
    head = "".join(f"<th>{escape(name)}</th>" for name in
                   ["workload", "unit", "troupe", *rivals, "Troupe to best", "", "floor", "Troupe to floor"])
    body = "".join(
        f'<tr><td>{escape(row["label"])}</td><td>{escape(row["unit"])}</td>{value_cell(row, "troupe")}'
        f'{"".join(value_cell(row, side) for side in rivals)}{ratio_cell(row["to_best"], "best")}{standing(row)}'
        f'{value_cell(row, "floor")}{ratio_cell(row["to_floor"], "floor")}</tr>' for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def card(title, note, body):
    return f'<div class="card"><header><h3>{escape(title)}</h3><small>{escape(note)}</small></header>{body}</div>'


def bar_cards(rows, sides):
    cards = []
    for row in rows:
        shown = [side for side in sides if side != "floor" and (row["sides"].get(side) or row["why_not"].get(side, ("", ""))[0])]
        words = {"unsupported": "no counterpart", "timeout": "not done in time", "failed": "failed"}
        values = {side: row["sides"].get(side) or words.get(row["why_not"][side][0], "") for side in shown}
        cards.append(card(row["label"], row["unit"], chart.bars(shown, values, row["sides"].get("floor"), row["unit"])))
    return f'<div class="grid-of">{"".join(cards)}</div>'


def scaling_cards(results, chosen, cores):
    cards, counts = [], sorted({record["workers"] for record in results.records})
    for workload in chosen:
        if not workload.scales or cores < 2:
            continue
        curves = figures.speedups(results, workload, workload.figures[0], counts)
        series = {side: [(x, y, low, high, f"{y:.2f} times on {x} workers, 95 %: {low:.2f} to {high:.2f}") for x, y, low, high in points]
                  for side, points in curves.items()}
        if series:
            ideal = [(1, 1), (cores, cores)]
            cards.append(card(workload.name, "speed-up over one worker",
                              chart.lines(series, "workers", "times as fast", x_ticks=counts, ideal=ideal, height=260)))
    return f'<div class="grid-of wide">{"".join(cards)}</div>' if cards else ""


def sweep_cards(results, cores):
    cards = []
    for name, (workload, figure, parameter) in workloads.SWEEPS.items():
        series = {}
        for side in results.sides:
            counts = sorted({record["parameters"][parameter] for record in results.records if record["purpose"] == name and record["side"] == side})
            for count in counts:
                found = figures.summary(results.by_round(figure, workload, side, cores, sweep=name, parameters={parameter: count}))
                if found:
                    words = f"{short(found[0])} {figure.unit} at {short(count)}"
                    series.setdefault(side, []).append((count, *found, words))
        if series:
            cards.append(card(figure.label, figure.unit, chart.lines(series, "actors", figure.unit, log_x=True, log_y=name == "spawn")))
    return f'<div class="grid-of wide">{"".join(cards)}</div>' if cards else ""


def latency_cards(records):
    parts = []
    for service in dict.fromkeys(record["service"] for record in records):
        curves, cards = latency.curves(records, service), []
        for share, name in ((0.5, "median"), (0.99, "99 % are below"), (0.999, "99.9 % are below")):
            series = {side: [(rate, us[share], None, None, f"{short(us[share])} us at {short(rate)} requests a second, {answered:.1%} answered")
                             for rate, answered, us, _ in points if us[share] is not None] for side, points in curves.items()}
            series = {side: points for side, points in series.items() if points}
            if series:
                cards.append(card(name, "us from the planned send time", chart.lines(series, "offered requests a second", "us", log_y=True)))
        cards.append(distribution_card(curves))
        parts.append(f'<h3 style="margin:22px 0 2px">{escape(service)}</h3>{chart.legend(curves)}<div class="grid-of wide">{"".join(cards)}</div>')
    return "".join(parts)


def distribution_card(curves):
    """Every percentile, at half of the largest load that was offered."""
    rates = sorted({point[0] for points in curves.values() for point in points})
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
    return card(f"all percentiles at {short(rate)} a second", "one in so many is slower",
                chart.lines(series, "one in ...", "us", log_x=True, log_y=True, dots=False)) if series else ""


def context_list(context):
    flat = {}
    for key, value in context.items():
        if key == "sides":
            flat.update({f"side {name}": f'{about["built with"]}; {about["command"]}' for name, about in value.items()})
        elif isinstance(value, dict):
            flat[key] = "; ".join(f"{name}: {what}" for name, what in value.items() if what not in ("", None))
        else:
            flat[key] = value
    return "<dl>" + "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in flat.items()) + "</dl>"


def standings(rows):
    words = [table.verdict(row) for row in rows if row["to_best"]]
    first, behind = words.count("first"), words.count("BEHIND")
    return f"Of {len(words)} rows with a rival, Troupe is first in {first}, behind in {behind}, and within noise of the best in {len(words) - first - behind}."


def render(data, chosen):
    context, settings = data["context"], data["context"]["settings"]
    results, cores = figures.Results(data["launches"], list(data["context"]["sides"])), settings["workers"]
    sides = [side for side in results.sides if side != "floor"]
    rivals = [side for side in sides if side != "troupe"]
    drawn = dict.fromkeys([*sides, *(record["side"] for record in data["latency"])])
    tables = [(f"on {count} worker{'s' if count > 1 else ''}", figures.rows(results, chosen, count)) for count in dict.fromkeys((cores, 1))]
    versions = ", ".join(f"{side} {version}" for side, version in results.versions().items() if side != "floor" and version)
    chips = [context["cpu"]["name"], f'{settings["workers"]} workers of {context["cpu"]["cores usable"]} cores', context["virtual"], context["kernel"],
             context["system"], context["C compiler"], f'commit {context["commit"][:12]}{" with changes" if "changes" in context["commit"] else ""}',
             f'{settings["runs"]} launches each', context["taken"]]
    floor_key = '<span class="key dash"><i></i>floor: the same work without a runtime</span>'
    ideal_key = '<span class="key dash"><i></i>ideal</span>'
    parts = [f'<h1>Troupe beside other runtimes</h1><p>{escape(versions)}. Times are medians of {settings["runs"]} launches, interleaved in random order; '
             'less is better everywhere. Each program verifies its own result.</p>'
             f'<ul class="context">{"".join(f"<li>{escape(text)}</li>" for text in chips)}</ul>']
    if settings.get("quick"):
        parts.append('<p class="behind" style="margin-top:14px">A quick run: small parameters, which only show that everything works. No figure here says anything.</p>')
    for heading, rows in tables:
        parts.append(f"<h2>All rows, {heading}</h2><p>{standings(rows)} Underlined: the best rival. Point at a number for its 95 % interval.</p>{table_of(rows, rivals)}")
    for heading, rows in tables:
        parts.append(f"<h2>Bars, {heading}</h2><p>Whiskers are 95 % intervals of the median, by bootstrap.</p>{chart.legend(sides, floor_key)}{bar_cards(rows, sides)}")
    scaling = scaling_cards(results, chosen, cores)
    if scaling:
        parts.append(f"<h2>Scaling</h2><p>How many times as fast as the same runtime on one worker: a curve says nothing about who is faster.</p>{chart.legend(sides, ideal_key)}{scaling}")
    swept = sweep_cards(results, cores)
    if swept:
        parts.append(f"<h2>Many actors</h2><p>On {cores} workers.</p>{chart.legend(sides)}{swept}")
    if data["latency"]:
        parts.append("<h2>Latency against offered load</h2><p>An open-loop generator sends at planned times, whether or not the server keeps up; latency counts "
                     f"from the planned time. A point is missing where that percentile was never answered.</p>{latency_cards(data['latency'])}")
    parts.append(f"<h2>Circumstances</h2>{context_list(context)}<details><summary>Every launch</summary>{launches(data)}</details>")
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>Troupe beside other runtimes</title><style>{style(drawn)}</style></head><body><main>{"".join(parts)}</main></body></html>\n')


def launches(data):
    rows = "".join(
        f'<tr><td>{escape(r["workload"])}</td><td>{escape(r["side"])}</td><td>{r["workers"]}</td><td>{escape(json.dumps(r["parameters"]))}</td>'
        f'<td>{r["round"]}</td><td>{r["result"]["seconds"] if r["result"] else escape(r["status"])}</td><td>{r["load_average"]}</td></tr>'
        for r in data["launches"])
    return ('<div class="scroll"><table><thead><tr><th>workload</th><th>side</th><th>workers</th><th>parameters</th><th>round</th><th>seconds</th>'
            f'<th>load average before</th></tr></thead><tbody>{rows}</tbody></table></div>')
