#!/usr/bin/env python3
"""generate.py COUNT SEED [KIND...]: writes scenarios from a seed; the kinds are the functions below and those of
generate_meetings.py.

Every scenario can be searched by the model: one that has too many states is left out, and its number with it. A word,
monitor, alias or timer is named once in a scenario, so an observation says where it comes from."""

import random
import sys

import generate_meetings
import model
from maker import (REASONS, RESTARTS, STRATEGIES, Maker, harm, op_alive, op_demonitor, op_exit, op_link, op_monitor, op_names, op_receive,
                   op_register, op_send, op_signal, op_timer, op_trap, op_unlink, script_names, sprinkle)
from model_state import TooLarge
from scenario import Mode, Process, Scenario

STATES_MOST = 12_000  # a second or two of search for an outcome that is not allowed


def make(kind, name, dice):
    maker = Maker(dice)
    KINDS[kind](maker)
    return Scenario(name, sorted(maker.processes, key=lambda p: "pdvs".index(p.name[0]) * 10 + int(p.name[1:])), [])


def links(maker):
    sprinkle(maker, script_names(maker), (op_link, op_link, op_unlink, op_signal, op_exit, op_send, op_receive, op_trap), 3)


def monitors(maker):
    sprinkle(maker, script_names(maker), (op_monitor, op_monitor, op_demonitor, op_signal, op_exit, op_send, op_receive, op_link), 3)


def exits(maker):
    sprinkle(maker, script_names(maker), (op_signal, op_signal, op_exit, op_link, op_alive, op_trap, op_send, op_receive, op_monitor), 4)


def names(maker):
    sprinkle(maker, script_names(maker), (op_register, op_register, op_names, op_names, op_names, op_exit, op_receive), 3)


def timers(maker):
    sprinkle(maker, script_names(maker, 2), (op_timer, op_timer, op_exit, op_receive, op_signal, op_send), 2)


def mixed(maker):
    sprinkle(maker, script_names(maker), (op_link, op_unlink, op_signal, op_exit, op_send, op_receive, op_monitor, op_demonitor, op_alive,
                                          op_trap, op_register, op_names, op_timer), 3)


def spawns(maker):
    """A process that starts others, linked or watched, and they one more."""
    children = ["d1", "d2"][:maker.dice.choice((1, 2))]
    ops = ["trap on"] if maker.maybe(60) else []
    for child in children:
        ops.append(f"spawn {child}" + (" link" if maker.maybe(60) else "") + (f" monitor {maker.fresh('m')}" if maker.maybe(50) else ""))
        for _ in range(maker.dice.choice((0, 1, 1))):
            ops += maker.dice.choice((op_signal, op_send, op_receive, op_unlink, op_exit))(maker, "p1", [child])
    ops += [maker.receive() for _ in range(maker.dice.choice((0, 1, 2)))]
    maker.script("p1", ops)
    for at, child in enumerate(children):
        known = ["p1"] + children[:at]
        body = ["trap on"] if maker.maybe(40) else []
        for _ in range(maker.dice.choice((0, 1, 2))):
            body += maker.dice.choice((op_send, op_exit, op_signal, op_receive, op_link, op_monitor))(maker, child, known)
        maker.script(child, body)


def aliases(maker):
    """A client that gives a reference of its own to others, which reply to it, perhaps too late or more than once."""
    others = ["p2", "p3"][:maker.dice.choice((1, 1, 2))]
    ref = maker.fresh("m")
    mode = maker.dice.choice(("", "explicit", "demonitor", "reply"))
    ops = ["trap on"] if maker.maybe(30) else []
    ops.append(f"monitor {others[0]} {ref} {mode}" if mode else f"alias {ref}")
    ops += [f"send {other} {maker.fresh('w')} {ref}" for other in others]
    for _ in range(maker.dice.choice((1, 2, 3))):
        off = [f"unalias {ref}"] + ([f"demonitor {ref}" + (" flush" if maker.maybe(40) else "")] if mode else [])
        ops.append(maker.dice.choice((maker.receive(), maker.receive(), maker.dice.choice(off))))
    maker.script("p1", ops)
    for other in others:
        body = ["recv any"] + [f"reply {maker.fresh('w')}" for _ in range(maker.dice.choice((1, 1, 2)))]
        if maker.maybe(40):
            body.insert(maker.dice.randrange(len(body) + 1), f"exit {maker.reason()}")
        maker.script(other, body)


def requests(maker):
    """Clients of a server that answers, keeps them waiting, or ends."""
    clients = ["p1", "p2"][:maker.dice.choice((1, 2, 2))]
    for name in clients:
        ops = ["trap on"] if maker.maybe(30) else []
        if maker.maybe(30):
            ops.append(maker.dice.choice(("link v1", f"monitor v1 {maker.fresh('m')}")))
        for _ in range(maker.dice.choice((1, 2, 2, 3))):
            reason = maker.reason()
            ops.append(maker.dice.choice((
                "call v1 ping", "call v1 ping", "cast v1 ping", "call v1 hold 3", "call v1 hold", "call v1 release", "cast v1 release",
                f"call v1 stop:{reason}", f"call v1 die:{reason}", f"cast v1 stop:{reason}", f"call v1 stopr:{reason}",
                f"signal v1 {reason}", f"send v1 {maker.fresh('w')}", f"exit {reason}")))
        if maker.maybe(40):
            ops.append(maker.receive())
        maker.script(name, ops)
    maker.processes.append(Process("v1", "server", (), trap=maker.maybe(50)))


def supervisors(maker):
    """One or two clients that ask and harm a supervisor's children."""
    count = maker.dice.choice((1, 2, 2, 3))
    restarts = ("permanent", "permanent", "transient", "temporary")
    children = tuple((c, maker.dice.choice(restarts), Mode(trap=maker.maybe(40))) for c in "abc"[:count])
    known = "abcd"[:count + 1]
    for name in ["p1", "p2"][:maker.dice.choice((1, 1, 2))]:
        ops = []
        for _ in range(maker.dice.choice((1, 2, 2, 3))):
            child = maker.dice.choice(known)
            ops += maker.dice.choice((
                [f"signal @{child} {maker.reason()}"], [f"cast @{child} stop:{maker.reason()}"], [f"call @{child} ping"],
                [f"terminate s1 {child}"], [f"terminate s1 {child}", f"restart s1 {child}"], [f"terminate s1 {child}", f"delete s1 {child}"],
                [f"restart s1 {child}"], [f"delete s1 {child}"], [f"start s1 {child} {maker.dice.choice(restarts)}"],
                [f"monitor @{child} {(m := maker.fresh('m'))}", f"signal @{child} {maker.reason()}", "recv DOWN 2"],
                [f"call @{child} stop:{maker.reason()}"], ["which s1"]))
        ops.append("which s1" if maker.maybe(70) else "whereis a")
        if maker.maybe(8):
            ops.insert(0, f"signal s1 {maker.reason()}")
        maker.script(name, ops)
    maker.processes.append(Process("s1", "sup", (), strategy=maker.dice.choice(("one_for_one", "one_for_all", "rest_for_one")),
                                   intensity=maker.dice.choice((0, 1, 2, 2)), children=children))


def clients(maker, actions, most):
    """One or two, each with some of the actions, which are functions of nothing."""
    for name in ["p1", "p2"][:maker.dice.choice((1, 1, 2))]:
        ops = [op for _ in range(maker.dice.randint(1, most)) for op in maker.dice.choice(actions)()]
        if maker.maybe(25):
            ops.insert(0, f"monitor s1 {maker.fresh('m')}")
        maker.script(name, ops + (["which s1"] if maker.maybe(75) else ["recv DOWN 2"]))


def starts(maker):
    """Children whose starts fail, crash or are ignored, under all strategies, with little intensity."""
    count = maker.dice.choice((1, 2, 2, 3))

    def init(first):
        return maker.dice.choice(first) + "".join(maker.dice.choice("ooxxci") for _ in range(maker.dice.choice((0, 1, 2))))
    children = tuple((c, maker.dice.choice(RESTARTS), Mode(trap=maker.maybe(30), init=init("ooooi") if maker.maybe(70) else "o"))
                     for c in "abc"[:count])
    known = "abc"[:count]
    late = "d" if maker.maybe(40) else known[0]

    def child():
        return maker.dice.choice(known + late)
    clients(maker, (
        lambda: harm(maker, child(), REASONS), lambda: harm(maker, child(), REASONS),
        lambda: [f"terminate s1 {(c := child())}", f"restart s1 {c}"], lambda: [f"restart s1 {child()}"], lambda: [f"delete s1 {child()}"],
        lambda: [f"start s1 {late} {maker.dice.choice(RESTARTS)} init={init('oxci')}"], lambda: ["which s1"], lambda: [f"whereis {child()}"]), 3)
    maker.processes.append(Process("s1", "sup", (), strategy=maker.dice.choice(STRATEGIES), intensity=maker.dice.choice((0, 1, 2, 3)),
                                   children=children))


def shutdowns(maker):
    """Children that are killed, or do not end when they are told to; supervisors that end with their significant
    children."""
    count = maker.dice.choice((2, 2, 3))
    auto = maker.dice.choice(("", "", "any", "all"))
    reasons = ("normal", "r1", "r2")  # a stuck server that stops for a shutdown would not end

    def child(c):
        restart = maker.dice.choice(RESTARTS)
        shutdown = maker.dice.choice(("5000", "2", "kill", "kill", "infinity"))
        return c, restart, Mode(trap=maker.maybe(60), shutdown=shutdown, stuck=shutdown in ("2", "kill") and maker.maybe(60),
                                significant=auto != "" and restart != "permanent" and maker.maybe(75))
    children = tuple(child(c) for c in "abc"[:count])
    known = "abc"[:count]

    def one():
        return maker.dice.choice(known)

    def watched():
        monitor, c = maker.fresh("m"), one()
        return [f"monitor @{c} {monitor}", f"terminate s1 {c}", "recv DOWN"]
    clients(maker, (lambda: harm(maker, one(), reasons), lambda: harm(maker, one(), reasons), lambda: [f"terminate s1 {one()}"], watched,
                    lambda: [f"terminate s1 {(c := one())}", f"restart s1 {c}"], lambda: ["which s1"]), 2)
    maker.processes.append(Process("s1", "sup", (), strategy=maker.dice.choice(STRATEGIES), intensity=maker.dice.choice((0, 1, 2)), auto=auto,
                                   children=children))


def pools(maker):
    """Children of one template, added by hand."""
    restart = maker.dice.choice(RESTARTS)
    shutdown = maker.dice.choice(("5000", "5000", "2", "kill"))
    mode = Mode(trap=maker.maybe(40), init=maker.dice.choice(("o", "o", "o", "ox", "oxo", "oc", "x", "i", "ooxo")), shutdown=shutdown,
                stuck=shutdown in ("2", "kill") and maker.maybe(40))
    reasons = ("normal", "r1", "r2") if mode.stuck else REASONS
    known = []

    def one():
        return maker.dice.choice(known)

    def add():
        known.append("abcdef"[len(known)])
        return [f"add s1 {known[-1]}"]
    for name in ["p1", "p2"][:maker.dice.choice((1, 1, 2))]:
        ops = add()
        for _ in range(maker.dice.choice((1, 2, 2, 3))):
            ops += maker.dice.choice((add if len(known) < 4 else lambda: ["which s1"], lambda: harm(maker, one(), reasons),
                                      lambda: harm(maker, one(), reasons), lambda: [f"drop s1 {one()}"], lambda: [f"drop s1 {one()}"],
                                      lambda: ["which s1"], lambda: [f"call @{one()} ping"], lambda: [f"whereis {one()}"]))()
        maker.script(name, ops + (["which s1"] if maker.maybe(75) else []))
    maker.processes.append(Process("s1", "sup", (), strategy="simple_one_for_one", intensity=maker.dice.choice((0, 1, 2)),
                                   children=(("t", restart, mode),)))


KINDS = {f.__name__: f for f in (links, monitors, exits, names, timers, mixed, spawns, aliases, requests, supervisors, starts, shutdowns, pools,
                               *generate_meetings.KINDS)}


def generate(count, seed, kinds=tuple(KINDS)):
    """That many scenarios, the kinds in turn."""
    made = []
    number = 0
    while len(made) < count:
        kind = kinds[number % len(kinds)]
        number += 1
        scenario = make(kind, f"{kind}-{seed}-{number}", random.Random(f"{seed}/{number}"))
        try:
            model.outcomes(scenario, STATES_MOST)
        except TooLarge:
            continue
        made.append(scenario)
    return made


def main():
    kinds = tuple(sys.argv[3:]) or tuple(KINDS)
    for scenario in generate(int(sys.argv[1]), sys.argv[2], kinds):
        print(scenario.text())


if __name__ == "__main__":
    main()
