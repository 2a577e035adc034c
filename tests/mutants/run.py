#!/usr/bin/env python3
"""run.py: mutants of the core, each with the test that must catch it.

    run.py [--list] [--build DIR] [NAME...]

A mutant is one small edit of one file that leaves something out that the design says is needed (LIST beside this file). Each is
made in a copy of the tree, its catcher is built there and must fail; then the edit is taken back. A mutant that no longer applies,
does not compile, or is not caught is a finding. --list prints the mutants with their catchers and runs nothing."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
LIST = pathlib.Path(__file__).with_name("LIST")
FIELDS = ("mutant", "why", "file", "old", "new", "kind", "target", "run")
BUILD_S, CATCHER_S = 900, 300


def mutants():
    """The entries of LIST: blocks of `field: text`, separated by empty lines; # begins a comment line."""
    text = "\n".join(line for line in LIST.read_text().splitlines() if not line.startswith("#"))
    for block in re.split(r"\n\s*\n", text.strip()):
        entry = dict(re.match(r"(\w+): ?(.*)", line).groups() for line in block.strip().splitlines())
        missing = [field for field in FIELDS if field not in entry]
        if missing:
            sys.exit(f"{entry.get('mutant', block)}: no {', '.join(missing)}")
        yield entry


def copy_tree(to):
    names = subprocess.run(["git", "-C", str(TOP), "ls-files"], capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, names):
        if (TOP / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, to / name)


def configure(source, build):
    command = ["cmake", "-S", str(source), "-B", str(build), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
               "-DCMAKE_C_FLAGS_RELEASE=-O1", "-DTR_SHARED=OFF", "-DTR_CHECKS=OFF", "-DTR_HARNESS=plain"]
    if shutil.which("ccache"):
        command.append("-DCMAKE_C_COMPILER_LAUNCHER=ccache")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def make(build, target):
    return subprocess.run(["ninja", "-C", str(build), "-j2", target], capture_output=True, text=True, timeout=BUILD_S)


def catches(entry, build):
    """Whether the catcher fails: the mutant is found."""
    environment = dict(os.environ)
    words = entry["run"].split()
    while "=" in words[0]:
        name, value = words.pop(0).split("=", 1)
        environment[name] = value
    try:
        ended = subprocess.run([str(build / "tests" / entry["target"]), *words[1:]], env=environment, cwd=build, capture_output=True,
                               text=True, timeout=CATCHER_S)
    except subprocess.TimeoutExpired:
        return True, "hung"
    said = [line for line in (ended.stdout + ended.stderr).splitlines() if "rerun" not in line and "PASS" not in line]
    return ended.returncode != 0, next((line for line in said if line.startswith("simulation ") or "failed" in line), "")


def try_mutant(entry, source, build):
    path = source / entry["file"]
    before = path.read_text()
    if before.count(entry["old"]) != 1:
        return False, f"the old text is there {before.count(entry['old'])} times"
    path.write_text(before.replace(entry["old"], entry["new"]))
    try:
        made = make(build, entry["target"])
        if made.returncode != 0:
            return False, "does not compile: " + next((l for l in made.stdout.splitlines() if "error" in l), "")
        return catches(entry, build)
    finally:
        path.write_text(before)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--build", help="a folder that is kept, for repeated runs")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = [entry for entry in mutants() if not options.names or entry["mutant"] in options.names]
    if options.list:
        for entry in chosen:
            print(f"{entry['mutant']:<34} {entry['kind']:<11} {entry['target']:<34} {entry['why']}")
        return 0
    work = pathlib.Path(options.build or tempfile.mkdtemp())
    source, build = work / "source", work / "build"
    copy_tree(source)
    configure(source, build)
    found = 0
    for entry in chosen:
        caught, how = try_mutant(entry, source, build)
        found += caught
        print(f"{'caught' if caught else 'MISSED'}  {entry['mutant']:<34} {entry['kind']:<11} {how[:150]}", flush=True)
    print(f"{found} of {len(chosen)} mutants caught")
    if not options.build:
        shutil.rmtree(work)
    return found != len(chosen) or not chosen


if __name__ == "__main__":
    sys.exit(main())
