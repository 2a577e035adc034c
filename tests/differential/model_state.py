"""model_state.py: a state of the model's search: processes, signals on their way, names, timers."""

NEW, RUN, DYING, DEAD = range(4)
# The fields of a process
(KIND, STATUS, PC, BOX, TRAP, LINKS, MONITORS, WATCHERS, REASON, PENDING, SEEN, RESULT, AGENDA, ALIASES, LAST, HELD, CHILDREN, RESTARTS, PARENT,
 LABEL, STARTS, MODE) = range(22)
# kind, status, program counter; mailbox; traps exits; links: (peer, 0 or the number of an unlink on its way); monitors
# of its own: (reference, target, mode); those on it, the oldest first: (watcher, reference); why it ended; an
# observation that is not written down yet; those that are, or how many; the answer that it waited for; what a server or
# supervisor has still to do; active aliases; the reference in the message received last; callers that a server keeps
# waiting; a supervisor's children and restarts; the parent; its name as a child; how often each child was started:
# (name, count); what the spec says about this child (scenario.Mode).

FAR = "far"
TIMER_SENDER = -1


class TooLarge(Exception):
    """The search has more states than it may have."""


class State:
    __slots__ = ("procs", "queues", "names", "timers", "owned")

    def copy(self):
        new = State()
        new.procs, new.queues, new.names, new.timers = list(self.procs), dict(self.queues), dict(self.names), self.timers
        new.owned = set()
        return new

    def own(self, i):
        """The process, to be changed."""
        if i not in self.owned:
            self.procs[i] = list(self.procs[i])
            self.owned.add(i)
        return self.procs[i]

    def key(self):
        return (tuple(map(tuple, self.procs)), tuple(sorted(self.queues.items(), key=queue_order)), tuple(sorted(self.names.items())), self.timers)


def blank(kind, status, trap, seen, label):
    return [kind, status, 0, (), trap, frozenset(), frozenset(), (), None, None, seen, None, (), frozenset(), None, (), (), 0, None, label,
            frozenset(), None]


def queue_order(item):
    """Of (sender or None, receiver), queue."""
    return (-2 if item[0][0] is None else item[0][0], item[0][1])
