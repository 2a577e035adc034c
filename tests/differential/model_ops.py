"""model_ops.py: the commands of a script, as steps of the model's search. Each takes its own copy of the state, the
process and the words of the command, and returns the states after it; [] when it has to wait. What changes something
outside and then writes down its result does so in two steps (PENDING), since the process may be killed in between."""

from model_state import AGENDA, ALIASES, BOX, DEAD, DYING, LAST, LINKS, MONITORS, PC, PENDING, RESULT, RUN, STATUS, TRAP, WATCHERS


LOOK_FIRST = ("link", "unlink", "monitor")  # for signals that are there: a step of its own, others may come behind it
LOOKED = "looked"


def step(search, state, i):
    """The states after the next command of a script."""
    process = state.procs[i]
    ops = search.ops[i]
    new = state.copy()
    if not search.flush(new, i):
        return []
    if process[AGENDA]:
        return await_reply(search, new, i)
    if process[PC] == len(ops):
        return search.die(new, i, "normal")
    op = ops[process[PC]]
    if "points" in search.strong and op[0] in LOOK_FIRST:
        looked = process[RESULT] == LOOKED
        new.own(i)[RESULT] = None if looked else LOOKED
        if not looked:
            return [] if search.exit_is_pending(state, i, ("exit",)) else [new]
    new.own(i)[PC] += 1
    return COMMANDS[op[0]](search, new, i, op[1:])


def process_of(search, state, i, word):
    """Whom a word means now: self, a process, or whoever holds the name behind an @; None: nobody."""
    if word == "self":
        return i
    if word[0] == "@":
        return state.names.get(word[1:])
    return search.index[word]


def logged(search, state, i, word):
    return [state] if search.log(state, i, word) else []


def pending(state, i, word):
    state.own(i)[PENDING] = word
    return [state]


# --- spawning, ends, links


def spawn(search, state, i, words):
    child = search.index[words[0]]
    process = state.own(child)
    process[STATUS] = RUN
    if "link" in words:
        process[LINKS] |= {(i, 0)}
        state.own(i)[LINKS] |= {(child, 0)}
    if "monitor" in words:
        ref = (i, words[-1])
        process[WATCHERS] += ((i, ref),)
        state.own(i)[MONITORS] |= {(ref, child, "")}
    return [state]


def leave(search, state, i, words):
    return search.die(state, i, words[0])


def trap(search, state, i, words):
    if "points" in search.strong and search.exit_is_pending(state, i):
        return []
    state.own(i)[TRAP] = words[0] == "on"
    return [state]


def signal(search, state, i, words):
    to = process_of(search, state, i, words[0])
    if to is None:
        return logged(search, state, i, "nobody")
    if words[0][0] == "@":
        state.own(i)[PENDING] = "ok"
    return search.send(state, i, to, ("exit", words[1]))


def link(search, state, i, words):
    to = process_of(search, state, i, words[0])
    process = state.own(i)
    if to == i:
        return pending(state, i, "ok")
    entry = next((e for e in process[LINKS] if e[0] == to), None)
    status = state.procs[to][STATUS]
    after = []
    if status == DEAD:  # found at once, perhaps before an earlier monitor finds it
        other = state.copy()
        if process[TRAP]:
            other.own(i)[BOX] += (("EXIT", to, "noproc"),)
        after = pending(other, i, "ok" if process[TRAP] else "noproc")
        if not process[TRAP] and (entry is None or entry[1] != 0):
            return after
        process = state.own(i)
    if entry is None or entry[1] != 0:
        process[LINKS] = (process[LINKS] - {entry}) | {(to, 0)}
        search.put(state, i, to, ("link",))
    return after + pending(state, i, "ok")


def unlink(search, state, i, words):
    to = search.index[words[0]]
    process = state.own(i)
    if (to, 0) in process[LINKS]:
        process[LINKS] = (process[LINKS] - {(to, 0)}) | {(to, process[PC])}
        search.put(state, i, to, ("unlink", process[PC]))
    return [state]


# --- monitors and aliases


def monitor(search, state, i, words):
    to = process_of(search, state, i, words[0])
    if to == i:
        return [state]  # makes a reference and nothing else (MON-05)
    ref = (i, words[1])
    mode = words[2] if len(words) > 2 else ""
    process = state.own(i)
    process[MONITORS] |= {(ref, to, mode)}
    if mode:
        process[ALIASES] |= {(ref, mode)}
    if to is None:
        return search.deliver(state, i, i, ("down", ref, "noproc"))
    after = []
    if state.procs[to][STATUS] == DEAD:  # found at once, perhaps before an earlier monitor finds it
        after = search.deliver(state.copy(), i, i, ("down", ref, "noproc"))
        if "monitors" in search.strong:
            return after
    search.put(state, i, to, ("monitor", ref))
    return after + [state]


def demonitor(search, state, i, words):
    ref = (i, words[0])
    active = search.forget_monitor(state, i, ref)
    if "flush" in words and not active:
        process = state.own(i)
        process[BOX] = tuple(m for m in process[BOX] if m[0] != "DOWN" or m[1] != ref)
    return pending(state, i, "true" if active else "false")


def alias(search, state, i, words):
    state.own(i)[ALIASES] |= {((i, words[0]), "explicit")}
    return [state]


def unalias(search, state, i, words):
    process = state.own(i)
    ref = (i, words[0])
    active = any(a[0] == ref for a in process[ALIASES])
    process[ALIASES] = frozenset(a for a in process[ALIASES] if a[0] != ref)
    return pending(state, i, "true" if active else "false")


# --- messages


def send(search, state, i, words):
    to = process_of(search, state, i, words[0])
    if to is None:
        return logged(search, state, i, "badarg")
    if words[0][0] == "@":
        state.own(i)[PENDING] = "ok"
    return search.send(state, i, to, ("message", (words[1], (i, words[2]) if len(words) > 2 else None)))


def reply(search, state, i, words):
    ref = state.procs[i][LAST]
    if ref is None:
        return [state]
    return search.send(state, i, ref[0], ("alias", ref, (words[0], None)))


def text_of(search, message):
    if message[0] == "EXIT":
        return f"EXIT({search.name(message[1])},{message[2]})"
    if message[0] == "DOWN":
        return f"DOWN({message[1][1]},{message[2]})"
    return message[0]


FOR_SERVERS = ("call", "cast")  # stay in a script's mailbox


def receive(search, state, i, words):
    process = state.own(i)
    for at, message in enumerate(process[BOX]):
        if words[0] in ("any", message[0]) and message[0] not in FOR_SERVERS:
            process[BOX] = process[BOX][:at] + process[BOX][at + 1:]
            if message[0] not in ("EXIT", "DOWN"):
                process[LAST] = message[1]
            return logged(search, state, i, text_of(search, message))
    return logged(search, state, i, "timeout") if len(words) > 1 else []


# --- names


def register(search, state, i, words):
    to = process_of(search, state, i, words[1])
    status = state.procs[to][STATUS]
    if status != RUN or words[0] in state.names or to in state.names.values():
        return pending(state, i, "badarg")
    state.names[words[0]] = to
    return pending(state, i, "ok")


def unregister(search, state, i, words):
    return pending(state, i, "badarg" if state.names.pop(words[0], None) is None else "ok")


def whereis(search, state, i, words):
    holder = state.names.get(words[0])
    return logged(search, state, i, "undefined" if holder is None else search.name(holder))


def alive(search, state, i, words):
    to = process_of(search, state, i, words[0])
    if to == i:
        return logged(search, state, i, "true")
    after = []
    if state.procs[to][STATUS] == DEAD:  # found at once, without a question
        after = logged(search, state.copy(), i, "false")
    state.own(i)[AGENDA] = (("alive",),)
    search.put(state, i, to, ("alive?",))
    return after + [state]


# --- timers


def timer(search, state, i, words):
    to = words[2][1:] if words[2][0] == "@" else process_of(search, state, i, words[2])
    if not isinstance(to, str) and state.procs[to][STATUS] == DEAD:
        return [state]
    after = []
    if not isinstance(to, str) and state.procs[to][STATUS] == DYING:
        after.append(state.copy())
    state.timers += ((i, words[0], words[1], to, words[3]),)
    return after + [state]


def find_timer(state, i, name):
    return next((t for t in state.timers if t[0] == i and t[1] == name), None)


def cancel(search, state, i, words):
    found = find_timer(state, i, words[0])
    after = []
    if found is not None and not isinstance(found[3], str) and state.procs[found[3]][STATUS] == DYING:
        after = pending(state.copy(), i, "false")
    state.timers = tuple(t for t in state.timers if t is not found)
    return after + pending(state, i, "false" if found is None else "left")


def read(search, state, i, words):
    found = find_timer(state, i, words[0])
    after = []
    if found is not None and not isinstance(found[3], str) and state.procs[found[3]][STATUS] == DYING:
        after = pending(state.copy(), i, "false")
    return after + pending(state, i, "false" if found is None else "left")


# --- requests


def request(search, state, i, to, body, timed):
    """Monitors, sends and waits."""
    after = []
    if state.procs[to][STATUS] == DEAD:  # found at once, as by monitor()
        after = logged(search, state.copy(), i, "fail(noproc)")
    ref = (i, state.procs[i][PC])
    process = state.own(i)
    process[MONITORS] |= {(ref, to, "")}
    process[ALIASES] |= {(ref, "reply")}
    process[AGENDA] = (("reply", ref, timed),)
    search.put(state, i, to, ("monitor", ref))
    search.put(state, i, to, ("message", ("call", body, i, ref)))
    return after + [state]


def call(search, state, i, words):
    to = process_of(search, state, i, words[0])
    if to is None:
        return logged(search, state, i, "fail(noproc)")
    return request(search, state, i, to, words[1], len(words) > 2)


def cast(search, state, i, words):
    to = process_of(search, state, i, words[0])
    return [state] if to is None else search.send(state, i, to, ("message", ("cast", words[1])))


def ask_supervisor(command):
    def ask(search, state, i, words):
        return request(search, state, i, search.index[words[0]], (command, *words[1:]), False)
    return ask


def await_reply(search, state, i):
    process = state.own(i)
    waiting = process[AGENDA][0]
    if waiting[0] == "alive":
        if process[RESULT] is None:
            return []
        word = "true" if process[RESULT] else "false"
        process[RESULT], process[AGENDA] = None, ()
        return logged(search, state, i, word)
    ref = waiting[1]
    word = None
    for at, message in enumerate(process[BOX]):
        if message[0] == "reply" and message[1] == ref:
            word = message[2]
        elif message[0] == "DOWN" and message[1] == ref:
            word = f"fail({message[2]})"
        if word is not None:
            process[BOX] = process[BOX][:at] + process[BOX][at + 1:]
            break
    if word is None:
        if not waiting[2]:
            return []
        word = "fail(timeout)"
    process[AGENDA] = ()
    search.forget_monitor(state, i, ref)
    process = state.own(i)
    process[BOX] = tuple(m for m in process[BOX] if m[0] not in ("reply", "DOWN") or m[1] != ref)
    return logged(search, state, i, word)


def drop(search, state, i, words):
    """Terminates the child that has the name now, by its pid."""
    holder = state.names.get(words[1])
    if holder is None:
        return logged(search, state, i, "nobody")
    return request(search, state, i, search.index[words[0]], ("drop", holder), False)


COMMANDS = {
    "spawn": spawn, "exit": leave, "trap": trap, "signal": signal, "link": link, "unlink": unlink, "monitor": monitor,
    "demonitor": demonitor, "alias": alias, "unalias": unalias, "send": send, "reply": reply, "recv": receive, "register": register,
    "unregister": unregister, "whereis": whereis, "alive": alive, "timer": timer, "cancel": cancel, "read": read, "call": call,
    "cast": cast, "start": ask_supervisor("start"), "terminate": ask_supervisor("terminate"), "delete": ask_supervisor("delete"),
    "restart": ask_supervisor("restart"), "which": ask_supervisor("which"),
    "add": ask_supervisor("add"), "drop": drop,
}
