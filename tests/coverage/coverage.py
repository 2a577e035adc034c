#!/usr/bin/env python3
"""coverage.py: branches from llvm-cov's exports as a table, those that were not taken beside a list of reasons; tools/coverage runs it.

    coverage.py TOP LIST UNCOVERED.txt EXPORT.json...

A branch is one way out of one condition in the source: each condition has two. The same condition of an inline function in several
programs, or of the runtime and of the simulated runtime, is one: it counts as taken if any took it.

LIST (tests/coverage/UNCOVERED) names branches that need not be taken, by file, function, way and the condition's text, so that moved lines
do not matter. What was not taken and is not on it is printed, as is an entry whose condition is nowhere; either makes the status 1."""

import collections
import json
import pathlib
import re
import sys

WAYS = ("true", "false")
KEY = re.compile(r"(\w+): never (true|false): (\S.*)")

Place = collections.namedtuple("Place", "file line column")
Branch = collections.namedtuple("Branch", "place function way condition")


class Sources:
    """The text of the files of the tree, by name relative to it."""

    def __init__(self, top):
        self.top = top
        self.lines = {}

    def name(self, file):
        path = pathlib.Path(file).resolve()
        return path.relative_to(self.top).as_posix() if path.is_relative_to(self.top) else ""

    def of(self, name):
        if name not in self.lines:
            self.lines[name] = (self.top / name).read_text().splitlines()
        return self.lines[name]

    def between(self, name, line, column, last_line, last_column):
        """A region's text in one line, without comments."""
        part = self.of(name)[line - 1 : last_line]
        part[-1] = part[-1][: last_column - 1]
        part[0] = part[0][column - 1 :]
        text = re.sub(r"/\*.*?\*/", " ", " ".join(p.rstrip("\\") for p in part))
        return " ".join(text.split())

    def macro(self, name, line):
        """The macro in whose definition a line stands, or None."""
        lines = self.of(name)
        while line > 1 and lines[line - 2].endswith("\\"):
            line -= 1
        found = re.match(r"\s*#\s*define\s+(\w+)", lines[line - 1])
        return found and found.group(1)


def branches_of(exports, sources):
    """Branch -> how often it was taken, for both ways of each condition of runtime/ and behaviours/"""
    names, taken = {}, collections.Counter()
    for export in exports:
        for data in json.loads(export.read_text())["data"]:
            for function in data["functions"]:
                for branch in function["branches"]:
                    file = function["filenames"][branch[6]]
                    if file not in names:
                        names[file] = sources.name(file)
                    name = names[file]
                    if not name.startswith(("runtime/", "behaviours/")):
                        continue
                    where = sources.macro(name, branch[0]) or function["name"].rpartition(":")[2]
                    condition = sources.between(name, *branch[:4])
                    for way, count in zip(WAYS, branch[4:6]):
                        taken[Branch(Place(name, *branch[:2]), where, way, condition)] += count
    return taken


def key_of(branch):
    return branch.place.file, branch.function, branch.way, branch.condition


def read_list(path):
    """How often each key is listed, and what is wrong with the list."""
    listed, wrong = collections.Counter(), []
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
            listed[file, key.group(1), key.group(2), key.group(3)] += 1
            open_keys.append(number)
            continue
        else:
            wrong.append(f"{path}:{number}: neither [FILE], nor FUNCTION: never WAY: CONDITION, nor an indented reason\n")
        wrong += [f"{path}:{n}: no reason\n" for n in open_keys]
        open_keys = []
    wrong += [f"{path}:{n}: no reason\n" for n in open_keys]
    return listed, wrong


def table(taken):
    per_file = collections.defaultdict(lambda: [0, 0])
    for branch, count in taken.items():
        for name in (branch.place.file, "all", "all but the simulator"):
            if name != "all but the simulator" or not branch.place.file.startswith("runtime/sim/"):
                per_file[name][0] += count > 0
                per_file[name][1] += 1
    for name, (have, all_) in sorted(per_file.items(), key=lambda item: (item[0].startswith("all"), item[0])):
        print(f"{name:40} {have:5} of {all_:5}  {100 * have / all_:6.1f} %")


def main():
    top, listing, out, *exports = (pathlib.Path(a) for a in sys.argv[1:])
    try:
        taken = branches_of(exports, Sources(top))
    except IndexError:
        sys.exit("coverage.py: the sources are no longer those that were compiled: run tools/coverage again")
    listed, findings = read_list(listing)
    there = collections.Counter(map(key_of, taken))
    findings += [f"{listing}: [{key[0]}] {key[1]}: never {key[2]}: {key[3]}: the source has {there[key]} of these, the list {count}\n"
                 for key, count in sorted(listed.items()) if count > there[key]]
    missing = sorted(branch for branch, count in taken.items() if count == 0)
    unlisted, left = [], listed.copy()
    for branch in missing:
        left[key_of(branch)] -= 1
        if left[key_of(branch)] < 0:
            unlisted.append(branch)

    def line_of(branch):
        place = branch.place
        return f"{place.file}:{place.line}:{place.column}: {branch.function}: never {branch.way}: {branch.condition}\n"

    out.write_text("".join(map(line_of, missing)))
    table(taken)
    print(f"{len(missing)} branches were not taken ({out}), {len(missing) - len(unlisted)} of them for a reason on the list, "
          f"which has {sum(listed.values())}.")
    if unlisted:
        print("Not taken, and not on the list:")
    sys.stdout.write("".join(map(line_of, unlisted)) + "".join(findings))
    return 1 if unlisted or findings else 0


if __name__ == "__main__":
    sys.exit(main())
