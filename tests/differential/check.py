#!/usr/bin/env python3
"""check.py: Troupe's outcomes beside those of Erlang/OTP, and both before the model.

    check.py kept PROGRAM SIM                               the kept ones: ctest's differential.kept; needs no Erlang
    check.py live PROGRAM SIM FOLDER [COUNT SEED KIND...]   new ones on both: ctest's differential.live; 77 without
    check.py full PROGRAM SIM FOLDER [FILE...]              the kept ones on both, anew: all under 10,000 seeds
    check.py record PROGRAM SIM FOLDER [FILE...]            the same, 1,000 seeds where these do; records it
    check.py keep PROGRAM SIM FOLDER COUNT SEED [KIND...]   adds new ones; those with several outcomes first

PROGRAM is build/release/tests/differential, SIM the same in simulation, sim_differential ("-": none); in FOLDER the
Erlang module is compiled. DIFFERENTIAL_JOBS: how many processes at a time; 2 if unset. What must hold:

  - an outcome of Troupe is one that OTP showed, or the model allows it
  - an outcome of OTP is allowed by the model, else the model is wrong
  - an outcome of OTP is shown by Troupe, or the model without the delays that Troupe does not have cannot show it
    either

A kept outcome of OTP has a mark:
    often      Troupe shows it in one of 100 seeds or more: differential.kept looks until it has seen it
    seldom     Troupe shows it less often: `full` looks for it
    only:WHY   only OTP can show it; WHY are the strengths of Troupe that exclude it (model.STRONGER)
    unseen     Troupe could show it and did not; each is explained in a comment
A line `troupe` is an outcome that the model allows and only Troupe showed, often."""

import collections
import concurrent.futures
import functools
import itertools
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
JOBS = int(os.environ.get("DIFFERENTIAL_JOBS", "2"))
HANGS_S = 1800  # protection only
AT_A_TIME = 8  # scenarios in one process
OTP_RUNS = 200
OTP_SCHEDULERS = (1, 2, 4)  # so many runs with each; `live`: with 2

# Rounds: what a program is run with
THREADS, SEEDS = "threads", "seeds"
FIRST = ((SEEDS, "from=1", "to=24", "each=2"), (THREADS, "runs=16", "workers=2", "beside=8"))
MORE = ((SEEDS, "from=101", "to=400", "each=1"), (SEEDS, "from=1001", "to=4000", "each=1"), (THREADS, "runs=4000", "workers=4", "beside=32"))
WITHOUT_SEEDS = ((THREADS, "runs=40", "workers=1", "beside=20"), (THREADS, "runs=40", "workers=2", "beside=20"))
LIVE = ((SEEDS, "from=1", "to=500", "each=1"), (THREADS, "runs=200", "workers=2", "beside=32"))
RECORD = ((SEEDS, "from=1", "to=1000", "each=1"), (THREADS, "runs=400", "workers=2", "beside=32"))
LONG = ((SEEDS, "from=1001", "to=3000", "each=1"), (SEEDS, "from=3001", "to=10000", "each=1"))
ORDERS_MOST = 2000  # for scenarios without supervisors, whose children share what they write down, and without far timers: there time passes
OFTEN = 100  # one of so many seeds


def run(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S)
    except subprocess.TimeoutExpired as hung:
        said = (hung.stdout or b"").decode().splitlines()
        last = [line for line in said if line.startswith("scenario ")][-1:]
        sys.exit(f"{' '.join(map(str, command))}: hangs in {last[0] if last else 'its start'}")
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return language.read_outcomes(done.stdout.splitlines())


def with_file(scenarios, use):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(s.text(outcomes=False) for s in scenarios))
        file.flush()
        return use(file.name)


def in_parts(scenarios, run_part):
    """Adds up what the parts give: {scenario: {outcome: how often}}."""
    found = {s.name: collections.Counter() for s in scenarios}
    parts = [scenarios[at:at + AT_A_TIME] for at in range(0, len(scenarios), AT_A_TIME)]
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for outcomes in pool.map(run_part, parts):
            for name, counts in outcomes.items():
                found[name].update(counts)
    return found


class Troupe:
    """The two programs."""

    def __init__(self, program, sim):
        self.program = program.split()
        self.sim = None if sim == "-" else sim.split()

    def show(self, scenarios, rounds):
        """{scenario: {outcome: how often}}"""
        commands = [(self.sim if kind == SEEDS else self.program, words) for kind, *words in rounds if kind == THREADS or self.sim]

        def run_part(part):
            total = collections.defaultdict(collections.Counter)
            for command, words in commands:
                for name, outcomes in with_file(part, lambda path: run([*command, *words, path])).items():
                    total[name].update(outcomes)
            return total
        return in_parts(scenarios, run_part)

    def orders(self, scenarios):
        """The outcomes of every order; and the names of the scenarios that are through."""
        small = [s for s in scenarios if all(p.kind != "sup" and not any("far" in op for op in p.ops) for p in s.processes)]
        through = set()

        def run_part(part):
            total = with_file(part, lambda path: run([*self.sim, f"orders={ORDERS_MOST}", path]))
            through.update(name for name, outcomes in total.items() if outcomes.pop(language.COMPLETE, 0))
            return total
        return (in_parts(small, run_part) if self.sim else {}), through


def on_otp(folder, scenarios, schedulers=OTP_SCHEDULERS, seed=1):
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    subprocess.run(["erlc", "-o", folder, HERE / "differential.erl"], check=True)
    command = ["erl", "-noshell", "-pa", folder, "-s", "differential", "main"]

    def run_part(part):
        total = collections.defaultdict(collections.Counter)
        for count in schedulers:
            words = [command[0], "+S", f"{count}:{count}", *command[1:]]
            for name, outcomes in with_file(part, lambda path: run([*words, path, str(OTP_RUNS), str(seed + count)])).items():
                total[name].update(outcomes)
        return total
    return in_parts(scenarios, run_part)


# --- the model


def judge(task):
    """(scenario, outcome) -> whether the model allows it; None: it cannot tell."""
    try:
        return model.allowed(*task)
    except model.TooLarge:
        return None


def cause(task):
    """What must be stronger than the rules, so that an outcome cannot be; None: it can, or it cannot be told."""
    for count in range(1, len(model.STRONGER) + 1):
        for stronger in itertools.combinations(model.STRONGER, count):
            try:
                if not model.allowed(*task, strong=stronger):
                    return "+".join(stronger)
            except model.TooLarge:
                pass
    return None


def for_all(function, tasks):
    with concurrent.futures.ProcessPoolExecutor(JOBS) as pool:
        return list(pool.map(function, tasks, chunksize=8 if len(tasks) > 100 else 1))


class Verdict:
    """What was wrong."""

    def __init__(self):
        self.wrong = 0

    def say(self, scenario, what, outcome, count):
        self.wrong += 1
        print(f"{what}, {count} times: {outcome}\n{scenario.text(outcomes=False)}", flush=True)


def judge_outcomes(verdict, scenarios, found, known, who):
    """Whether the model allows what was found and is not known; returns how many it was asked about."""
    tasks = [(s, outcome) for s in scenarios for outcome in sorted(found[s.name]) if outcome not in known(s)]
    for (s, outcome), allowed in zip(tasks, for_all(judge, tasks)):
        if not allowed:
            what = "is not allowed" if allowed is False else "is more than the model can search"
            verdict.say(s, f"An outcome of {who} {what}", outcome, found[s.name][outcome])
    return len(tasks)


# --- kept scenarios


def kept_files():
    return sorted(KEPT.glob("*.txt"))


def read_kept(path):
    """The scenarios of a file; their outcomes become {outcome: mark}."""
    found = language.read(path.read_text().splitlines())
    for s in found:
        s.outcomes = {outcome: mark for mark, _, outcome in (line.partition(" ") for line in s.outcomes)}
    return found


def kept(troupe):
    scenarios = [s for path in kept_files() for s in read_kept(path)]
    verdict = Verdict()
    found = troupe.show(scenarios, FIRST if troupe.sim else WITHOUT_SEEDS)

    def missing(s):
        """What must be seen; without simulation it would depend on the machine."""
        return [o for o, mark in s.outcomes.items() if mark == "often" and o not in found[s.name] and troupe.sim]
    for round_ in MORE:
        for name, outcomes in troupe.show([s for s in scenarios if missing(s)], (round_,)).items():
            found[name].update(outcomes)
    for s in scenarios:
        for outcome in missing(s):
            verdict.say(s, "OTP has an outcome that Troupe did not show", outcome, sum(found[s.name].values()))
    asked = judge_outcomes(verdict, scenarios, found, lambda s: [*s.outcomes, *s.troupes], "Troupe")
    runs = sum(sum(counts.values()) for counts in found.values())
    print(f"{len(scenarios)} scenarios, {runs} runs, {sum(map(len, found.values()))} outcomes of Troupe, {asked} of them judged by the model")
    print(summary(s.outcomes.values() for s in scenarios))
    return verdict.wrong


def summary(marks):
    counts = collections.Counter(mark for some in marks for mark in some)
    return f"outcomes of OTP: {sum(counts.values())}; " + ", ".join(f"{count} {mark}" for mark, count in sorted(counts.items()))


# --- both beside each other


class Compared:
    """Scenarios on both: marks is {scenario: {outcome of OTP: mark}}, troupes {scenario: [outcome of Troupe alone,
    often]}."""

    def __init__(self, troupe, folder, scenarios, mode, verdict):
        self.schedulers = OTP_SCHEDULERS if mode != "live" else (2,)
        self.otp = on_otp(folder, scenarios, self.schedulers)
        self.troupe = troupe.show(scenarios, LIVE if mode == "live" else RECORD)
        share = {name: sum(counts.values()) / OFTEN for name, counts in self.troupe.items()}
        often = {name: {o for o, count in counts.items() if count >= share[name]} for name, counts in self.troupe.items()}
        self.through = set()
        if mode != "live":
            self.look_longer(troupe, scenarios, mode == "full")
        judge_outcomes(verdict, scenarios, self.otp, lambda s: (), "OTP")
        self.judged = judge_outcomes(verdict, scenarios, self.troupe, lambda s: self.otp[s.name], "Troupe")
        missing = [(s, outcome) for s in scenarios for outcome in self.missing(s)]
        causes = {(s.name, outcome): why for (s, outcome), why in zip(missing, for_all(cause, missing))}

        def mark(name, outcome):
            if outcome in self.troupe[name]:
                return "often" if outcome in often[name] else "seldom"
            return f"only:{causes[name, outcome]}" if causes[name, outcome] else "unseen"
        self.marks = {name: {o: mark(name, o) for o in sorted(found)} for name, found in self.otp.items()}
        self.troupes = {name: sorted(often[name] - set(found)) for name, found in self.otp.items()}
        for s in scenarios if mode != "live" else ():
            for outcome, what in self.marks[s.name].items():
                if what == "unseen" and s.outcomes.get(outcome) != "unseen":
                    verdict.say(s, "OTP has an outcome that Troupe could have and did not show", outcome, self.otp[s.name][outcome])

    def missing(self, s):
        return [outcome for outcome in sorted(self.otp[s.name]) if outcome not in self.troupe[s.name]]

    def look_longer(self, troupe, scenarios, everywhere):
        """Seeds, then orders: of all scenarios, or of those of which something is still missing."""
        def left():
            return [s for s in scenarios if everywhere or self.missing(s)]
        for round_ in LONG:
            for name, counts in troupe.show(left(), (round_,)).items():
                self.troupe[name].update(counts)
        orders, self.through = troupe.orders(left())
        for name, counts in orders.items():
            self.troupe[name].update(counts)

    def report(self):
        runs = sum(sum(counts.values()) for counts in self.troupe.values())
        beyond = sum(len(set(self.troupe[name]) - set(found)) for name, found in self.otp.items())
        print(f"{len(self.otp)} scenarios, {OTP_RUNS * len(self.schedulers)} runs each on OTP, {runs} runs on Troupe, {len(self.through)} of them "
              f"in every order; {sum(map(len, self.troupe.values()))} outcomes of Troupe, {beyond} of them beyond OTP's and judged by the model")
        print(summary(marks.values() for marks in self.marks.values()))

    def text(self, s):
        marks, alone = self.marks[s.name], self.troupes[s.name]
        return s.text(outcomes=False) + "".join(f"otp {m} {o}\n" for o, m in marks.items()) + "".join(f"troupe {o}\n" for o in alone)


def full(troupe, folder, paths, records):
    verdict = Verdict()
    for path in paths or kept_files():
        scenarios = read_kept(path)
        compared = Compared(troupe, folder, scenarios, "record" if records else "full", verdict)
        print(path.name)
        compared.report()
        sys.stdout.flush()
        if records:
            path.write_text("\n".join(compared.text(s) for s in scenarios))
    return verdict.wrong


def keep(troupe, folder, count, seed, kinds):
    verdict = Verdict()
    each = count // len(kinds)
    for scenarios in for_all(functools.partial(generate.generate, 2 * each, seed), [(kind,) for kind in kinds]):
        otp = on_otp(folder, scenarios, (2,))
        several = sorted(scenarios, key=lambda s: len(otp[s.name]) == 1)[:each]
        compared = Compared(troupe, folder, several, "live", verdict)
        path = KEPT / f"{several[0].name.partition('-')[0]}.txt"
        before = [path.read_text()] if path.exists() else []
        path.write_text("\n".join(before + [compared.text(s) for s in several]))
        print(path.name)
        compared.report()
    return verdict.wrong


def live(troupe, folder, count="40", seed="1", *kinds):
    if shutil.which("erl") is None or shutil.which("erlc") is None:
        print("skipped: Erlang is not installed (Debian package erlang-base)")
        return 77
    verdict = Verdict()
    scenarios = generate.generate(int(count), seed, kinds or tuple(generate.KINDS))
    Compared(troupe, folder, scenarios, "live", verdict).report()
    return verdict.wrong


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    command, program, sim, *rest = sys.argv[1:]
    troupe = Troupe(program, sim)
    if command == "kept":
        wrong = kept(troupe)
    elif command == "live":
        wrong = live(troupe, *rest)
    elif command in ("full", "record"):
        wrong = full(troupe, rest[0], [pathlib.Path(p) for p in rest[1:]], command == "record")
    elif command == "keep":
        wrong = keep(troupe, rest[0], int(rest[1]), rest[2], tuple(rest[3:]) or tuple(generate.KINDS))
    else:
        sys.exit(__doc__)
    return wrong if wrong == 77 else min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
