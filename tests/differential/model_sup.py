"""model_sup.py: supervisors, as steps of the model's search, like servers (model_server.py).

A supervisor's child is a server whose observations stand with its supervisor's, since they have an order of their own:
`+a` started, `a:...` handled or ended. CHILDREN: (id, restart, mode, process, last): the process None if there is none,
"restarting" after a failed start; last is who it was then."""

import model_server
from model_state import AGENDA, BOX, CHILDREN, LINKS, MONITORS, RESTARTS, RUN, STATUS, TRAP
from scenario import read_mode


def first(search, state, i, spec):
    """A supervisor at the start: its children run, but for those whose init says ignore."""
    state.own(i)[TRAP] = True
    if spec.strategy == "simple_one_for_one":
        return [state]
    for child, restart, mode in spec.children:
        if not search.log(state, i, f"+{child}"):
            return []
        if model_server.turn_of(state, i, child, mode) == "o":
            state.own(i)[CHILDREN] += ((child, restart, mode, model_server.new_child(state, i, child, mode, mode.trap, True), None),)
        elif restart != "temporary":
            state.own(i)[CHILDREN] += ((child, restart, mode, None, None),)
    return [state]


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
    if is_supervisor(search, i):
        return supervise(search, new, i, message)
    return model_server.serve(search, new, i, message)


def is_supervisor(search, i):
    return i < len(search.names) and search.scenario.processes[i].kind == "sup"


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
        answer = REQUESTS[asked[0]](search, state, i, (("reply", client, ref),), *asked[1:])
        if isinstance(answer, str):
            state.own(i)[AGENDA] = (("reply", client, ref, answer),)
    return [state]


def set_child(state, i, name, to, last=None):
    process = state.own(i)
    process[CHILDREN] = tuple((*c[:3], to, last) if c[0] == name else c for c in process[CHILDREN])


def drop_child(state, i, name):
    process = state.own(i)
    process[CHILDREN] = tuple(c for c in process[CHILDREN] if c[0] != name)


def is_pooled(search, i):
    return search.scenario.processes[i].strategy == "simple_one_for_one"


def gone(search, state, i, name):
    """A child that does not run: kept, unless it is temporary or of a template."""
    child = next((c for c in state.procs[i][CHILDREN] if c[0] == name), None)
    if child is not None and (child[1] == "temporary" or is_pooled(search, i)):
        drop_child(state, i, name)
    elif child is not None:
        set_child(state, i, name, None)


def child_ended(search, state, i, at, reason):
    name, kind, mode, pid, _ = state.procs[i][CHILDREN][at]
    if kind == "permanent" or kind == "transient" and reason not in ("normal", "shutdown"):
        set_child(state, i, name, None, pid)
        return restart(search, state, i, at)
    gone(search, state, i, name)
    auto = search.scenario.processes[i].auto
    children = state.procs[i][CHILDREN]
    if mode.significant and (auto == "any" or auto == "all" and not any(c[2].significant and c[3] is not None for c in children)):
        give_up(search, state, i)
    return [state]


def give_up(search, state, i):
    process = state.own(i)
    if is_pooled(search, i):
        process[AGENDA] = (("stop_all",), ("die", "shutdown"))
    else:
        process[AGENDA] = tuple(("stop", c[0]) for c in reversed(process[CHILDREN])) + (("die", "shutdown"),)


def restart(search, state, i, at):
    """SUP-14 to SUP-25, for a failed child that is gone."""
    process = state.own(i)
    spec = search.scenario.processes[i]
    process[RESTARTS] += 1
    children = process[CHILDREN]
    name, last = children[at][0], children[at][4]
    set_child(state, i, name, None, last)
    if process[RESTARTS] > spec.intensity:
        gone(search, state, i, name)
        give_up(search, state, i)
        return [state]
    group = {"rest_for_one": children[at:], "one_for_all": children}.get(spec.strategy, children[at:at + 1])
    starts = tuple(("start", c[0], None) for c in group if c[1] != "temporary" or c[0] == name)
    process[AGENDA] = tuple(("stop", c[0]) for c in reversed(group) if c[0] != name) + starts
    return [state]


def ask_start(search, state, i, answer, name, kind, *words):
    return add(state, i, answer, name, kind, read_mode(words))


def ask_add(search, state, i, answer, name):
    _, kind, mode = search.scenario.processes[i].children[0]
    return add(state, i, answer, name, kind, mode)


def add(state, i, answer, name, kind, mode):
    children = state.procs[i][CHILDREN]
    at = position(children, 0, name)
    if at is not None:
        return "already_started" if isinstance(children[at][3], int) else "already_present"
    process = state.own(i)
    process[CHILDREN] += ((name, kind, mode, None, None),)
    process[AGENDA] = (("start", name, ("new", *answer[0])),)
    return None


def ask_terminate(search, state, i, answer, name):
    if position(state.procs[i][CHILDREN], 0, name) is None:
        return "not_found"
    state.own(i)[AGENDA] = (("stop", name), (*answer[0], "ok"))
    return None


def state_of(children, at):
    return {None: "undefined", "restarting": "restarting"}.get(children[at][3], "running")


def ask_delete(search, state, i, answer, name):
    children = state.procs[i][CHILDREN]
    at = position(children, 0, name)
    if at is None:
        return "not_found"
    if state_of(children, at) != "undefined":
        return state_of(children, at)
    drop_child(state, i, name)
    return "ok"


def ask_restart(search, state, i, answer, name):
    children = state.procs[i][CHILDREN]
    at = position(children, 0, name)
    if at is None:
        return "not_found"
    if state_of(children, at) != "undefined":
        return state_of(children, at)
    state.own(i)[AGENDA] = (("start", name, ("again", *answer[0])),)
    return None


def ask_drop(search, state, i, answer, pid):
    """By its pid; of one that is to be restarted, its last one. The dead are dropped already (SUP-55)."""
    for child in state.procs[i][CHILDREN]:
        if child[3] == pid or child[3] == "restarting" and child[4] == pid:
            return ask_terminate(search, state, i, answer, child[0])
    return "not_found" if state.procs[pid][STATUS] == RUN else "ok"


def ask_which(search, state, i, answer):
    children = state.procs[i][CHILDREN]
    shown = {"undefined": "-", "restarting": "?", "running": "+"}
    signs = [shown[state_of(children, at)] for at in range(len(children))]
    if is_pooled(search, i):
        return "which(" + ",".join(sorted(signs)) + ")"
    return "which(" + ",".join(signs[at] + children[at][0] for at in reversed(range(len(children)))) + ")"


REQUESTS = {"start": ask_start, "add": ask_add, "terminate": ask_terminate, "drop": ask_drop, "delete": ask_delete, "restart": ask_restart,
            "which": ask_which}

# --- supervisors: starting and stopping a child


def task_start(search, state, i, name, answer):
    """Spawns it; it may trap exits from its first moment, or from its init on."""
    child = next(c for c in state.procs[i][CHILDREN] if c[0] == name)
    pooled = is_pooled(search, i)
    if name in state.names and not pooled:
        return [state]  # somebody else has the name: not in our scenarios
    after = []
    for trap_now in {child[2].trap, False}:
        new = state.copy()
        at = model_server.new_child(new, i, name, child[2], trap_now, pooled=pooled)
        own = new.own(i)
        own[AGENDA] = (("started", name, at, answer),) + own[AGENDA]
        after.append(new)
    return after


def task_started(search, state, i, name, at, answer):
    """Waits for the child's word, or its end."""
    process = state.own(i)
    for place, message in enumerate(process[BOX]):
        if message[:2] == ("said", at) or message[0] == "EXIT" and message[1] == at:
            process[BOX] = process[BOX][:place] + process[BOX][place + 1:]
            if message[0] == "EXIT" or message[2] not in ("started", "ignore"):
                start_failed(state, i, name, answer, message[2])
                return [state]
            if message[2] == "started":
                set_child(state, i, name, at)
            elif answer is None or answer[0] == "new":
                gone(search, state, i, name)
            if answer is not None:
                process = state.own(i)
                process[AGENDA] = ((*answer[1:], "ok"),) + process[AGENDA]
            return [state]
    return []


def start_failed(state, i, name, answer, reason):
    process = state.own(i)
    if answer is None:  # a restart: the rest of the group is not started; tried again
        process[AGENDA] = ()
        last = next(c[4] for c in process[CHILDREN] if c[0] == name)
        set_child(state, i, name, "restarting", last)
        process[BOX] += (("retry", name),)
        return
    if answer[0] == "new":
        drop_child(state, i, name)
    process[AGENDA] = ((*answer[1:], f"error({reason})"),) + process[AGENDA]


def ask_to_end(search, state, i, child):
    """Watches a child, unlinks it, and gives it the signal, unless it ended before; the reference of the monitor."""
    process = state.own(i)
    at = child[3]
    ref = (i, f"stop{at}")
    process[MONITORS] |= {(ref, at, "")}
    search.put(state, i, at, ("monitor", ref))
    process = state.own(i)
    if (at, 0) in process[LINKS]:
        process[LINKS] = (process[LINKS] - {(at, 0)}) | {(at, 1)}
        search.put(state, i, at, ("unlink", 1))
        process = state.own(i)
    ended = any(m[0] == "EXIT" and m[1] == at for m in process[BOX])
    process[BOX] = tuple(m for m in process[BOX] if m[0] != "EXIT" or m[1] != at)
    if not ended:
        search.put(state, i, at, ("exit", "kill" if child[2].shutdown == "kill" else "shutdown"))
    return ref


def is_impatient(mode):
    """Whether its time may be over in a run."""
    return mode.shutdown.isdigit() and int(mode.shutdown) < 1000


def task_stop(search, state, i, name):
    """SUP-40: watched, unlinked; if it ended before, that end is taken, else it gets a signal."""
    child = next(c for c in state.procs[i][CHILDREN] if c[0] == name)
    if not isinstance(child[3], int):
        gone(search, state, i, name)
        return [state]
    ref = ask_to_end(search, state, i, child)
    process = state.own(i)
    process[AGENDA] = (("stopped", name, ref, is_impatient(child[2])),) + process[AGENDA]
    return [state]


def take_down(process, ref):
    """Whether the DOWN was there."""
    left = tuple(m for m in process[BOX] if m[0] != "DOWN" or m[1] != ref)
    found = len(left) < len(process[BOX])
    process[BOX] = left
    return found


def task_stopped(search, state, i, name, ref, impatient):
    process = state.own(i)
    if take_down(process, ref):
        gone(search, state, i, name)
        return [state]
    if not impatient:
        return []
    pid = next(c[3] for c in process[CHILDREN] if c[0] == name)
    process[AGENDA] = (("stopped", name, ref, False),) + process[AGENDA]
    search.put(state, i, pid, ("exit", "kill"))
    return [state]


def task_stop_all(search, state, i):
    """The children of a template all at once."""
    children = [c for c in state.procs[i][CHILDREN] if isinstance(c[3], int)]
    refs = tuple((c[3], ask_to_end(search, state, i, c)) for c in children)
    process = state.own(i)
    process[CHILDREN] = ()
    process[AGENDA] = (("all_stopped", refs, any(is_impatient(c[2]) for c in children)),) + process[AGENDA]
    return [state]


def task_all_stopped(search, state, i, refs, impatient):
    process = state.own(i)
    left = tuple((pid, ref) for pid, ref in refs if not take_down(process, ref))
    if not left:
        return [state]
    if len(left) == len(refs) and not impatient:
        return []
    after = []
    if impatient:
        new = state.copy()
        new.own(i)[AGENDA] = (("all_stopped", left, False),) + new.procs[i][AGENDA]
        for pid, _ in left:
            search.put(new, i, pid, ("exit", "kill"))
        after.append(new)
    if len(left) < len(refs):
        process[AGENDA] = (("all_stopped", left, impatient),) + process[AGENDA]
        after.append(state)
    return after


TASKS = model_server.TASKS | {"start": task_start, "started": task_started, "stop": task_stop, "stopped": task_stopped,
                              "stop_all": task_stop_all, "all_stopped": task_all_stopped}
