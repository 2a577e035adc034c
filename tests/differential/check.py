"""check.py: Troupe's outcomes beside those of Erlang/OTP, and both before the model.

    check.py kept PROGRAM                      the kept scenarios: what ctest runs as differential.kept; needs no Erlang
    check.py live PROGRAM FOLDER [COUNT SEED]  new scenarios on both: ctest's differential.live; 77 without Erlang
    check.py record PROGRAM FOLDER [FILE...]   records the outcomes of the kept scenarios anew
    check.py keep PROGRAM FOLDER COUNT SEED    makes new kept files; those with several outcomes first

PROGRAM is build/release/tests/differential; in FOLDER the Erlang module is compiled. What must hold:

  - an outcome of Troupe is one that OTP showed, or the model allows it
  - an outcome of OTP is allowed by the model, else the model is wrong
  - a kept outcome (line `otp`) is shown by Troupe, too, sooner or later. `sync` stands before what only OTP can show, since Troupe
    makes links and monitors at once; `rare` before what Troupe may show, but showed too seldom when it was recorded"""

import collections
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import generate
import model
import scenario as language

HERE = pathlib.Path(__file__).parent
KEPT = HERE / "kept"
OTP_RUNS = 200
HANGS_S = 300  # protection only
# Runs of a scenario on Troupe, as (runs, workers): the first rounds always, the others until everything kept was seen
FIRST = ((96, 1), (64, 2))
MORE = ((400, 1), (400, 2), (2000, 1), (2000, 4), (8000, 2))
RECORD = ((800, 1), (400, 2), (400, 4))
SELDOM = 8  # of the runs of RECORD: what was seen less often is `rare`


def run(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S)
    except subprocess.TimeoutExpired as hung:
        said = (hung.stdout or b"").decode().splitlines()
        last = [line for line in said if line.startswith("scenario ")][-1:]
        sys.exit(f"{' '.join(map(str, command))}: hangs behind {last[0] if last else 'its start'}")
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return language.read_outcomes(done.stdout.splitlines())


def with_file(scenarios, use):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(s.text(outcomes=False) for s in scenarios))
        file.flush()
        return use(file.name)


def on_troupe(program, scenarios, rounds, seed=1):
    """{scenario: {outcome: how often}}"""
    found = {s.name: collections.Counter() for s in scenarios}

    def all_rounds(path):
        for runs, workers in rounds:
            seen = run([*program.split(), f"runs={runs}", f"workers={workers}", "beside=32", f"seed={seed}", path])
            for name, outcomes in seen.items():
                found[name].update(outcomes)
    with_file(scenarios, all_rounds)
    return found


def on_otp(folder, scenarios, seed=1):
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    subprocess.run(["erlc", "-o", folder, HERE / "differential.erl"], check=True)
    return with_file(scenarios, lambda path: run(["erl", "-noshell", "+S", "2", "-pa", folder, "-s", "differential", "main", path,
                                                  str(OTP_RUNS), str(seed)]))


def judge(task):
    """(scenario, outcome, strong) -> whether the model allows it."""
    scenario, outcome, strong = task
    try:
        return model.allowed(scenario, outcome, strong=strong)
    except model.TooLarge:
        return None


def judge_all(tasks):
    with concurrent.futures.ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        return list(pool.map(judge, tasks, chunksize=16))


class Verdict:
    """What was wrong."""

    def __init__(self):
        self.wrong = 0

    def say(self, scenario, what, outcome, count):
        self.wrong += 1
        print(f"{what}, {count} times: {outcome}\n{scenario.text(outcomes=False)}", flush=True)


def judge_outcomes(verdict, scenarios, found, known, who):
    """Whether the model allows what was found and is not known; returns how many it was asked about."""
    tasks = [(s, outcome, False) for s in scenarios for outcome in sorted(found[s.name]) if outcome not in known(s)]
    for (s, outcome, _), allowed in zip(tasks, judge_all(tasks)):
        if not allowed:
            what = "is not allowed" if allowed is False else "is more than the model can search"
            verdict.say(s, f"An outcome of {who} {what}", outcome, found[s.name][outcome])
    return len(tasks)


# --- kept scenarios


def kept_files():
    return sorted(KEPT.glob("*.txt"))


def read_kept(path):
    """[(scenario, {outcome: mark})]: the marks are otp, sync, rare."""
    found = []
    for s in language.read(path.read_text().splitlines()):
        marks = {}
        for line in s.outcomes:
            mark, _, outcome = line.partition(" ")
            marks[outcome] = mark
        found.append((s, marks))
    return found


def kept(program):
    pairs = [pair for path in kept_files() for pair in read_kept(path)]
    scenarios = [s for s, _ in pairs]
    marks = {s.name: m for s, m in pairs}
    verdict = Verdict()
    found = on_troupe(program, scenarios, FIRST)
    for number, round_ in enumerate(MORE):
        late = [s for s in scenarios if any(m == "otp" and o not in found[s.name] for o, m in marks[s.name].items())]
        if not late:
            break
        for name, outcomes in on_troupe(program, late, (round_,), seed=number + 2).items():
            found[name].update(outcomes)
    for s in scenarios:
        for outcome, mark in marks[s.name].items():
            if mark == "otp" and outcome not in found[s.name]:
                verdict.say(s, "OTP has an outcome that Troupe did not show", outcome, sum(found[s.name].values()))
    asked = judge_outcomes(verdict, scenarios, found, lambda s: marks[s.name], "Troupe")
    count = collections.Counter(mark for m in marks.values() for mark in m.values())
    print(f"{len(scenarios)} scenarios, {sum(sum(c.values()) for c in found.values())} runs, {sum(map(len, found.values()))} outcomes of "
          f"Troupe, {asked} of them judged by the model; of OTP {sum(count.values())}: {count['otp']} shown by both, {count['sync']} that "
          f"only OTP can show, {count['rare']} rare")
    return verdict.wrong


def classify(program, folder, scenarios, verdict):
    """Runs on both; the outcomes of OTP with their marks: {scenario: [(mark, outcome)]}."""
    otp, troupe = on_otp(folder, scenarios), on_troupe(program, scenarios, RECORD)
    judge_outcomes(verdict, scenarios, otp, lambda s: (), "OTP")
    judge_outcomes(verdict, scenarios, troupe, lambda s: otp[s.name], "Troupe")
    tasks = [(s, outcome, True) for s in scenarios for outcome in sorted(otp[s.name]) if troupe[s.name][outcome] == 0]
    possible = {(s.name, outcome): allowed for (s, outcome, _), allowed in zip(tasks, judge_all(tasks))}

    def mark(s, outcome):
        if troupe[s.name][outcome] >= SELDOM:
            return "otp"
        return "sync" if possible.get((s.name, outcome)) is False else "rare"
    return {s.name: [(mark(s, outcome), outcome) for outcome in sorted(otp[s.name])] for s in scenarios}


def marked_text(s, marks):
    return s.text(outcomes=False) + "".join(f"otp {mark} {outcome}\n" for mark, outcome in marks)


def record(program, folder, paths):
    verdict = Verdict()
    for path in paths or kept_files():
        scenarios = [s for s, _ in read_kept(path)]
        marks = classify(program, folder, scenarios, verdict)
        path.write_text("\n".join(marked_text(s, marks[s.name]) for s in scenarios))
    return verdict.wrong


def keep(program, folder, count, seed):
    verdict = Verdict()
    KEPT.mkdir(exist_ok=True)
    each = count // len(generate.KINDS)
    for kind in generate.KINDS:
        scenarios = generate.generate(2 * each, seed, (kind,))
        marks = classify(program, folder, scenarios, verdict)
        several = sorted(scenarios, key=lambda s: len(marks[s.name]) == 1)[:each]
        (KEPT / f"{kind}.txt").write_text("\n".join(marked_text(s, marks[s.name]) for s in several))
        print(f"{kind}: {len(several)}", flush=True)
    return verdict.wrong


def live(program, folder, count=40, seed="1", *kinds):
    if shutil.which("erl") is None or shutil.which("erlc") is None:
        print("skipped: Erlang is not installed (Debian package erlang-base)")
        return 77
    verdict = Verdict()
    scenarios = generate.generate(int(count), seed, kinds or tuple(generate.KINDS))
    marks = classify(program, folder, scenarios, verdict)
    counts = collections.Counter(mark for found in marks.values() for mark, _ in found)
    print(f"{len(scenarios)} scenarios of seed {seed}, {OTP_RUNS} runs each on OTP, {sum(runs for runs, _ in RECORD)} on Troupe: "
          f"{counts['otp']} outcomes shown by both, {counts['sync']} that only OTP can show, {counts['rare']} rare; {verdict.wrong} wrong")
    return verdict.wrong


def main():
    command, program, *rest = sys.argv[1:]
    if command == "kept":
        wrong = kept(program)
    elif command == "live":
        wrong = live(program, *rest)
    elif command == "record":
        wrong = record(program, rest[0], [pathlib.Path(p) for p in rest[1:]])
    elif command == "keep":
        wrong = keep(program, rest[0], int(rest[1]), rest[2])
    else:
        sys.exit(__doc__)
    return wrong if wrong == 77 else min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
