#!/usr/bin/env python3
"""run.py: mutants of the core, each with the test that must catch it.

    run.py [--list] [--kind KIND[,KIND...]] [--build DIR] [--sound] [NAME...]

A mutant is one small edit that leaves something out that the design says is needed (LIST beside this file). Each is
made in a copy of the tree, its catcher is built there and must fail; then the edit is taken back. A mutant that no
longer applies, does not compile, or is not caught is a finding. The kinds:

    unit, model, simulation, exhaustive   a test program of the ordinary build; it must say which test or which seed failed
    TSan                                  a test program of a build with clang's ThreadSanitizer, which must report a data race
    Promela                               mutants of the models (tests/models/run), with the property that catches each

--list prints the mutants with their catchers and runs nothing. --kind: only these. --sound: before its mutants, each
catcher runs on the tree as it is, where it must pass. Ends with 77 (skipped) if nothing could be run for want of a
tool."""

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
MODELS = TOP / "tests/models/run"
FIELDS = ("mutant", "why", "file", "old", "new", "kind", "target", "run")
KINDS = ("unit", "model", "simulation", "exhaustive", "TSan", "Promela")
BUILD_S, CATCHER_S = 900, 600
EVIDENCE = {"TSan": "WARNING: ThreadSanitizer: data race"}


def parse(block):
    """`field: text` a line. file, old and new may come again: one more edit, of the same file if none is named."""
    entry = {"edits": []}
    for line in block.strip().splitlines():
        field, text = re.match(r"(\w+): ?(.*)", line).groups()
        entry[field] = text
        if field == "new":
            entry["edits"].append((entry["file"], entry["old"], text))
    missing = [field for field in FIELDS if field not in entry]
    if missing or entry["kind"] not in KINDS[:-1]:
        sys.exit(f"{entry.get('mutant', block)}: no {', '.join(missing) or 'such kind'}")
    return entry


def mutants():
    """The entries of LIST: blocks, separated by empty lines; # begins a comment line."""
    text = "\n".join(line for line in LIST.read_text().splitlines() if not line.startswith("#"))
    return [parse(block) for block in re.split(r"\n\s*\n", text.strip())]


def print_list(chosen, kinds):
    for entry in chosen:
        print(f"{entry['mutant']:<38} {entry['kind']:<11} {entry['target']:<50} {entry['why']}")
    if "Promela" in kinds:
        listed = subprocess.run(["bash", str(MODELS), "--list"], capture_output=True, text=True, check=True).stdout
        for model, name, holds, what in (line.split("\t") for line in listed.splitlines()):
            print(f"{name:<38} {'Promela':<11} {model + ': ' + holds:<50} {what}")


def copy_tree(to):
    names = subprocess.run(["git", "-C", str(TOP), "ls-files"], capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, names):
        if (TOP / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, to / name)


class Workshop:
    """A copy of the tree with its build folders: one for each instrumentation, configured when it is first needed."""

    def __init__(self, folder):
        self.source, self.folder, self.sound = folder / "source", folder, set()
        copy_tree(self.source)

    def build_folder(self, kind):
        build = self.folder / ("tsan" if kind == "TSan" else "build")
        if not (build / "build.ninja").exists():
            how = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_C_FLAGS_RELEASE=-O1"]
            if kind == "TSan":
                how = ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS_DEBUG=-O1", "-DCMAKE_C_COMPILER=clang", "-DTR_SANITIZE=thread"]
            if shutil.which("ccache"):
                how.append("-DCMAKE_C_COMPILER_LAUNCHER=ccache")
            subprocess.run(["cmake", "-S", str(self.source), "-B", str(build), "-G", "Ninja", "-DTR_SHARED=OFF", "-DTR_CHECKS=OFF",
                            "-DTR_TESTS=ON", "-DTR_HARNESS=plain", *how], check=True, stdout=subprocess.DEVNULL)
        return build

    def run(self, entry):
        """Builds the catcher and runs it: (whether it failed, what it said); None instead of it: it does not compile,
        and why."""
        build = self.build_folder(entry["kind"])
        made = subprocess.run(["ninja", "-C", str(build), "-j2", entry["target"]], capture_output=True, text=True, timeout=BUILD_S)
        if made.returncode != 0:
            return None, next((line for line in made.stdout.splitlines() if "error" in line), made.stdout[-300:])
        environment, words = dict(os.environ), entry["run"].split()
        while "=" in words[0]:
            name, value = words.pop(0).split("=", 1)
            environment[name] = value
        if entry["kind"] == "TSan":
            environment["TSAN_OPTIONS"] = "halt_on_error=1" # one report is enough: thousands take minutes
        # ThreadSanitizer dies where addresses are randomized further than it expects
        command = (["setarch", "-R"] if entry["kind"] == "TSan" else []) + [str(build / "tests" / entry["target"]), *words[1:]]
        try:
            ended = subprocess.run(command, env=environment, cwd=build, capture_output=True, text=True, errors="replace",
                                   timeout=CATCHER_S)
        except subprocess.TimeoutExpired:
            return False, f"no verdict within {CATCHER_S} s"
        return ended.returncode != 0, ended.stdout + ended.stderr

    def try_mutant(self, entry, check_sound):
        """(whether it is caught, how)"""
        catcher = (entry["target"], entry["run"])
        if check_sound and catcher not in self.sound:
            failed, said = self.run(entry)
            if failed is not False:
                return False, f"the catcher fails without the mutant: {said[-300:]}"
            self.sound.add(catcher)
        before = {self.source / file: (self.source / file).read_text() for file, _, _ in entry["edits"]}
        after = dict(before)
        for file, old, new in entry["edits"]:
            if after[self.source / file].count(old) != 1:
                return False, f"the old text is in {file} {after[self.source / file].count(old)} times: {old}"
            after[self.source / file] = after[self.source / file].replace(old, new)
        try:
            for path, text in after.items():
                path.write_text(text)
            failed, said = self.run(entry)
        finally:
            for path, text in before.items():
                path.write_text(text)
        if failed is None:
            return False, f"does not compile: {said}"
        return failed and EVIDENCE.get(entry["kind"], "") in said, first_words(said)


def first_words(said):
    lines = said.splitlines()
    telling = [line for line in lines if line.startswith(("simulation ", "DIFFERS", "WARNING: ThreadSanitizer"))]
    failed = [line for line in lines if "failed" in line or "FAILED" in line]
    return next(iter(telling + failed), said[-100:])


def run_models(names):
    """Of all models, or of those that have one of the mutants; (how many were caught, how many there are, whether spin
    is there)."""
    listed = [line.split("\t")[:2] for line in
              subprocess.run(["bash", str(MODELS), "--list"], capture_output=True, text=True, check=True).stdout.splitlines()]
    models = sorted({model for model, name in listed if not names or name in names})
    if not models:
        return 0, 0, True
    ended = subprocess.run(["bash", str(MODELS), *models], capture_output=True, text=True)
    print(ended.stdout, end="", flush=True)
    caught = len(re.findall(r"^ok .*: caught by", ended.stdout, re.MULTILINE))
    there = sum(model in models for model, _ in listed)
    if ended.returncode not in (0, 77) and caught == there: # a model itself does not hold
        caught = 0
    return caught, there, ended.returncode != 77


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--kind", default=",".join(KINDS), help="of " + ", ".join(KINDS))
    parser.add_argument("--build", help="a folder that is kept, for repeated runs")
    parser.add_argument("--sound", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    kinds = options.kind.split(",")
    if set(kinds) - set(KINDS):
        parser.error(f"no such kind: {', '.join(sorted(set(kinds) - set(KINDS)))}")
    if "TSan" in kinds and not options.list and not (shutil.which("clang") and shutil.which("setarch")):
        print("SKIP mutants of kind TSan: clang or setarch is missing")
        kinds.remove("TSan")
    chosen = [entry for entry in mutants() if entry["kind"] in kinds and (not options.names or entry["mutant"] in options.names)]
    if options.list:
        print_list(chosen, kinds)
        return 0
    found, there = 0, len(chosen)
    work = pathlib.Path(options.build or tempfile.mkdtemp())
    workshop = Workshop(work) if chosen else None
    for entry in chosen:
        caught, how = workshop.try_mutant(entry, options.sound)
        found += caught
        print(f"{'caught' if caught else 'MISSED'}  {entry['mutant']:<38} {entry['kind']:<11} {how[:150]}", flush=True)
    if not options.build:
        shutil.rmtree(work)
    if "Promela" in kinds:
        caught, models, able = run_models(options.names)
        found, there = found + caught, there + (models if able else 0)
    if there == 0:
        return 77
    print(f"{found} of {there} mutants caught")
    return found != there


if __name__ == "__main__":
    sys.exit(main())
