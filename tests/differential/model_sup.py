"""model_sup.py: servers and supervisors, as steps of the model's search.

Both take the oldest message and do what it asks for in steps, which are kept in AGENDA: between two of them anything else may happen.
A supervisor's child is a server whose observations stand with its supervisor's, since they have an order of their own: `+a` started,
`a:...` handled or ended. CHILDREN: (id, restart, trap, process), the process None if there is none, "restarting" after a failed start."""

from model_state import (AGENDA, BOX, CHILDREN, DEAD, DYING, HELD, LABEL, LINKS, MONITORS, PARENT, PC, RESTARTS, RUN, STATUS, TRAP,
                         WATCHERS, blank)


def first(search, state, i, spec):
    """A supervisor at the start: its children run."""
    for child, restart, trap in spec.children:
        new_child(search, state, i, child, trap, trap)
        state.procs[-1][AGENDA] = ()
        state.own(i)[CHILDREN] += ((child, restart, trap, len(state.procs) - 1),)
        if not search.log(state, i, f"+{child}"):
            return []
    state.own(i)[TRAP] = True
    return [state]


def new_child(search, state, i, child, trap, trap_now):
    at = len(state.procs)
    process = blank("server", RUN, trap_now, 0, child)
    process[PARENT] = i
    process[LINKS] = frozenset({(i, 0)})
    process[AGENDA] = (("init", trap),)
    state.procs.append(process)
    state.owned.add(at)
    state.own(i)[LINKS] |= {(at, 0)}
    state.names[child] = at
    return at


def step(search, state, i):
    process = state.procs[i]
    if not process[AGENDA] and not process[BOX]:
        return []
    new = state.copy()
    own = new.own(i)
    if own[AGENDA]:
        task, own[AGENDA] = own[AGENDA][0], own[AGENDA][1:]
        return TASKS[task[0]](search, new, i, *task[1:])
    message, own[BOX] = own[BOX][0], own[BOX][1:]
    if process[CHILDREN] or process[TRAP] and process[PARENT] is None and is_supervisor(search, i):
        return supervise(search, new, i, message)
    return serve(search, new, i, message)


def is_supervisor(search, i):
    return i < len(search.names) and search.scenario.processes[i].kind == "sup"


# --- servers


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


def task_init(search, state, i, trap):
    parent = state.procs[i][PARENT]
    process = state.own(i)
    process[TRAP] = trap
    process[AGENDA] = (("acknowledge",),)
    return [state] if search.log(state, parent, f"+{state.procs[i][LABEL]}") else []


def task_acknowledge(search, state, i):
    search.put(state, i, state.procs[i][PARENT], ("message", ("started", i)))
    return [state]


def task_terminate(search, state, i, reason):
    return [state] if note(search, state, i, f"end({reason})") else []


def task_die(search, state, i, reason):
    return search.die(state, i, reason)


def task_reply(search, state, i, to, ref, word):
    search.put(state, i, to, ("alias", ref, ("reply", ref, word)))
    return [state]


# --- supervisors: what a message asks for


def position(children, key, value):
    return next((at for at, child in enumerate(children) if child[key] == value), None)


def supervise(search, state, i, message):
    process = state.own(i)
    if message[0] == "EXIT":
        at = position(process[CHILDREN], 3, message[1])
        return [state] if at is None else child_ended(search, state, i, at, message[2])
    if message[0] == "retry":
        at = position(process[CHILDREN], 0, message[1])
        if at is not None and process[CHILDREN][at][3] == "restarting":
            return restart(search, state, i, at)
        return [state]
    if message[0] == "call":
        asked, client, ref = message[1], message[2], message[3]
        answer = REQUESTS[asked[0]](state, i, (("reply", client, ref),), *asked[1:])
        if isinstance(answer, str):
            state.own(i)[AGENDA] = (("reply", client, ref, answer),)
    return [state]


def set_child(state, i, name, to):
    process = state.own(i)
    process[CHILDREN] = tuple((*c[:3], to) if c[0] == name else c for c in process[CHILDREN])


def drop_child(state, i, name):
    process = state.own(i)
    process[CHILDREN] = tuple(c for c in process[CHILDREN] if c[0] != name)


def child_ended(search, state, i, at, reason):
    name, kind, _, _ = state.procs[i][CHILDREN][at]
    if kind == "temporary":
        drop_child(state, i, name)
    elif kind == "transient" and reason in ("normal", "shutdown"):
        set_child(state, i, name, None)
    else:
        set_child(state, i, name, None)
        return restart(search, state, i, at)
    return [state]


def restart(search, state, i, at):
    """SUP-14 to SUP-25, for a failed child that is gone."""
    process = state.own(i)
    spec = search.scenario.processes[i]
    process[RESTARTS] += 1
    children = process[CHILDREN]
    name = children[at][0]
    set_child(state, i, name, None)
    if process[RESTARTS] > spec.intensity:
        process[AGENDA] = tuple(("stop", c[0]) for c in reversed(children) if c[0] != name) + (("die", "shutdown"),)
        return [state]
    group = {"one_for_one": children[at:at + 1], "rest_for_one": children[at:], "one_for_all": children}[spec.strategy]
    stops = tuple(("stop", c[0]) for c in reversed(group) if c[0] != name)
    starts = tuple(("start", c[0], None) for c in group if c[1] != "temporary" or c[0] == name)
    process[AGENDA] = stops + starts
    return [state]


def ask_start(state, i, answer, name, kind, trap=""):
    children = state.procs[i][CHILDREN]
    at = position(children, 0, name)
    if at is not None:
        return "already_present" if children[at][3] is None else "already_started"
    process = state.own(i)
    process[CHILDREN] += ((name, kind, trap == "trap", None),)
    process[AGENDA] = (("start", name, ("new", *answer[0])),)
    return None


def ask_terminate(state, i, answer, name):
    if position(state.procs[i][CHILDREN], 0, name) is None:
        return "not_found"
    state.own(i)[AGENDA] = (("stop", name), (*answer[0], "ok"))
    return None


def state_of(children, at):
    return {None: "undefined", "restarting": "restarting"}.get(children[at][3], "running")


def ask_delete(state, i, answer, name):
    children = state.procs[i][CHILDREN]
    at = position(children, 0, name)
    if at is None:
        return "not_found"
    if state_of(children, at) != "undefined":
        return state_of(children, at)
    drop_child(state, i, name)
    return "ok"


def ask_restart(state, i, answer, name):
    children = state.procs[i][CHILDREN]
    at = position(children, 0, name)
    if at is None:
        return "not_found"
    if state_of(children, at) != "undefined":
        return state_of(children, at)
    state.own(i)[AGENDA] = (("start", name, ("again", *answer[0])),)
    return None


def ask_which(state, i, answer):
    children = state.procs[i][CHILDREN]
    shown = {"undefined": "-", "restarting": "?", "running": "+"}
    return "which(" + ",".join(shown[state_of(children, at)] + children[at][0] for at in reversed(range(len(children)))) + ")"


REQUESTS = {"start": ask_start, "terminate": ask_terminate, "delete": ask_delete, "restart": ask_restart, "which": ask_which}

# --- supervisors: starting and stopping a child


def task_start(search, state, i, name, answer):
    """Spawns it; it may trap exits from its first moment, or from its init on."""
    child = next(c for c in state.procs[i][CHILDREN] if c[0] == name)
    if name in state.names:
        return [state]  # somebody else has the name: not in our scenarios
    after = []
    for trap_now in {child[2], False}:
        new = state.copy()
        at = new_child(search, new, i, name, child[2], trap_now)
        own = new.own(i)
        own[AGENDA] = (("started", name, at, answer),) + own[AGENDA]
        after.append(new)
    return after


def task_started(search, state, i, name, at, answer):
    """Waits for the child's word, or its end."""
    process = state.own(i)
    for place, message in enumerate(process[BOX]):
        if message in (("started", at),) or message[0] == "EXIT" and message[1] == at:
            process[BOX] = process[BOX][:place] + process[BOX][place + 1:]
            if message[0] == "started":
                set_child(state, i, name, at)
                if answer is not None:
                    process[AGENDA] = ((*answer[1:], "ok"),) + process[AGENDA]
            else:
                start_failed(state, i, name, answer, message[2])
            return [state]
    return []


def start_failed(state, i, name, answer, reason):
    process = state.own(i)
    if answer is None:  # a restart: the rest of the group is not started; tried again
        process[AGENDA] = ()
        set_child(state, i, name, "restarting")
        process[BOX] += (("retry", name),)
        return
    if answer[0] == "new":
        drop_child(state, i, name)
    process[AGENDA] = ((*answer[1:], f"error({reason})"),) + process[AGENDA]


def task_stop(search, state, i, name):
    """SUP-40: watched, unlinked; if it ended before, that end is taken, else it gets a shutdown."""
    process = state.own(i)
    child = next(c for c in process[CHILDREN] if c[0] == name)
    at = child[3]
    if not isinstance(at, int):
        if child[1] == "temporary":
            drop_child(state, i, name)
        else:
            set_child(state, i, name, None)
        return [state]
    ref = (i, f"stop{at}")
    process[MONITORS] |= {(ref, at, "")}
    search.put(state, i, at, ("monitor", ref))
    if (at, 0) in process[LINKS]:
        process[LINKS] = (process[LINKS] - {(at, 0)}) | {(at, 1)}
        search.put(state, i, at, ("unlink", 1))
    ended = any(m[0] == "EXIT" and m[1] == at for m in process[BOX])
    process[BOX] = tuple(m for m in process[BOX] if m[0] != "EXIT" or m[1] != at)
    if not ended:
        search.put(state, i, at, ("exit", "shutdown"))
    process[AGENDA] = (("stopped", name, ref),) + process[AGENDA]
    return [state]


def task_stopped(search, state, i, name, ref):
    process = state.own(i)
    for place, message in enumerate(process[BOX]):
        if message[0] == "DOWN" and message[1] == ref:
            process[BOX] = process[BOX][:place] + process[BOX][place + 1:]
            if next(c for c in process[CHILDREN] if c[0] == name)[1] == "temporary":
                drop_child(state, i, name)
            else:
                set_child(state, i, name, None)
            return [state]
    return []


TASKS = {"init": task_init, "acknowledge": task_acknowledge, "terminate": task_terminate, "die": task_die, "reply": task_reply, "start": task_start,
         "started": task_started, "stop": task_stop, "stopped": task_stopped}
