#!/usr/bin/env python3
"""clang_tidy.py BUILD [FILE...]: clang-tidy over every C source of BUILD/compile_commands.json (or the files named),
several at a time; the settings are the tree's .clang-tidy. Prints what it finds and ends with 1 if that is anything; 77
without clang-tidy."""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

# What gcc is told and clang would only warn about
DROP = re.compile(r"^(?:.*warning: optimization flag .*|\d+ warnings? (?:treated as errors?|generated).*|Suppressed .*|Use -header-filter.*)$\n?", re.M)


def check(tool, build, source):
    started = time.monotonic()
    run = subprocess.run([tool, "-p", build, "--quiet", source], capture_output=True, text=True)
    said = DROP.sub("", run.stdout + run.stderr).strip()
    return source, run.returncode, said, time.monotonic() - started


def main():
    tool = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")
    if tool is None:
        print("skipped: clang-tidy is not installed")
        return 77
    build = sys.argv[1]
    wanted = [str(pathlib.Path(f).resolve()) for f in sys.argv[2:]]
    database = json.loads((pathlib.Path(build) / "compile_commands.json").read_text())
    sources = sorted({entry["file"] for entry in database if entry["file"].endswith(".c")})
    if wanted:
        sources = [source for source in sources if source in wanted]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for source, status, said, seconds in pool.map(lambda source: check(tool, build, source), sources):
            if status != 0:
                failed += 1
                print(f"{source}: {seconds:.1f} s\n{said}\n")
    print(f"clang-tidy: {len(sources)} sources, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
