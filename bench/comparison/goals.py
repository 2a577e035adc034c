"""The goals of the rows, in goals.json: what a figure should be on so many workers, within a tolerance. They were set
on one machine, whose hand-made floors are in the file, too: what a floor takes here, over that, says how the machines
compare."""
import json
import pathlib

DATA = json.loads(pathlib.Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
GOALS = {one["name"]: one for one in DATA["goals"]}


def goal(label, workers):
    """The goal of a row, or None: it has none on that many workers."""
    return GOALS[label]["goal"] if workers == DATA["workers"] and label in GOALS else None


def factors(rows):
    """floor of the goals' machine -> how many times as long it takes here, of those that were measured"""
    return {name: here / there for name, there, here in scale(rows)}


def scaled(label, goal, known):
    """The goal for a machine with such floors; None if it has none, is not of time that a floor measures, or the floor
    was not measured here."""
    floor = GOALS[label].get("floor") if goal is not None else None
    return goal * known[floor] if floor in known else None


def is_met(ratio):
    return ratio <= 1 + DATA["tolerance"]


def present(rows):
    return any(row["goal"] is not None for row in rows)


def missed(rows):
    """Labels of the rows with a figure that is beyond its goal."""
    return [row["label"] for row in rows if row["to_goal"] and not is_met(row["to_goal"][0])]


def scale(rows):
    """[(workload, floor of the goals' machine, floor of this one)] of those that were measured here"""
    here = {row["workload"]: row["sides"]["floor"][0] for row in rows if row["sides"].get("floor")}
    return [(name, there, here[name]) for name, there in DATA["floors"].items() if name in here]


def words(rows):
    """What a reader has to know of the goals; '' where no row has one."""
    if not present(rows):
        return ""
    machine = " and ".join(f"{ns:g} ns ({name})" for name, ns in DATA["floors"].items())
    text = (
        f"Goals are for {DATA['workers']} workers, with {DATA['tolerance'] * 100:g} % of tolerance, and were set on a "
        f"machine whose hand-made floors took {machine}."
    )
    for name, there, here in scale(rows):
        text += f" The floor of {name} takes {here:.1f} ns here, {here / there:.2f} times as long."
    return f"{text} A scaled goal is the goal times that: of call's floor for calls, of pingpong's for all other work."
