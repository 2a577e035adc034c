"""generate_meetings.py: more kinds of scenarios, where those of generate.py meet, and what these leave out: what a
process does to itself, names that change hands, families, references that are used up, calls to what is no server,
strangers among a supervisor's clients."""

from maker import (REASONS, RESTARTS, STRATEGIES, harm, of, op_alive, op_exit, op_link, op_monitor, op_receive, op_register, op_send,
                   op_signal, op_timer, op_unlink, script_names, sprinkle)
from scenario import Mode, Process

ALL_REASONS = REASONS + ("killed", "noproc")


def any_reason(maker):
    return maker.dice.choice(ALL_REASONS)


def oneself(maker):
    """What a process does to itself, beside what others do to it."""
    def to_itself(maker, name, others):
        timer, monitor = maker.fresh("t"), maker.fresh("m")
        return maker.dice.choice((["link self"], ["link self", "unlink self"], [f"monitor self {monitor}"], ["alive self"],
                                  [f"monitor self {monitor}", f"demonitor {monitor}" + (" flush" if maker.maybe(40) else "")],
                                  [f"signal self {any_reason(maker)}"], [f"send self {maker.fresh('w')}"],
                                  ["register a self", f"send @a {maker.fresh('w')}"], ["register a self", f"signal @a {any_reason(maker)}"],
                                  [f"timer {timer} {maker.dice.choice((0, 1))} self {maker.fresh('w')}", f"cancel {timer}"]))
    sprinkle(maker, script_names(maker, 2), (to_itself, to_itself, to_itself, op_signal, op_link, op_monitor, op_send, op_receive, op_exit), 3)


def hands(maker):
    """Names that change hands while they are used: sent to, signalled, watched, the destination of a timer."""
    def give(maker, name, others):
        n = maker.dice.choice("ab")
        return maker.dice.choice(([f"register {n} {of(maker, others + ['self'])}"], [f"register {n} {of(maker, others)}"],
                                  [f"unregister {n}"], [f"unregister {n}", f"register {n} {of(maker, others + ['self'])}"]))

    def use(maker, name, others):
        n, timer = maker.dice.choice("aab"), maker.fresh("t")
        return maker.dice.choice(([f"timer {timer} {maker.dice.choice((0, 1, 2))} @{n} {maker.fresh('w')}"],
                                  [f"timer {timer} {maker.dice.choice((1, 'far'))} @{n} {maker.fresh('w')}", f"cancel {timer}"],
                                  [f"send @{n} {maker.fresh('w')}"], [f"signal @{n} {any_reason(maker)}", f"whereis {n}"],
                                  [f"monitor @{n} {maker.fresh('m')}"], [f"whereis {n}"]))
    sprinkle(maker, script_names(maker), (give, give, use, use, use, op_exit, op_signal, op_receive), 3)


def families(maker):
    """Processes that start processes that start processes, linked and watched, and end early."""
    def start(child):
        return f"spawn {child}" + (" link" if maker.maybe(65) else "") + (f" monitor {maker.fresh('m')}" if maker.maybe(40) else "")

    def some(name, known, most):
        ops = ()
        for _ in range(maker.dice.randint(0, most)):
            ops += tuple(maker.dice.choice((op_send, op_exit, op_signal, op_receive, op_link, op_unlink, op_monitor, op_register, op_timer,
                                            op_alive))(maker, name, known))
        return ops
    line = (("p1", [], "d1"), ("d1", ["p1"], "d2" if maker.maybe(75) else None), ("d2", ["p1", "d1"], None))
    for name, known, child in line[:3 if line[1][2] else 2]:
        ops = ["trap on"] if maker.maybe(35) else []
        ops += some(name, known, 1) if known else ()
        ops += [start(child)] if child else []
        maker.script(name, ops + list(some(name, known + [child] if child else known, 2 if child else 1)))
    if maker.maybe(50):
        maker.script("p2", ["trap on"] * maker.maybe(40) + list(some("p2", ["p1"], 2)) + ["recv any"])


def watches(maker):
    """References that are used up: monitors removed twice, aliases of several kinds beside each other, ended by replies
    and ends."""
    ops, refs = ["trap on"] * maker.maybe(25), []
    for _ in range(maker.dice.choice((1, 2, 2))):
        ref = maker.fresh("m")
        mode = maker.dice.choice(("", "explicit", "demonitor", "reply", "alias", "alias"))
        refs.append((ref, mode))
        ops.append(f"alias {ref}" if mode == "alias" else f"monitor p2 {ref} {mode}".strip())
        ops += [f"send p2 {maker.fresh('w')} {ref}"] if mode else []
    for _ in range(maker.dice.choice((1, 2, 3))):
        ref, mode = maker.dice.choice(refs)
        ops += maker.dice.choice(([maker.receive()], [maker.receive("DOWN")] if mode != "alias" else [f"unalias {ref}"],
                                  [f"unalias {ref}", f"unalias {ref}"] if mode else [f"demonitor {ref}", f"demonitor {ref} flush"],
                                  [f"demonitor {ref}", f"demonitor {ref}"] if mode != "alias" else [f"unalias {ref}"]))
    maker.script("p1", ops)
    body = ["recv any"] + [f"reply {maker.fresh('w')}" for _ in range(maker.dice.choice((1, 1, 2)))]
    if maker.maybe(60):
        body.insert(maker.dice.randrange(len(body) + 1), maker.dice.choice((f"exit {any_reason(maker)}", "recv any 1", "link p1")))
    maker.script("p2", body)
    if maker.maybe(35):
        maker.script("p3", maker.dice.choice(([f"signal p2 {any_reason(maker)}"], [f"signal p1 {any_reason(maker)}"], ["link p1", "exit r3"],
                                              [f"monitor p1 {maker.fresh('m')}", "recv DOWN"])))


def callers(maker):
    """Calls by name, to what is no server, by processes that are linked, signalled, or started for it."""
    def ask(maker, name, others):
        request = maker.dice.choice(("ping", "ping", "release", "hold 3", f"stop:{maker.reason()}", f"die:{maker.reason()}"))
        return maker.dice.choice(([f"call v1 {request}"], [f"call @a {request}"], [f"cast @a {request.partition(' ')[0]}"],
                                  [f"call {of(maker, others)} ping 2"], ["call v1 hold 2", "recv any 1"]))

    def harm_it(maker, name, others):
        timer = maker.fresh("t")
        return maker.dice.choice(([f"signal v1 {any_reason(maker)}"], ["link v1"], ["unregister a"], [f"send @a {maker.fresh('w')}"],
                                  [f"timer {timer} 1 v1 {maker.fresh('w')}"], [f"signal {of(maker, others)} {any_reason(maker)}"],
                                  [f"link {of(maker, others)}"], [f"exit {any_reason(maker)}"], [f"monitor v1 {maker.fresh('m')}", "recv DOWN 1"]))
    sprinkle(maker, ["p1", "p2"], (ask, ask, harm_it), 2)
    first = maker.processes[0]
    first.ops = (("register", "a", "v1"),) + first.ops
    if maker.maybe(40):
        first.ops = (("spawn", "d1", "link") if maker.maybe(60) else ("spawn", "d1"),) + first.ops
        sprinkle(maker, ["d1"], (lambda m, n, o: ask(m, n, ["p1"]), lambda m, n, o: harm_it(m, n, ["p1"])), 2)
    maker.processes.append(Process("v1", "server", (), trap=maker.maybe(50)))


def strangers(maker):
    """Clients of a supervisor that are linked to it, write to it, signal it, and end while it works for them."""
    count = maker.dice.choice((1, 2))
    children = tuple((c, maker.dice.choice(RESTARTS), Mode(trap=maker.maybe(40))) for c in "ab"[:count])

    def act(maker, name, others):
        c = maker.dice.choice("ab"[:count])
        return maker.dice.choice((["link s1"], ["link s1"], ["link s1", "unlink s1"], [f"send s1 {maker.fresh('w')}"],
                                  [f"signal s1 {any_reason(maker)}"], [f"exit {any_reason(maker)}"], [f"signal {of(maker, others)} kill"],
                                  [f"monitor s1 {maker.fresh('m')}"], [f"send @{c} {maker.fresh('w')}"], ["which s1"], [f"terminate s1 {c}"],
                                  [f"restart s1 {c}"], [f"delete s1 {c}"], ["start s1 c temporary"], harm(maker, c, ALL_REASONS)))
    sprinkle(maker, ["p1", "p2"], (act,), 3)
    maker.processes.append(Process("s1", "sup", (), strategy=maker.dice.choice(STRATEGIES), intensity=maker.dice.choice((0, 1, 2)),
                                   children=children))


KINDS = (oneself, hands, families, watches, callers, strangers)
