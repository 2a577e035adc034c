#!/usr/bin/env python3
"""tidy.py: the rules of this tree that a program can check; ctest runs it as `tidy`.

    tidy.py [--library build/release/libtroupe.so] [--archive build/release/libtroupe.a] [--update]

includes   point down only (the floors below); behaviours/ and the public headers see only what they may
symbols    the shared library exports exactly what symbols.txt lists (--update writes the list anew), and so does the archive
docs       every public function and every public type stands directly under its comment
labels     every ordering label in a comment, as in "[MB1] release: ... pairs with [MB2]", has its partner, which names it back
format     clang-format 14 would change nothing
marks      no line says of itself that it is unfinished

Each finding is one line, FILE:LINE: check: what. The status is 1 if there is any."""

import argparse
import collections
import pathlib
import re
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
SYMBOLS = pathlib.Path(__file__).with_name("symbols.txt")

# The floors, lowest first; a file may include its own floor and those below it.
FLOORS = [
    ("runtime/base/", 0),
    ("runtime/memory/", 1),
    ("runtime/queue/", 2),
    ("runtime/sched/", 3),
    ("runtime/actor/", 4),
    ("runtime/sim/", 5),
    ("runtime/", 5),
    ("behaviours/", 6),
    ("bench/", 7),
    ("tools/", 7),
]
# The flavour of RCU is known in one place; liburcu's structures are known to those who are built on them.
URCU_FLAVOUR = re.compile(r"urcu\.h|urcu/urcu-\w+\.h|urcu-(?:memb|mb|qsbr|bp)\.h|urcu/(?:map|flavor)/.*")
URCU_FLAVOUR_HOME = "runtime/memory/"
URCU_FLAVOUR_HOMES = (URCU_FLAVOUR_HOME, "runtime/sim/")  # the simulator stands in for it
# What a public header may include beside other public headers: no libc type in the API but these.
PUBLIC_STANDARD = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h"}

Finding = collections.namedtuple("Finding", "file line check text")


def files(*patterns):
    found = []
    for pattern in patterns:
        found += (p for p in TOP.glob(pattern) if p.is_file() and "__pycache__" not in p.parts)
    return sorted(set(found))


def name_of(path):
    return path.relative_to(TOP).as_posix()


def sources():
    return files(*(f"{top}/**/*.{ext}" for top in ("include", "runtime", "behaviours", "bench", "tools", "tests") for ext in "ch"))


def without_strings(text):
    """String and character literals blanked, newlines kept, so that comments are found reliably."""
    literal = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return literal.sub(lambda m: m.group() if m.group()[0] == "/" else m.group()[0] + " " * (len(m.group()) - 2) + m.group()[0], text)


def comments(text):
    """(line, text) of each comment; the stars at the line starts are taken out."""
    for match in re.finditer(r"/\*(.*?)\*/|//([^\n]*)", without_strings(text), re.S):
        body = match.group(1) if match.group(1) is not None else match.group(2)
        yield text.count("\n", 0, match.start()) + 1, re.sub(r"\n[ \t]*\*?[ \t]?", "\n", body)


# --- includes


def floor_of(name):
    for prefix, floor in FLOORS:
        if name.startswith(prefix):
            return floor
    return None


def resolve(includer, target):
    """The file of this tree that an include with quotation marks means."""
    for base in (includer.parent, TOP / "runtime", TOP / "tests", TOP / "bench/workloads", TOP / "tools/troupe"):
        path = (base / target).resolve()
        if path.is_file() and path.is_relative_to(TOP):
            return name_of(path)
    return None


def judge_include(path, target, quoted):
    """None, or what is wrong with this include."""
    name = name_of(path)
    public = name.startswith("include/")
    if public:
        if not target.startswith("troupe/") and target not in PUBLIC_STANDARD:
            return f"a public header includes <{target}>"
        return None
    if not quoted:
        if URCU_FLAVOUR.fullmatch(target) and name.startswith(("runtime/", "behaviours/")) and not name.startswith(URCU_FLAVOUR_HOMES):
            return f"<{target}> names the flavour of RCU: only {URCU_FLAVOUR_HOME} knows it"
        if target.startswith("urcu") and not name.startswith(("runtime/", "tests/", "bench/floor/")):
            return f"<{target}>: liburcu is the runtime's own"
        return None
    floor = floor_of(name)
    found = resolve(path, target)
    if found is None:
        return f'"{target}" is no file of this tree'
    if name.startswith("behaviours/") and not found.startswith("behaviours/"):
        return f'"{target}": behaviours/ includes only <troupe/...>'
    if name.startswith(("tests/rules/", "tests/behaviour/", "tests/examples/", "tests/differential/")) and found.startswith("runtime/"):
        return f'"{target}": this test uses the public headers only'
    if floor is None:  # the other tests may look anywhere
        return None
    above = floor_of(found)
    if above is None:
        return f'"{target}" is {found}, outside of the floors'
    if above > floor:
        return f'"{target}" points up: {found} is floor {above}, this is floor {floor}'
    return None


def check_includes():
    for path in sources():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")', line)
            if match:
                wrong = judge_include(path, match.group(1) or match.group(2), match.group(2) is not None)
                if wrong:
                    yield Finding(name_of(path), number, "includes", wrong)
            elif name_of(path).startswith("include/") and re.search(r"\b_Atomic\b|\bcds_\w+|\brcu_\w+", line):
                yield Finding(name_of(path), number, "includes", "a public header shows an atomic or a liburcu type")


# --- symbols


def exported(library, *options):
    lines = subprocess.run(["nm", *options, "--defined-only", library], check=True, capture_output=True, text=True).stdout.splitlines()
    lines = [line.split() for line in lines if len(line.split()) == 3]
    return sorted({words[-1].split("@")[0] for words in lines if words[-2] not in "A"})


def check_symbols(library, update):
    have = exported(library, "-D")
    if update:
        SYMBOLS.write_text("".join(f"{name}\n" for name in have))
    want = SYMBOLS.read_text().split() if SYMBOLS.is_file() else []
    listed = name_of(SYMBOLS)
    for name in sorted(set(have) - set(want)):
        yield Finding(listed, 0, "symbols", f"{name} is exported and not listed: make it hidden, or run tidy.py --library ... --update")
    for name in sorted(set(want) - set(have)):
        yield Finding(listed, 0, "symbols", f"{name} is listed and not exported")
    for name in have:
        if not re.match(r"tr_|TR_", name):
            yield Finding(listed, 0, "symbols", f"{name} does not begin with tr_ or TR_")


def check_archive(archive):
    """What a program is linked with statically takes no other name away from it."""
    have, want, listed = set(exported(archive, "-g")), set(SYMBOLS.read_text().split()), name_of(SYMBOLS)
    for name in sorted(have - want):
        yield Finding(listed, 0, "symbols", f"{name} is global in the archive and not listed: make it hidden")
    for name in sorted(want - have):
        yield Finding(listed, 0, "symbols", f"{name} is listed and not in the archive")


# --- docs


def declarations(text):
    """(line, text) of each declaration at file level; comments, preprocessor lines and bodies are left out."""
    bare = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), without_strings(text), flags=re.S)
    bare = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group()), bare, flags=re.M)
    bare = re.sub(r'extern\s+"[^"]*"\s*\{', lambda m: re.sub(r"[^\n]", " ", m.group()), bare)
    depth, start = 0, None
    for at, char in enumerate(bare):
        if start is None and not char.isspace() and char not in ";}":
            start = at
        if char in "({[":
            depth += 1
        elif char in ")}]" and depth > 0:
            depth -= 1
        ends_body = char == "}" and start is not None and re.search(r"\)\s*\{", bare[start:at])
        if depth == 0 and start is not None and (char == ";" or ends_body):
            yield text.count("\n", 0, start) + 1, bare[start : at + 1]
            start = None


def function_name(declaration):
    """The name that a declaration gives to a function; None if it declares something else."""
    if declaration.startswith("typedef"):
        return None
    bare = re.sub(r"__attribute__\s*\(\(.*?\)\)|\bTR_PRINTF\s*\([^)]*\)", " ", declaration)
    match = re.search(r"\b(tr_\w+)\s*\(", bare)
    return match.group(1) if match else None


def check_docs():
    for path in files("include/troupe/*.h"):
        text = path.read_text()
        lines = text.splitlines()
        forward = set()  # lines of forward declarations: they may stand between a comment and its function
        for number, declaration in declarations(text):
            if re.fullmatch(r"struct \w+;", declaration.strip()):
                forward.add(number)
                continue
            name = function_name(declaration)
            if name is None:
                continue
            above = number - 1
            while above in forward:
                above -= 1
            if above < 1 or not lines[above - 1].rstrip().endswith("*/") or not is_comment_line(lines, above - 1):
                yield Finding(name_of(path), number, "docs", f"{name} has no comment directly before it")


def is_comment_line(lines, index):
    """Whether the comment that ends in this line began as one of its own, not behind some code."""
    while index >= 0 and "/*" not in lines[index]:
        index -= 1
    return index >= 0 and lines[index].lstrip().startswith("/*")


# --- labels

LABEL = re.compile(r"\[([A-Z]{1,6}[0-9]{1,3}[a-z]?)\]")
PAIRS = re.compile(r"pairs?\s+with((?:\s*(?:,|and|or|the|\w+\s+in|of)?\s*\[[A-Z]{1,6}[0-9]{1,3}[a-z]?\])+)")


def label_statements():
    """(file, line, label, partners): partners is empty where a comment only mentions the label."""
    for path in files("runtime/**/*.[chS]", "behaviours/**/*.[ch]", "include/**/*.h", "bench/**/*.[ch]"):
        for line, comment in comments(path.read_text()):
            partners_at = {}
            named = set()
            for pair in PAIRS.finditer(comment):
                before = [m for m in LABEL.finditer(comment, 0, pair.start()) if m.start() not in named]
                targets = list(LABEL.finditer(comment, pair.start(1), pair.end(1)))
                named.update(m.start() for m in targets)
                if before:
                    partners_at.setdefault(before[-1].start(), []).extend(m.group(1) for m in targets)
                else:
                    yield name_of(path), line, None, [m.group(1) for m in targets]
            for match in LABEL.finditer(comment):
                if match.start() not in named:
                    at = line + comment.count("\n", 0, match.start())
                    yield name_of(path), at, match.group(1), partners_at.get(match.start(), [])


def check_labels():
    partners, seen = collections.defaultdict(set), {}
    for file, line, label, targets in label_statements():
        if label is None:
            yield Finding(file, line, "labels", f"pairs with {', '.join(targets)}, but what does? no label stands before it")
            continue
        partners[label].update(targets)
        seen.setdefault(label, (file, line))
    for label, (file, line) in sorted(seen.items()):
        if not partners[label]:
            yield Finding(file, line, "labels", f"[{label}] names no partner anywhere: 'pairs with [..]'")
        for partner in sorted(partners[label]):
            if partner not in seen:
                yield Finding(file, line, "labels", f"[{label}] pairs with [{partner}], which nobody states")
            elif label not in partners[partner]:
                yield Finding(file, line, "labels", f"[{label}] pairs with [{partner}], which does not name it back")


# --- format


def check_format():
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout if tool else ""
    if not re.search(r"version 14\.", version):
        print("skipped by name: format: clang-format 14 is not installed")
        return
    # the examples stand as the manual prints them: short structs on one line
    paths = [str(p) for p in sources() if not name_of(p).startswith("tests/examples/")]
    for path in paths:
        run = subprocess.run([tool, "--dry-run", "-Werror", "--ferror-limit=1", path], capture_output=True, text=True)
        if run.returncode != 0:
            match = re.search(r":(\d+):\d+:", run.stderr)
            line = int(match.group(1)) if match else 0
            yield Finding(name_of(pathlib.Path(path)), line, "format", f"clang-format would change it: {tool.rsplit('/', 1)[-1]} -i")


# --- marks

MARKS = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")) + r")\b")


def check_marks():
    everything = files("*.md", "CMakeLists.txt", ".ci/*", *(f"{top}/**/*" for top in ("include", "runtime", "behaviours", "bench", "tools", "tests")))
    for path in everything:
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            match = MARKS.search(line)
            if match:
                yield Finding(name_of(path), number, "marks", f"{match.group()}: finish it, or write an issue")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", help="the shared library whose symbols are compared with symbols.txt")
    parser.add_argument("--archive", help="the static library whose symbols are compared with symbols.txt")
    parser.add_argument("--update", action="store_true", help="write symbols.txt anew from the library")
    options = parser.parse_args()
    checks = [check_includes(), check_docs(), check_labels(), check_format(), check_marks()]
    if options.library:
        checks.append(check_symbols(options.library, options.update))
    if options.archive:
        checks.append(check_archive(options.archive))
    else:
        print("skipped by name: symbols: this build has no shared library (--library)")
    findings = [finding for check in checks for finding in check]
    for finding in findings:
        print(f"{finding.file}:{finding.line}: {finding.check}: {finding.text}")
    print(f"tidy: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
