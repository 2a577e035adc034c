#!/usr/bin/env python3
"""coverage.py: branches from llvm-cov's exports as a table, those that were not taken beside a list of reasons;
tools/coverage runs it.

    coverage.py TOP LIST UNCOVERED.txt EXPORT.json...

A branch is one way out of one condition in the source: each condition has two. The same condition of an inline function
in several programs, or of the runtime and of the simulated runtime, is one: it counts as taken if any took it. A
condition in a macro is one for each place that the macro is used in.

LIST (tests/coverage/UNCOVERED) names branches that are never taken, or sometimes, by file, function, way and the
condition's text, so that moved lines do not matter. What was not taken and is not on it is printed, as is what is never
taken and was, and an entry whose condition is nowhere; each makes the status 1, as do fewer than 95 % taken of all."""

import collections
import json
import pathlib
import re
import sys

FOLDERS = ("behaviours/", "runtime/")
WAYS = ("true", "false")
KEY = re.compile(r"(\w+): (never|sometimes) (true|false): (\S.*)")
LEAST_PERCENT = 95
EXPANSION = 1  # llvm-cov's number for such a region
ASSERTION = "tr_check("

# Of several conditions that a macro has in one place, and that have the same text, `part` counts.
Place = collections.namedtuple("Place", "file line column part")
Branch = collections.namedtuple("Branch", "place function way condition")


class Sources:
    """The text of the files of the tree, by name relative to it."""

    def __init__(self, top):
        self.top = top
        self.lines = {}
        self.names = {}

    def name(self, file):
        if file not in self.names:
            path = pathlib.Path(file).resolve()
            self.names[file] = path.relative_to(self.top).as_posix() if path.is_relative_to(self.top) else ""
        return self.names[file]

    def of(self, name):
        if name not in self.lines:
            self.lines[name] = (self.top / name).read_text().splitlines()
        return self.lines[name]

    def between(self, name, line, column, last_line, last_column):
        """A region's text in one line, without comments. One that ends with a macro's name goes on to the end of its
        arguments: clang ends it at either place, as the macro is defined, which for the atomic operations differs in
        the simulated runtime."""
        lines = self.of(name)
        last = lines[last_line - 1]
        if re.search(r"\w$", last[: last_column - 1]) and last[last_column - 1 : last_column] == "(":
            last_line, last_column = self.after_arguments(name, last_line, last_column)
        part = lines[line - 1 : last_line]
        part[-1] = part[-1][: last_column - 1]
        part[0] = part[0][column - 1 :]
        text = re.sub(r"/\*.*?\*/", " ", " ".join(p.rstrip("\\") for p in part))
        return " ".join(text.split())

    def after_arguments(self, name, line, column):
        """Line and column behind the bracket that closes the one at this place."""
        lines, depth = self.of(name), 0
        while True:
            for at, character in enumerate(lines[line - 1][column - 1 :], column):
                depth += (character == "(") - (character == ")")
                if depth == 0:
                    return line, at + 1
            line, column = line + 1, 1


def conditions_of(function, sources):
    """(place, text, times true, times false) of the conditions of a function of runtime/ or behaviours/. One in a macro
    stands where the macro is used: the export has each expansion as a file of its own, and regions that say where it
    is."""
    expansions = {region[6]: (region[5], region[:4]) for region in function["regions"] if region[7] == EXPANSION}
    parts = collections.Counter()
    for *where, true, false, number, _, _ in function["branches"]:
        while number in expansions:
            number, where = expansions[number]
        name = sources.name(function["filenames"][number])
        if name.startswith(FOLDERS):
            text = sources.between(name, *where)
            place = (name, *where[:2])
            yield Place(*place, parts[place, text]), text, true, false
            parts[place, text] += 1


def branches_of(exports, sources):
    """Branch -> how often it was taken, for both ways of each condition. A function has the name that it has in the
    first export: the simulated runtime may rename it."""
    functions, taken = {}, collections.Counter()
    for export in exports:
        for data in json.loads(export.read_text())["data"]:
            for function in data["functions"]:
                name = function["name"].rpartition(":")[2]
                for place, text, *counts in conditions_of(function, sources):
                    named = functions.setdefault((place, text), name)
                    for way, count in zip(WAYS, counts):
                        taken[Branch(place, named, way, text)] += count
    return taken


def key_of(branch):
    return branch.place.file, branch.function, branch.way, branch.condition


def without_ends(taken, never):
    """The same counts, but 0 for assertions that never fail. A way that has no counter of its own is the difference of
    two: a process that ends while a thread of it is inside of the assertion's expression looks as if that were false,
    which it would have said. Of several with one text those are meant that were taken least."""
    left, counts = never.copy(), dict(taken)
    for branch, count in sorted(taken.items(), key=lambda entry: entry[1]):
        if branch.condition.startswith(ASSERTION) and left[key_of(branch)] > 0:
            left[key_of(branch)] -= 1
            counts[branch] = 0
    return counts


def read_list(path):
    """How often each key is listed as never taken, and as sometimes, and what is wrong with the list."""
    listed, wrong = {"never": collections.Counter(), "sometimes": collections.Counter()}, []
    file, open_keys = None, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        key = KEY.fullmatch(line)
        if line.startswith("["):
            file = line.strip("[]")
        elif line[0].isspace():
            open_keys = []
        elif key and file:
            listed[key.group(2)][file, key.group(1), key.group(3), key.group(4)] += 1
            open_keys.append(number)
            continue
        else:
            wrong.append(f"{path}:{number}: neither [FILE], nor FUNCTION: never|sometimes WAY: CONDITION, nor an indented reason\n")
        wrong += [f"{path}:{n}: no reason\n" for n in open_keys]
        open_keys = []
    wrong += [f"{path}:{n}: no reason\n" for n in open_keys]
    return listed, wrong


def table(taken):
    """Prints how many were taken of each file, each folder, and all, and returns the percentage of all."""
    sums = collections.defaultdict(lambda: [0, 0])
    for branch, count in taken.items():
        file = branch.place.file
        for name in (file, file.rpartition("/")[0] + "/", "all", "all but the simulator"):
            if name != "all but the simulator" or not file.startswith("runtime/sim/"):
                sums[name][0] += count > 0
                sums[name][1] += 1
    kinds = [[n for n in sums if n.endswith((".c", ".h"))], [n for n in sums if n.endswith("/")], [n for n in sums if n.startswith("all")]]
    for name in (name for kind in kinds for name in sorted(kind)):
        have, all_ = sums[name]
        print(f"{name:40} {have:5} of {all_:5}  {100 * have / all_:6.1f} %")
    return 100 * sums["all"][0] / sums["all"][1]


def compare(taken, missing, never, sometimes):
    """What was not taken and is on neither list; the lines that say which entries are wrong: of what is not there, or
    was taken."""
    there = collections.Counter(map(key_of, taken))
    left = never + sometimes
    wrong = [f"[{key[0]}] {key[1]}: {key[2]}: {key[3]}: the source has {there[key]} of these, the list {count}\n"
             for key, count in sorted(left.items()) if count > there[key]]
    unlisted = []
    for branch in missing:
        left[key_of(branch)] -= 1
        if left[key_of(branch)] < 0:
            unlisted.append(branch)
    absent = collections.Counter(map(key_of, missing))
    wrong += [f"[{key[0]}] {key[1]}: never {key[2]}: {key[3]}: taken\n"
              for key, count in sorted(never.items()) if absent[key] < count <= there[key]]
    return unlisted, wrong


def main():
    top, listing, out, *exports = (pathlib.Path(a) for a in sys.argv[1:])
    try:
        taken = branches_of(exports, Sources(top))
    except IndexError:
        sys.exit("coverage.py: the sources are no longer those that were compiled: run tools/coverage again")
    listed, findings = read_list(listing)
    taken = without_ends(taken, listed["never"])
    missing = sorted(branch for branch, count in taken.items() if count == 0)
    unlisted, wrong = compare(taken, missing, listed["never"], listed["sometimes"])
    findings += [f"{listing}: {line}" for line in wrong]

    def line_of(branch):
        place = branch.place
        return f"{place.file}:{place.line}:{place.column}: {branch.function}: never {branch.way}: {branch.condition}\n"

    out.write_text("".join(map(line_of, missing)))
    percent = table(taken)
    if percent < LEAST_PERCENT:
        findings.append(f"{percent:.1f} % of all branches were taken, fewer than {LEAST_PERCENT} %\n")
    print(f"{len(missing)} branches were not taken ({out}), {len(missing) - len(unlisted)} of them for a reason on the list, "
          f"which has {sum(listed['never'].values())} that are never taken and {sum(listed['sometimes'].values())} that are sometimes.")
    if unlisted:
        print("Not taken, and not on the list:")
    sys.stdout.write("".join(map(line_of, unlisted)) + "".join(findings))
    return 1 if unlisted or findings else 0


if __name__ == "__main__":
    sys.exit(main())
