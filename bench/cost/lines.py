"""Cache lines of an operation: what each is a part of, how many are touched, written, and shared between processes.

What a line is a part of follows from who touches it: what mailbox_put exchanges, or a turn begins with, is the first
line of a process, other stores of mailbox_put go into a message, and so on (`Kinds`).

What is shared is found by a model, since a trace of one worker has one core: each process is given a core of its own,
with a cache that forgets nothing. A line moves when a process reads what another wrote last, or writes what another has
touched since. Stacks, what is thread-local, a worker and its pool would be each core's own, and are left out. So are
the links by which the pool finds its free blocks: a block that is freed on another core goes home in a batch of 32,
whose addresses are what is written."""
import collections

from .trace import LINE_BITS, OUTSIDE_POOL_READ, OUTSIDE_POOL_WRITE, WRITE

PROCESS, MESSAGE, BLOCK, TABLE, GLOBAL, WORKER, STACK, REST = (
    "process",
    "message",
    "other block",
    "table of handles",
    "global",
    "worker, its pool",
    "stack",
    "rest",
)
KINDS = (PROCESS, MESSAGE, BLOCK, TABLE, GLOBAL, WORKER, STACK, REST)
OF_THE_CORE = (WORKER, STACK)
READ_AS_MESSAGE = "message, if it is a block"  # its sender may have put it before the steady part
SLAB_BITS, SLAB_HEAD = 16, 192  # runtime/memory/pool.h
ACTOR_LINES = 3  # runtime/actor/actor.h: 176 bytes and the first of the state
WORKERS = (
    "worker",
    "ring",
    "context",
    "steal",
    "idle",
    "park",
    "trace",
    "reclaim",
    "scheduler",
    "overflow",
    "inject",
    "pool",
)


class Kinds:
    """line -> what it is a part of"""

    def __init__(self, steady):
        self.steady = steady
        self.by_line = {}
        votes = collections.defaultdict(set)
        slabs = set()
        for instruction, line, stores in steady.touched:
            vote = self.vote(instruction, line, stores)
            votes[line].add(vote)
            if vote == "slab":
                slabs.add(line >> SLAB_BITS - LINE_BITS)
        first = {line for line, of in votes.items() if PROCESS in of} | {one.actor for one in steady.segments}
        processes = {line + i for line in first - {None} for i in range(ACTOR_LINES)}
        for line in sorted(line for line, of in votes.items() if of <= {REST, READ_AS_MESSAGE}):
            if line - 1 in processes and line - 1 in votes:  # the rest of its state
                processes.add(line)
        slabs |= {line >> SLAB_BITS - LINE_BITS for line, of in votes.items() if PROCESS in of or MESSAGE in of}
        for line, of in votes.items():
            self.by_line[line] = self.decide(line, of, processes, slabs)

    def vote(self, instruction, line, stores):
        """What one instruction that touches a line says of it."""
        steady = self.steady
        place = steady.mappings.place(line << LINE_BITS)
        if place is not None:
            return GLOBAL
        if steady.is_on_stack(instruction, stores) or steady.is_thread_local(instruction):
            return STACK
        names = {name for name, _ in steady.frames_of(instruction)}
        if names & {"mailbox_put", "mailbox_init_with"}:
            return PROCESS if steady.is_locked(instruction) else MESSAGE
        file = steady.file_of(instruction).partition(".")[0]
        if file == "pool" and (line << LINE_BITS) % (1 << SLAB_BITS) < SLAB_HEAD:
            return "slab"
        if file == "slots":
            return TABLE
        if file.startswith("fiber") or file == "stack":
            return STACK
        if steady.frames_of(instruction)[0][0].startswith("message_"):
            return READ_AS_MESSAGE
        return WORKER if file in WORKERS else REST

    @staticmethod
    def decide(line, votes, processes, slabs):
        for kind in (GLOBAL, STACK):
            if kind in votes:
                return kind
        if line in processes:
            return PROCESS
        if MESSAGE in votes:
            return MESSAGE
        if line >> SLAB_BITS - LINE_BITS in slabs:
            return WORKER if "slab" in votes else MESSAGE if READ_AS_MESSAGE in votes else BLOCK
        return next((kind for kind in (TABLE, WORKER) if kind in votes), REST)


def windows(steady):
    """[(the function that was entered, line -> flags, lines of code)]: segments put together from cut to cut."""
    found = []
    for segment in steady.segments:
        if segment.cut is not None:
            found.append((segment.cut, {}, set()))
        _, lines, code = found[-1]
        code |= segment.code
        for line, flags in segment.lines.items():
            lines[line] = lines.get(line, 0) | flags
    return found


def touched(steady, kinds):
    """kind -> [lines touched, lines written] of an operation, and lines of code: means of the windows of each function,
    times how often an operation enters it."""
    sums = {cut: (collections.Counter(), collections.Counter(), collections.Counter()) for cut in steady.entries}
    for cut, lines, code in windows(steady):
        some, written, codes = sums[cut]
        codes["code"] += len(code)
        for line, flags in lines.items():
            some[kinds.by_line[line]] += 1
            written[kinds.by_line[line]] += flags & WRITE != 0
    result, code = {kind: [0.0, 0.0] for kind in KINDS}, 0.0
    for cut, (some, written, codes) in sums.items():
        factor = steady.all_entries[cut] / steady.ops / steady.entries[cut]
        code += codes["code"] * factor
        for kind in KINDS:
            result[kind][0] += some[kind] * factor
            result[kind][1] += written[kind] * factor
    return result, code


def moves(steady, kinds):
    """kind -> how often an operation moves a line of it, if each process has a core of its own"""
    holders, writer, found = {}, {}, collections.Counter()
    for segment in steady.segments:
        for line, flags in segment.lines.items():
            kind, me = kinds.by_line[line], segment.actor
            if kind in OF_THE_CORE or me is None or not flags & (OUTSIDE_POOL_READ | OUTSIDE_POOL_WRITE):
                continue
            has = holders.setdefault(line, set())
            if flags & OUTSIDE_POOL_WRITE:
                found[kind] += bool(has - {me})
                holders[line], writer[line] = {me}, me
            else:
                found[kind] += me not in has and line in writer
                has.add(me)
    return {kind: found[kind] / steady.operations() for kind in KINDS}
