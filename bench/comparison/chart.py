"""Charts as inline SVG. Colours are the page's (class s-NAME sets --c), so that light and dark come from one style
sheet. Every mark says its number when it is pointed at."""
import html
import math

BAR, GAP, LABEL = 16, 8, 62


def escape(text):
    return html.escape(str(text), quote=True)


def short(value):
    """A number for an axis or a label: three digits that matter."""
    if value is None:
        return ""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            digits = value / size
            return f"{digits:.3g}{suffix}"
    return f"{value:.3g}"


def nice_step(largest, wanted=4):
    raw = largest / wanted
    power = 10 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)


def svg(width, height, parts, title):
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}">'
        f'{"".join(parts)}</svg>'
    )


def bars(sides, values, floor, unit, width=350):
    """Horizontal bars from zero, a whisker for the interval, a line for the floor. values: side -> (median, low,
    high), or a word."""
    numbers = [found for found in values.values() if not isinstance(found, str)]
    largest = max([found[2] for found in numbers] + ([floor[0]] if floor else []) + [1e-9])
    room = width - LABEL - 66
    height = len(sides) * (BAR + GAP) + GAP
    parts, texts = [], []  # texts last: the floor's line is behind them

    def across(value):
        return LABEL + value / largest * room

    for i, side in enumerate(sides):
        top = GAP + i * (BAR + GAP)
        middle = top + BAR / 2
        found = values[side]
        texts.append(
            f'<text x="{LABEL - 8}" y="{middle}" class="name{" own" if side == "troupe" else ""}">{escape(side)}</text>'
        )
        if isinstance(found, str):
            texts.append(f'<text x="{LABEL + 6}" y="{middle}" class="none">{escape(found)}</text>')
            continue
        median, low, high = found
        end = max(across(median), LABEL + 1)
        radius = min(3, (end - LABEL) / 2)
        parts.append(
            f'<g class="s-{side}"><title>{escape(side)}: {short(median)} {escape(unit)}, '
            f"95 %: {short(low)} to {short(high)}</title>"
            f'<path class="bar" d="M{LABEL},{top}H{end - radius:.1f}q{radius:.1f},0 {radius:.1f},{radius:.1f}'
            f"v{BAR - 2 * radius:.1f}"
            f'q0,{radius:.1f} -{radius:.1f},{radius:.1f}H{LABEL}z"/>'
            f'<path class="whisker" d="M{across(low):.1f},{middle}H{across(high):.1f}M{across(low):.1f},{middle - 3}v6'
            f'M{across(high):.1f},{middle - 3}v6"/></g>'
        )
        texts.append(
            f'<text x="{across(high) + 6:.1f}" y="{middle}" class="value{" own" if side == "troupe" else ""}">'
            f"{short(median)}</text>"
        )
    if floor:
        x = across(floor[0])
        parts.append(
            f'<g class="floor"><title>floor: {short(floor[0])} {escape(unit)}</title>'
            f'<path d="M{x:.1f},2V{height - 2}"/></g>'
        )
    parts.append(f'<path class="axis" d="M{LABEL},{GAP / 2}V{height - GAP / 2}"/>')
    return svg(width, height, parts + texts, f"{unit} by runtime")


class Axis:
    """From data to pixels; linear from zero, or logarithmic."""

    def __init__(self, values, first, last, log):
        self.first, self.last, self.log = first, last, log
        values = [value for value in values if value is not None and (value > 0 or not log)]
        self.high = max(values, default=1)
        self.low = min(values, default=1) if log else 0
        if log:
            self.low, self.high = 10 ** math.floor(math.log10(self.low) + 1e-9), 10 ** math.ceil(
                math.log10(self.high) - 1e-9
            )
            self.high = self.high if self.high > self.low else self.low * 10
        else:
            step = nice_step(self.high or 1)
            self.high = step * math.ceil(self.high / step - 1e-9) or 1

    def ticks(self):
        if not self.log:
            step = nice_step(self.high)
            return [i * step for i in range(int(self.high / step + 1.001))]
        decades = round(math.log10(self.high / self.low))
        every = max(1, math.ceil(decades / 6))
        return [self.low * 10**i for i in range(0, decades + 1, every)]

    def at(self, value):
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.first + share * (self.last - self.first)


def lines(
    series,
    x_label,
    y_label,
    log_x=False,
    log_y=False,
    x_ticks=None,
    ideal=None,
    width=440,
    height=280,
    dots=True,
    tick_text=short,
):
    """series: side -> [(x, y, low or None, high or None, words)]; ideal: points of a dashed line, with what it is."""
    left, right, top, bottom = 62, 24, 12, 44
    points = [point for found in series.values() for point in found]
    xs, ys = [point[0] for point in points], [value for point in points for value in point[1:4] if value is not None]
    if ideal:
        xs, ys = xs + [x for x, _ in ideal], ys + [y for _, y in ideal]
    across = Axis(xs, left, width - right, log_x)
    up = Axis(ys, height - bottom, top, log_y)
    if not log_x and x_ticks:
        across.low, across.high = min(x_ticks), max(x_ticks)
    parts = []
    for tick in up.ticks():
        y = up.at(tick)
        parts.append(
            f'<path class="grid" d="M{left},{y:.1f}H{width - right}"/>'
            f'<text class="tick y" x="{left - 7}" y="{y:.1f}">{tick_text(tick)}</text>'
        )
    for tick in x_ticks or across.ticks():
        x = across.at(tick)
        parts.append(
            f'<path class="axis" d="M{x:.1f},{height - bottom}v4"/>'
            f'<text class="tick x" x="{x:.1f}" y="{height - bottom + 16}">{tick_text(tick)}</text>'
        )
    parts.append(f'<path class="axis" d="M{left},{height - bottom}H{width - right}"/>')
    parts.append(f'<text class="label" x="{(left + width - right) / 2}" y="{height - 8}">{escape(x_label)}</text>')
    parts.append(
        f'<text class="label" transform="translate(13 {(top + height - bottom) / 2}) rotate(-90)">'
        f"{escape(y_label)}</text>"
    )
    if ideal:
        path = "L".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in ideal)
        parts.append(f'<path class="ideal" d="M{path}"><title>ideal</title></path>')
    for side in sorted(series, key=lambda name: name == "troupe"):  # ours on top
        parts.append(line(side, series[side], across, up, dots))
    return svg(width, height, parts, f"{y_label} against {x_label}")


def line(side, found, across, up, dots):
    path = "L".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y, *_ in found)
    parts = [f'<g class="s-{side}"><path class="line" d="M{path}"/>']
    for x, y, low, high, words in found:
        if low is not None and high is not None and abs(up.at(low) - up.at(high)) > 3:
            parts.append(f'<path class="whisker thin" d="M{across.at(x):.1f},{up.at(low):.1f}V{up.at(high):.1f}"/>')
        if dots:
            parts.append(
                f'<circle cx="{across.at(x):.1f}" cy="{up.at(y):.1f}" r="3.5">'
                f"<title>{escape(side)}: {escape(words)}</title></circle>"
            )
    return "".join(parts) + "</g>"


def legend(sides, extra=""):
    keys = "".join(f'<span class="key s-{side}"><i></i>{escape(side)}</span>' for side in sides)
    return f'<p class="legend">{keys}{extra}</p>'
