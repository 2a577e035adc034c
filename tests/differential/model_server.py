"""model_server.py: servers, as steps of the model's search: each takes the oldest message and does what it asks for in
steps, which are kept in AGENDA: between two of them anything else may happen. What a supervisor's child sees is written
down with its supervisor."""

from model_state import AGENDA, HELD, LABEL, LINKS, MODE, PARENT, RUN, STARTS, TRAP, blank


def turn_of(state, i, child, mode):
    """The letter of this start of the child."""
    process = state.own(i)
    number = dict(process[STARTS]).get(child, 0)
    process[STARTS] = process[STARTS] - {(child, number)} | {(child, number + 1)}
    return mode.init[min(number, len(mode.init) - 1)]


def new_child(state, i, child, mode, trap_now, runs=False, pooled=False):
    at = len(state.procs)
    process = blank("server", RUN, trap_now, 0, child)
    process[PARENT], process[MODE] = i, mode
    process[LINKS] = frozenset({(i, 0)})
    process[AGENDA] = () if runs else (("register",), ("init",)) if pooled else (("init",),)
    state.procs.append(process)
    state.owned.add(at)
    state.own(i)[LINKS] |= {(at, 0)}
    if not pooled:
        state.names[child] = at
    return at


def note(search, state, i, word):
    """A server's observation; a child's is its supervisor's."""
    process = state.procs[i]
    if process[PARENT] is None:
        return search.log(state, i, word)
    return search.log(state, process[PARENT], f"{process[LABEL]}:{word}")


def serve(search, state, i, message):
    kind = message[0]
    process = state.own(i)
    if kind == "EXIT":
        if message[1] == process[PARENT]:
            process[AGENDA] = (("terminate", message[2]), ("die", message[2]))
            return [state]
        return [state] if note(search, state, i, f"EXIT({search.name(message[1])},{message[2]})") else []
    if kind not in ("call", "cast"):
        return [state] if note(search, state, i, message[0]) else []
    what, _, reason = message[1].partition(":")
    if not note(search, state, i, message[1]):
        return []
    process = state.own(i)
    answer = (("reply", message[2], message[3], what),) if kind == "call" else ()
    if what == "ping":
        process[AGENDA] = answer
    elif what == "hold":
        process[HELD] += tuple(a[1:3] for a in answer)
    elif what == "release":
        process[AGENDA] = tuple(("reply", *held, "late") for held in process[HELD]) + answer
        process[HELD] = ()
    elif what in ("stop", "die"):
        process[AGENDA] = (("terminate", reason), ("die", reason))
    elif what == "stopr":
        process[AGENDA] = (("terminate", reason), *answer, ("die", reason))
    return [state]


def task_register(search, state, i):
    state.names[state.procs[i][LABEL]] = i
    return [state]


def task_init(search, state, i):
    process = state.own(i)
    process[TRAP] = process[MODE].trap
    turn = turn_of(state, process[PARENT], process[LABEL], process[MODE])
    process[AGENDA] = {"o": (("acknowledge", "started"),),
                       "x": (("unregister",), ("acknowledge", "r1"), ("die", "r1")),
                       "c": (("unregister",), ("acknowledge", "r2"), ("die", "r2")),
                       "i": (("unregister",), ("acknowledge", "ignore"), ("die", "normal"))}[turn]
    return [state] if search.log(state, process[PARENT], f"+{process[LABEL]}") else []


def task_unregister(search, state, i):
    state.names = {n: p for n, p in state.names.items() if p != i}
    return [state]


def task_acknowledge(search, state, i, word):
    search.put(state, i, state.procs[i][PARENT], ("message", ("said", i, word)))
    return [state]


def task_terminate(search, state, i, reason):
    process = state.own(i)
    if reason == "shutdown" and process[MODE] is not None and process[MODE].stuck:
        process[AGENDA] = (("stuck",),)
    if not note(search, state, i, f"end({reason})"):
        return []
    if "points" in search.strong and process[AGENDA][0][0] == "die":
        return search.die(state, i, reason)
    return [state]


def task_stuck(search, state, i):
    return []


def task_die(search, state, i, reason):
    return search.die(state, i, reason)


def task_reply(search, state, i, to, ref, word):
    search.put(state, i, to, ("alias", ref, ("reply", ref, word)))
    return [state]


TASKS = {"init": task_init, "register": task_register, "unregister": task_unregister, "acknowledge": task_acknowledge,
         "terminate": task_terminate, "stuck": task_stuck, "die": task_die, "reply": task_reply}
