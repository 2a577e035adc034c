"""A trace of every instruction and access of a run on one worker, by valgrind's lackey, and its steady part: from 40 to
90 hundredths of the times that the workload's functions were entered."""
import collections
import json
import os
import re
import subprocess
import threading

from . import program

FIRST, LAST = 0.4, 0.9
READ, WRITE, OUTSIDE_POOL_READ, OUTSIDE_POOL_WRITE = 1, 2, 4, 8
LINE_BITS = 6
TURN = "actor_run"  # begins each turn, and loads from the process's first line


class Mappings:
    """Where the objects lie, as the system said while the program ran."""

    def __init__(self, text):
        self.bases = {}
        for line in text.splitlines():
            words = line.split(maxsplit=5)
            if len(words) == 6 and words[5].startswith("/") and int(words[2], 16) == 0:
                self.bases.setdefault(words[5], int(words[0].split("-")[0], 16))
        self.ranges = [(self.bases[path], path, self.end_of(text, path)) for path in self.bases]

    @staticmethod
    def end_of(text, path):
        return max(int(line.split("-")[1].split()[0], 16) for line in text.splitlines() if line.endswith(path))

    def place(self, address):
        """(object, address in it), or None; the variables behind what is in the file count"""
        for base, path, end in self.ranges:
            if base <= address < end + (1 << 20 if path.endswith("/troupe") else 0):
                return path, address - base
        return None


def run(command, limit_s):
    """(trace, mappings, ops): the bytes that lackey wrote, where the objects were, the operations of the whole run"""
    reading, writing = os.pipe()
    valgrind = ["valgrind", "--tool=lackey", "--basic-counts=no", "--trace-mem=yes", f"--log-fd={writing}"]
    process = subprocess.Popen(
        [*valgrind, *command], pass_fds=(writing,), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    killer = threading.Timer(limit_s, process.kill)
    killer.start()
    parts, maps = [], ""
    with open(reading, "rb", buffering=0) as stream:
        while part := stream.read(1 << 20):
            parts.append(part)
            try:
                with open(f"/proc/{process.pid}/maps", encoding="utf-8") as now:
                    maps = now.read() or maps
            except OSError:
                pass
    words, errors = process.communicate()
    killer.cancel()
    lines = [line for line in words.splitlines() if line.startswith("{")]
    if process.returncode != 0 or not lines:
        raise SystemExit(f"where: {' '.join(command)} failed under lackey:\n{errors[-1000:]}")
    return b"".join(parts), Mappings(maps), json.loads(lines[-1])["ops"]


class Segment:
    """What was touched between two cuts, or between a cut and the next turn."""

    __slots__ = ("cut", "actor", "lines", "code")

    def __init__(self, cut, actor):
        self.cut, self.actor = cut, actor
        self.lines, self.code = {}, set()


def entries(trace, mappings, path, names):
    """[(position in the trace, name)] of each entry to one of the functions"""
    base, found = mappings.bases[path], {}
    for name in names:
        for address in program.symbols(path).get(name, ()):
            found[b"%08x" % (base + address)] = name
    if missing := set(names) - set(found.values()):
        raise SystemExit(f"where: no function {', '.join(sorted(missing))} in {path}")
    pattern = re.compile(rb"^I  (" + b"|".join(found) + rb"),", re.M)
    return [(match.start(), found[match.group(1)]) for match in pattern.finditer(trace)]


class Steady:
    """The steady part: segments, what each instruction touched, how often each ran, how often each function was
    entered in it and in the whole trace."""

    def __init__(self, trace, mappings, path, cuts, ops):
        self.mappings, self.path, self.ops = mappings, path, ops
        marks = entries(trace, mappings, path, cuts)
        self.all_entries = collections.Counter(name for _, name in marks)
        first, last = int(FIRST * len(marks)), int(LAST * len(marks))
        if last - first < 20:
            raise SystemExit(f"where: {len(marks)} entries to {', '.join(cuts)} are too few for a steady part")
        self.entries = collections.Counter(name for _, name in marks[first:last])
        names = {trace[at + 3 : trace.index(b",", at)]: name for at, name in marks}
        turns = {b"%08x" % (mappings.bases[path] + at) for at in program.symbols(path)[TURN]}
        self.in_pool, self.nothing, self.frames = {}, {}, {}
        self.counts = [collections.Counter() for _ in range(3)]  # of each instruction: executed, loads, stores
        self.touched = set()  # (address of the instruction, line, whether it stores)
        self.segments = self.cut_up(trace[marks[first][0] : marks[last][0]], names, turns)

    def cut_up(self, text, names, turns):
        segments, segment = [], Segment(None, None)
        executed, loads, stores, touched = *self.counts, self.touched
        here, pool, nothing, wants_actor = 0, False, False, False
        for line in text.split(b"\n"):
            kind = line[1:2]
            if kind == b" ":  # I
                digits = line[3 : line.find(b",")]
                if digits in names:
                    segment = Segment(names[digits], segment.actor)
                    segments.append(segment)
                elif digits in turns:
                    wants_actor = True
                here = int(digits, 16)
                executed[here] += 1
                pool, nothing = self.is_in_pool(here), self.is_nothing(here)
                segment.code.add(here >> LINE_BITS)
            elif kind in (b"L", b"S", b"M") and not nothing:
                loads[here] += kind != b"S"
                stores[here] += kind != b"L"
                address, _, size = line[3:].partition(b",")
                address = int(address, 16)
                if wants_actor and kind == b"L" and self.is_of_the_actor(here, address):
                    wants_actor = False
                    segment = Segment(None, address >> LINE_BITS)
                    segments.append(segment)
                flags = READ if kind == b"L" else WRITE if kind == b"S" else READ | WRITE
                flags |= 0 if pool else flags << 2
                for at in range(address >> LINE_BITS, (address + int(size) - 1 >> LINE_BITS) + 1):
                    segment.lines[at] = segment.lines.get(at, 0) | flags
                    touched.add((here, at, kind == b"S"))
        return segments

    def is_on_stack(self, address, stores):
        place = self.mappings.place(address)
        return place is not None and program.is_on_stack(*place, stores)

    def is_of_the_actor(self, instruction, address):
        """Of the loads at the head of a turn: neither the stack, nor what is thread-local, nor global."""
        if self.is_on_stack(instruction, False) or self.is_thread_local(instruction):
            return False
        return self.mappings.place(address) is None

    def is_in_pool(self, address):
        if address not in self.in_pool:
            self.in_pool[address] = self.file_of(address).startswith("pool")
        return self.in_pool[address]

    def is_nothing(self, address):
        if address not in self.nothing:
            place = self.mappings.place(address)
            self.nothing[address] = place is not None and program.touches_nothing(*place)
        return self.nothing[address]

    def is_locked(self, address):
        place = self.mappings.place(address)
        return place is not None and program.is_locked(*place)

    def is_thread_local(self, address):
        place = self.mappings.place(address)
        return place is not None and program.is_thread_local(*place)

    def file_of(self, address):
        """The file of the innermost function that stands there."""
        return self.frames_of(address)[0][1].rpartition("/")[2]

    def frames_of(self, address):
        if address not in self.frames:
            place = self.mappings.place(address)
            if place is None:
                self.frames[address] = [("?", "?")]
            elif place[0] == self.path:
                self.frames[address] = program.all_frames(self.path).get(place[1], [("?", self.path)])
            else:
                self.frames[address] = [("?", place[0])]
        return self.frames[address]

    def operations(self):
        """How many are in the steady part."""
        return self.ops * sum(self.entries.values()) / sum(self.all_entries.values())

    def costs(self):
        """(object, address) -> [instructions, loads, stores] of an operation, as callgrind would count them"""
        ops = self.operations()
        return {
            self.mappings.place(address) or ("?", address): [counts[address] / ops for counts in self.counts]
            for address in self.counts[0]
        }
