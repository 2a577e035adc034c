"""maker.py: what the kinds of scenarios (generate.py, generate_meetings.py) are made with: fresh names, dice, and
single commands."""

from scenario import Process

REASONS = ("normal", "kill", "shutdown", "r1", "r2")
RESTARTS = ("permanent", "permanent", "transient", "temporary")
STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")


class Maker:
    """A scenario while it is made."""

    def __init__(self, dice):
        self.dice = dice
        self.count = {}
        self.processes = []

    def fresh(self, letter):
        self.count[letter] = self.count.get(letter, 0) + 1
        return f"{letter}{self.count[letter]}"

    def maybe(self, percent):
        return self.dice.randrange(100) < percent

    def reason(self):
        return self.dice.choice(REASONS)

    def script(self, name, ops):
        """A process; what stands behind its exit is left out."""
        ends = [at for at, op in enumerate(ops) if op.startswith("exit ")]
        ops = ops[:ends[0] + 1] if ends else ops
        self.processes.append(Process(name, "script" if name[0] == "p" else "spawned", tuple(tuple(op.split()) for op in ops)))

    def others(self, name, names):
        return [other for other in names if other != name]

    def receive(self, kind="any"):
        return f"recv {kind}" + ("" if self.maybe(60) else " 0" if self.maybe(70) else " 2")


def script_names(maker, most=3):
    return [f"p{i + 1}" for i in range(maker.dice.choice((2, 2, 3)[:most]))]


def sprinkle(maker, names, choices, most):
    """For each script: some commands, each made by one of the choices."""
    for name in names:
        others = maker.others(name, names)
        ops = ["trap on"] if maker.maybe(45) else []
        for _ in range(maker.dice.randint(1, most)):
            ops += maker.dice.choice(choices)(maker, name, others)
        if maker.maybe(55):
            ops.append(maker.receive(maker.dice.choice(("any", "EXIT", "any"))))
        maker.script(name, ops)


def of(maker, others):
    return maker.dice.choice(others)


def op_link(maker, name, others):
    return [f"link {of(maker, others)}"]


def op_unlink(maker, name, others):
    other = of(maker, others)
    return maker.dice.choice(([f"unlink {other}"], [f"link {other}", f"unlink {other}"], [f"link {other}", f"unlink {other}", "recv EXIT 0"],
                              [f"unlink {other}", f"link {other}"]))


def op_signal(maker, name, others):
    return [f"signal {of(maker, others) if maker.maybe(85) else 'self'} {maker.reason()}"]


def op_exit(maker, name, others):
    return [f"exit {maker.reason()}"]


def op_send(maker, name, others):
    return [f"send {of(maker, others)} {maker.fresh('w')}"]


def op_receive(maker, name, others):
    return [maker.receive(maker.dice.choice(("any", "any", "EXIT", "DOWN")))]


def op_monitor(maker, name, others):
    return [f"monitor {of(maker, others)} {maker.fresh('m')}"]


def op_demonitor(maker, name, others):
    monitor = maker.fresh("m")
    between = [maker.receive("any")] if maker.maybe(40) else [f"send {of(maker, others)} {maker.fresh('w')}"] if maker.maybe(50) else []
    return [f"monitor {of(maker, others)} {monitor}", *between, f"demonitor {monitor}" + (" flush" if maker.maybe(50) else "")]


def op_alive(maker, name, others):
    return [f"alive {of(maker, others)}"]


def op_trap(maker, name, others):
    return [f"trap {maker.dice.choice(('on', 'off'))}"]


def op_register(maker, name, others):
    return [f"register {maker.dice.choice('ab')} {of(maker, others + [name, 'self'])}"]


def op_names(maker, name, others):
    n = maker.dice.choice("ab")
    return [maker.dice.choice((f"unregister {n}", f"whereis {n}", f"whereis {n}", f"send @{n} {maker.fresh('w')}",
                               f"signal @{n} {maker.reason()}", f"monitor @{n} {maker.fresh('m')}"))]


def op_timer(maker, name, others):
    timer = maker.fresh("t")
    to = maker.dice.choice(others + ["self", "self"])
    ops = [f"timer {timer} {maker.dice.choice((0, 1, 2, 3, 'far'))} {to} {maker.fresh('w')}"]
    for _ in range(maker.dice.choice((0, 1, 1, 2))):
        ops.append(f"{maker.dice.choice(('cancel', 'cancel', 'read'))} {timer}")
        if maker.maybe(40):
            ops.insert(1, maker.receive())
    return ops


def harm(maker, child, reasons):
    reason = maker.dice.choice(reasons)
    return maker.dice.choice(([f"signal @{child} {reason}"], [f"cast @{child} stop:{reason}"], [f"call @{child} die:{reason}"],
                              [f"signal @{child} kill"]))
