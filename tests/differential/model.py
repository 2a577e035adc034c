"""model.py: which outcomes of a scenario the rules allow: a search through the interleavings of what processes do and
of the delivery of signals, which is ordered between each pair of processes and otherwise free.

The semantics is that of OTP's signals: an operation on another process sends a signal, which acts when it is delivered.
Only names are shared state. So the model is as weak as the rules; an implementation may be stronger, as Troupe is
(links and monitors are made at once). `allowed` says whether one outcome can happen: the search leaves a branch as soon
as somebody sees what is not in it. `outcomes` lists them all. A supervisor is one more process, which handles a message
in several steps (model_sup.py).

A step of the search is: a process does its next command; the oldest signal of a pair is delivered; a timer fires; a
dying process frees its name, or sends its EXITs and DOWNs. A timeout of a receive or call may come at any time while
nothing matches, since time is not modelled; only timers of one process for one receiver keep the order of their times.
Who waits without a timeout waits for ever exactly if nothing else can happen."""

import model_ops
import model_sup
import scenario as language
from model_state import (AGENDA, ALIASES, BOX, DEAD, DYING, FAR, HELD, KIND, LABEL, LAST, LINKS, MONITORS, NEW, PENDING, REASON, RESULT,
                         RUN, SEEN, STATUS, TIMER_SENDER, TRAP, WATCHERS, State, TooLarge, blank)


# How an implementation may be stronger than the rules, as Troupe is in all of these: links and monitors are made and
# removed at once; a message is in its mailbox, behind all that its sender knew of, when the operation returns; signals
# act at cancellation points: there is none between the last thing that a server's terminate does and its end, and
# trap_exit looks at what is there first, as do link, unlink and monitor (for signals of exit/2 only: an end is seen
# before the last of its EXITs is sent).
STRONGER = ("links", "monitors", "order", "points")
AT_ONCE = {"link": "links", "unlink": "links", "ack": "links", "monitor": "monitors", "demonitor": "monitors"}


class Search:
    """One search: of all outcomes, or for one."""

    def __init__(self, scenario, expected=None, limit=200_000, strong=()):
        self.scenario = scenario
        self.limit = limit
        self.strong = strong
        self.left = False  # a branch was left because it contradicts the expected outcome
        self.index = {p.name: i for i, p in enumerate(scenario.processes)}
        self.index["self"] = None
        self.names = [p.name for p in scenario.processes]
        self.ops = [p.ops for p in scenario.processes]
        self.expected = None
        if expected is not None:
            self.expected = [expected.get(name, ()) for name in self.names]

    def name(self, i):
        return self.names[i] if i < len(self.names) else "child"

    # --- what was seen

    def log(self, state, i, word):
        """Writes an observation down; false: the expected outcome has another one here."""
        process = state.own(i)
        if self.expected is None:
            process[SEEN] += (word,)
            return True
        at = process[SEEN]
        want = self.expected[i]
        if at >= len(want) - 1 or want[at] != word:
            self.left = True
            return False
        process[SEEN] = at + 1
        return True

    def flush(self, state, i):
        word = state.procs[i][PENDING]
        if word is None:
            return True
        state.own(i)[PENDING] = None
        return self.log(state, i, word)

    # --- signals

    def send(self, state, source, to, signal):
        """Puts a signal on its way; to oneself it acts at once: the states after that."""
        if source == to:
            return self.deliver(state, source, to, signal)
        self.put(state, source, to, signal)
        return [state]

    def put(self, state, source, to, signal):
        """send() to another process."""
        if signal[0] in AT_ONCE and AT_ONCE[signal[0]] in self.strong:
            self.deliver(state, source, to, signal)
        elif "order" not in self.strong:
            state.queues[source, to] = state.queues.get((source, to), ()) + (signal,)
        elif self.acts_at_once(state, to, signal):
            self.deliver(state, source, to, signal)
        else:
            state.queues[None, to] = state.queues.get((None, to), ()) + ((source, signal),)

    def deliver(self, state, source, to, signal):
        """The states after the signal acted; state is changed."""
        process = state.procs[to]
        kind = signal[0]
        if process[STATUS] >= DYING:
            return self.deliver_late(state, source, to, signal)
        if kind == "message":
            state.own(to)[BOX] += (signal[1],)
        elif kind == "alias":
            for alias in process[ALIASES]:
                if alias[0] == signal[1]:
                    process = state.own(to)
                    process[BOX] += (signal[2],)
                    if alias[1] == "reply":
                        self.forget_monitor(state, to, signal[1])
                    break
        elif kind == "exit":
            return self.exit_signal(state, source, to, signal[1])
        elif kind == "link_exit":
            if (source, 0) not in process[LINKS]:
                return [state]
            process = state.own(to)
            process[LINKS] -= {(source, 0)}
            if process[TRAP]:
                process[BOX] += (("EXIT", source, signal[1]),)
            elif signal[1] != "normal":
                return self.die(state, to, signal[1])
        elif kind == "link":
            if not any(peer == source for peer, _ in process[LINKS]):
                state.own(to)[LINKS] |= {(source, 0)}
        elif kind == "unlink":
            process = state.own(to)
            process[LINKS] -= {(source, 0)}
            self.put(state, to, source, ("ack", signal[1]))
        elif kind == "ack":
            state.own(to)[LINKS] -= {(source, signal[1])}
        elif kind == "monitor":
            state.own(to)[WATCHERS] += ((source, signal[1]),)
        elif kind == "demonitor":
            state.own(to)[WATCHERS] = tuple(w for w in process[WATCHERS] if w != (source, signal[1]))
        elif kind == "down":
            for monitor in process[MONITORS]:
                if monitor[0] == signal[1]:
                    process = state.own(to)
                    process[MONITORS] -= {monitor}
                    if monitor[2] != "explicit":
                        process[ALIASES] = frozenset(a for a in process[ALIASES] if a[0] != signal[1])
                    process[BOX] += (("DOWN", signal[1], signal[2]),)
                    break
        elif kind == "alive?":
            self.put(state, to, source, ("alive", True))
        elif kind == "alive":
            state.own(to)[RESULT] = signal[1]
        return [state]

    def forget_monitor(self, state, i, ref):
        """Removes a monitor and its alias; whether it was active."""
        process = state.own(i)
        process[ALIASES] = frozenset(a for a in process[ALIASES] if a[0] != ref or a[1] == "explicit")
        for monitor in process[MONITORS]:
            if monitor[0] == ref:
                process[MONITORS] -= {monitor}
                if monitor[1] is not None:
                    self.put(state, i, monitor[1], ("demonitor", ref))
                return True
        return False

    def deliver_late(self, state, source, to, signal):
        """To a process that is dying, which links and monitors still find, or to a dead one."""
        kind = signal[0]
        if state.procs[to][STATUS] == DYING:
            if kind == "alive?":
                return []  # answered when it is gone
            if kind == "link":
                state.own(to)[LINKS] |= {(source, 0)}
            elif kind == "monitor":
                state.own(to)[WATCHERS] += ((source, signal[1]),)
        elif kind == "link":
            self.put(state, to, source, ("link_exit", "noproc"))
        elif kind == "monitor":
            self.put(state, to, source, ("down", signal[1], "noproc"))
        elif kind == "alive?":
            self.put(state, to, source, ("alive", False))
        return [state]

    def exit_signal(self, state, source, to, reason):
        process = state.procs[to]
        if reason == "kill":
            return self.die(state, to, "killed")
        if process[TRAP]:
            state.own(to)[BOX] += (("EXIT", source, reason),)
        elif reason != "normal" or source == to:
            return self.die(state, to, reason)
        return [state]

    @staticmethod
    def acts_at_once(state, to, signal):
        """With cause and effect in order all has acted when the operation returns, but for what may kill and what comes
        behind that."""
        if (None, to) in state.queues or signal[0] in ("alive?", "alive"):
            return False
        if signal[0] in ("exit", "link_exit"):
            return state.procs[to][TRAP] and state.procs[to][STATUS] == RUN and signal[1:] != ("kill",)
        return True

    @staticmethod
    def exit_is_pending(state, i, kinds=("exit", "link_exit")):
        """Whether an exit signal for the process is on its way."""
        queued = (item[-1] if pair[0] is None else item for pair, queue in state.queues.items() if pair[1] == i for item in queue)
        return any(signal[0] in kinds for signal in queued)

    # --- ends

    def die(self, state, i, reason):
        """The process is dying. Whether it wrote down what it saw last is open."""
        after = []
        if state.procs[i][PENDING] is not None:
            other = state.copy()
            other.own(i)[PENDING] = None
            after += self.end(other, i, reason)
            if not self.flush(state, i):
                return after
        return after + self.end(state, i, reason)

    def end(self, state, i, reason):
        process = state.own(i)
        process[STATUS], process[REASON], process[BOX], process[AGENDA], process[HELD] = DYING, reason, (), (), ()
        process[ALIASES], process[RESULT], process[LAST] = frozenset(), None, None
        if i < len(self.names) and self.expected is not None:
            want = self.expected[i]
            if process[SEEN] != len(want) - 1 and process[KIND] != "sup":
                self.left = True
                return []
            if want[-1] == "...":
                self.left = True
                return []
        return [state]

    def finish(self, state, i):
        """A dying process is gone: links hear of it first."""
        process = state.own(i)
        process[STATUS] = DEAD
        state.names = {n: p for n, p in state.names.items() if p != i}
        for peer, number in sorted(process[LINKS]):
            if number == 0:
                self.put(state, i, peer, ("link_exit", process[REASON]))
        for ref, target, _ in sorted(process[MONITORS], key=repr):
            if target is not None and target != i:
                self.put(state, i, target, ("demonitor", ref))
        watchers = process[WATCHERS]
        process[LINKS] = process[MONITORS] = frozenset()
        process[WATCHERS] = ()
        state.timers = tuple(t for t in state.timers if t[3] != i)
        for watcher, ref in watchers:
            if watcher != i:
                self.put(state, i, watcher, ("down", ref, process[REASON]))
        return [state]

    # --- the search

    def first(self):
        state = State()
        state.procs, state.queues, state.names, state.timers, state.owned = [], {}, {}, (), set()
        for p in self.scenario.processes:
            status = NEW if p.kind == "spawned" else RUN
            state.procs.append(blank("server" if p.kind == "server" else "sup" if p.kind == "sup" else "script", status, p.trap,
                                     () if self.expected is None else 0, p.name))
        states = [state]
        for i, p in enumerate(self.scenario.processes):
            if p.kind == "sup":
                states = [s for state in states for s in model_sup.first(self, state, i, p)]
        return states

    def next_states(self, state):
        """All states that can follow."""
        found = []
        for pair, queue in state.queues.items():
            new = state.copy()
            if len(queue) == 1:
                del new.queues[pair]
            else:
                new.queues[pair] = queue[1:]
            late = state.procs[pair[1]][STATUS] == DEAD
            source, signal = queue[0] if "order" in self.strong else (pair[0], queue[0])
            after = self.deliver(new, source, pair[1], signal)
            if late:
                return after  # it changes nothing for anybody else
            found += after
        for i, process in enumerate(state.procs):
            if process[STATUS] == RUN:
                found += self.step(state, i)
            elif process[STATUS] == DYING:
                found += self.finish(state.copy(), i)
                if any(p == i for p in state.names.values()):
                    new = state.copy()
                    new.names = {n: p for n, p in state.names.items() if p != i}
                    found.append(new)
        for at, timer in enumerate(state.timers):
            if self.may_fire(state.timers, at):
                new = state.copy()
                new.timers = state.timers[:at] + state.timers[at + 1:]
                to = timer[3]
                if isinstance(to, str):
                    to = new.names.get(to)
                if to is None:
                    found.append(new)
                else:
                    found += self.deliver(new, TIMER_SENDER, to, ("message", (timer[4], None)))
        return found

    @staticmethod
    def may_fire(timers, at):
        """timers: (owner, name, milliseconds, to, word), the oldest first."""
        owner, _, ms, to, _ = timers[at]
        if ms == FAR:
            return False
        return not any(t[0] == owner and t[3] == to and t[2] != FAR and int(t[2]) < int(ms) for t in timers[:at])

    def step(self, state, i):
        process = state.procs[i]
        if process[KIND] == "script":
            return model_ops.step(self, state, i)
        return model_sup.step(self, state, i)

    def ended(self, state):
        """The outcome of a state in which nothing can happen; None: it is not the expected one."""
        parts = []
        for i, name in enumerate(self.names):
            process = state.procs[i]
            if process[PENDING] is not None:
                state = state.copy()
                if not self.flush(state, i):
                    return None
                process = state.procs[i]
            end = self.end_text(process)
            if self.expected is not None:
                if process[SEEN] != len(self.expected[i]) - 1 or self.expected[i][-1] != end:
                    return None
            else:
                parts.append(" ".join((name, *process[SEEN], end)))
        return " | ".join(parts)

    @staticmethod
    def end_text(process):
        if process[STATUS] == RUN:
            return "..."
        if process[LABEL][0] == "d":
            return "!"
        return "!" + process[REASON]

    def run(self):
        """The outcomes; or, if one is expected, whether it can happen."""
        stack = self.first()
        visited = set()
        outcomes = set()
        while stack:
            state = stack.pop()
            key = state.key()
            if key in visited:
                continue
            visited.add(key)
            if len(visited) > self.limit:
                raise TooLarge(self.scenario.name)
            self.left = False
            after = self.next_states(state)
            if after:
                stack += after
            elif not self.left and self.quiet(state):
                outcome = self.ended(state)
                if outcome is not None:
                    if self.expected is not None:
                        return True
                    outcomes.add(outcome)
        return False if self.expected is not None else outcomes

    @staticmethod
    def quiet(state):
        """Nothing is on its way."""
        return not state.queues and all(t[2] == FAR for t in state.timers) and all(p[STATUS] != DYING for p in state.procs)


def allowed(scenario, outcome, limit=200_000, strong=()):
    """Whether the rules allow this outcome; with some of STRONGER, a stronger implementation. TooLarge: not decided."""
    return Search(scenario, language.parts_of(outcome), limit, strong).run()


def outcomes(scenario, limit=200_000, strong=()):
    """All outcomes that are allowed."""
    return Search(scenario, None, limit, strong).run()
