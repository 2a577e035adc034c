#!/usr/bin/env python3
"""coverage.py: branches from llvm-cov's export as a table, and a list of those that were not taken; tools/coverage runs it.

    coverage.py EXPORT.json TOP UNCOVERED.txt

A branch is one way out of one condition in the source: each condition has two. The same condition of an inline function in several
programs is one: it counts as taken if any took it."""

import collections
import json
import pathlib
import sys


def branches_of(export):
    """(file, line, column) -> [times true, times false]"""
    taken = collections.defaultdict(lambda: [0, 0])
    for data in export["data"]:
        for function in data["functions"]:
            files = function["filenames"]
            for branch in function["branches"]:
                line, column, _, _, true, false, file, *_ = branch
                counts = taken[files[file], line, column]
                counts[0] += true
                counts[1] += false
    return taken


def main():
    export, top, out = (pathlib.Path(a) for a in sys.argv[1:])
    taken = branches_of(json.loads(export.read_text()))
    per_file = collections.defaultdict(lambda: [0, 0])
    missing = []
    for (file, line, column), counts in sorted(taken.items()):
        path = pathlib.Path(file).resolve()
        if not path.is_relative_to(top):
            continue
        name = path.relative_to(top).as_posix()
        if not name.startswith(("runtime/", "behaviours/")):
            continue
        source = path.read_text().splitlines()[line - 1].strip()
        for way, count in zip(("true", "false"), counts):
            per_file[name][1] += 1
            if count:
                per_file[name][0] += 1
            else:
                missing.append(f"{name}:{line}:{column}: never {way}: {source}\n")
    out.write_text("".join(missing))
    total = [0, 0]
    for name, (have, all_) in sorted(per_file.items()):
        print(f"{name:40} {have:5} of {all_:5}  {100 * have / all_:6.1f} %")
        total[0] += have
        total[1] += all_
    print(f"{'all':40} {total[0]:5} of {total[1]:5}  {100 * total[0] / max(total[1], 1):6.1f} %")
    print(f"{len(missing)} branches were not taken: {out}")


if __name__ == "__main__":
    main()
