"""comparison_test.py: the machinery of bench/compare, on figures that are known: what it concludes, what it shows, and
in which order it runs. Takes no measurement."""
import collections
import html
import html.parser
import json
import pathlib
import random
import re
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

from comparison import (  # noqa: E402
    chart,
    figures,
    gate,
    goals,
    latency,
    markdown,
    page,
    runs,
    sides,
    speedups,
    table,
    workloads,
)

CALL = next(workload for workload in workloads.SPEC if workload.name == "call")
PAIRS = next(workload for workload in workloads.SPEC if workload.name == "pairs")
HOG = next(workload for workload in workloads.SPEC if workload.name == "hog")


def record(
    side, seconds, round_number, workload="call", workers=4, status="good", purpose="bars", parameters=None, **more
):
    return {
        "workload": workload,
        "side": side,
        "workers": workers,
        "parameters": parameters or {"n": 1000},
        "purpose": purpose,
        "one_core": False,
        "round": round_number,
        "position": 0,
        "load_average": 0.1,
        "wall_s": 1,
        "status": status,
        "words": "starved" if status != "good" else "",
        "result": {"version": "1", "ops": 1000, "seconds": seconds, **more} if status == "good" else None,
    }


def launches(**times):
    """side=[seconds of each round]"""
    return [record(side, seconds, i) for side, of_side in times.items() for i, seconds in enumerate(of_side)]


def row_of(**times):
    return figures.row(figures.Results(launches(**times)), CALL, CALL.figures[0], 4)


class Figures(unittest.TestCase):
    def test_a_median_lies_in_its_interval_and_the_interval_in_the_values(self):
        chance = random.Random(7)
        for _ in range(20):
            values = [chance.gauss(100, 10) for _ in range(9)]
            low, high = figures.interval(values)
            self.assertLessEqual(min(values), low)
            self.assertLessEqual(low, sorted(values)[4])
            self.assertLessEqual(sorted(values)[4], high)
            self.assertLessEqual(high, max(values))

    def test_what_all_sides_of_a_round_share_cancels_in_the_ratio(self):
        drift = [1.0, 1.6, 2.5, 1.2, 3.0]
        value, low, high = figures.ratio({i: 2 * d for i, d in enumerate(drift)}, {i: d for i, d in enumerate(drift)})
        self.assertEqual([round(number, 9) for number in (value, low, high)], [2, 2, 2])

    def test_only_rounds_that_both_sides_have_are_compared(self):
        self.assertEqual(figures.ratio({1: 2.0, 2: 99.0}, {1: 1.0, 3: 5.0})[0], 2)
        self.assertIsNone(figures.ratio({1: 2.0}, {3: 5.0}))
        self.assertIsNone(figures.ratio({1: 2.0}, {1: 0.0}))

    def test_nothing_is_divided_by_what_was_too_little_to_be_measured(self):
        row = row_of(troupe=[1] * 5, go=[0] * 5)
        self.assertEqual((row["best"], row["to_best"], table.verdict(row)), ("go", None, "no ratio"))

    def test_the_best_rival_is_neither_ours_nor_the_floor(self):
        row = row_of(troupe=[5] * 5, floor=[1] * 5, go=[8] * 5, tokio=[6] * 5)
        self.assertEqual(row["best"], "tokio")
        self.assertAlmostEqual(row["to_best"][0], 5 / 6)
        self.assertAlmostEqual(row["to_floor"][0], 5)

    def test_the_floor_of_one_worker_stands_in_where_there_is_no_other(self):
        results = figures.Results(launches(troupe=[5] * 5) + [record("floor", 1, i, workers=1) for i in range(5)])
        self.assertAlmostEqual(figures.row(results, CALL, CALL.figures[0], 4)["to_floor"][0], 5)

    def test_speedups_are_over_the_sides_own_one_worker(self):
        results = figures.Results(
            [record("go", 8 / workers, i, "pairs", workers) for workers in (1, 2, 4) for i in range(5)]
        )
        points = speedups.curves(results, PAIRS, PAIRS.figures[0], [1, 2, 4])["go"]
        self.assertEqual([(count, round(speedup, 6)) for count, speedup, _, _ in points], [(1, 1), (2, 2), (4, 4)])

    def test_a_side_that_counts_other_operations_is_named(self):
        same = [record("troupe", 1, 1), record("go", 2, 1), record("caf", 0, 1, status="failed")]
        other = [record("tokio", 3, 1), record("tokio", 3, 1, parameters={"n": 5})]
        for one, ops in zip(other, (2000, 10)):  # of the second Troupe has none
            one["result"]["ops"] = ops
        self.assertEqual(figures.Results(same).unlike(), [])
        self.assertEqual(figures.Results(same + other).unlike(), [("call", "tokio", 2000, 1000)])


class Verdicts(unittest.TestCase):
    def test_a_lost_row_is_called_lost(self):
        self.assertEqual(table.verdict(row_of(troupe=[9, 9.1, 9, 9.2, 9], go=[5, 5.1, 5, 5, 5.2])), "BEHIND")

    def test_a_row_is_first_only_beyond_its_interval(self):
        self.assertEqual(table.verdict(row_of(troupe=[4, 4.1, 4, 4, 4], go=[5, 5.1, 5, 5, 5.2])), "first")
        self.assertIn("within noise", table.verdict(row_of(troupe=[4, 6, 5, 4.5, 5.5], go=[5, 5, 5, 5, 5])))

    def test_two_rounds_are_too_few_for_a_verdict(self):
        self.assertIn("too few", table.verdict(row_of(troupe=[4, 4], go=[5, 5])))

    def test_what_did_not_run_is_said(self):
        results = figures.Results(
            launches(troupe=[4] * 5)
            + [record("go", 0, 1, status="timeout"), record("tokio", 0, 1, status="unsupported")]
        )
        row = figures.row(results, CALL, CALL.figures[0], 4)
        self.assertEqual((table.cell(row, "go"), table.cell(row, "tokio")), ("timeout", "none"))
        self.assertEqual(table.verdict(row), "no rival")

    def test_the_gate_calls_slower_only_what_is_slower_in_nearly_all_pairs(self):
        chance = random.Random(3)
        same = [chance.gauss(1, 0.005) for _ in range(11)]
        self.assertEqual(gate.judge(gate.middle_99(same)), "same")
        self.assertEqual(gate.judge(gate.middle_99([ratio * 1.05 for ratio in same])), "slower")
        self.assertEqual(gate.judge(gate.middle_99([ratio * 0.9 for ratio in same])), "faster")
        self.assertEqual(gate.judge(gate.middle_99([0.7, 1.4] * 6)), "unclear: too noisy")


class Goals(unittest.TestCase):
    def rows(self, seconds, workers=4):
        lines = [record("troupe", seconds, i, workers=workers) for i in range(5)]
        lines += [record("floor", 15e-6, i, workers=1) for i in range(5)]
        return figures.rows(figures.Results(lines), [CALL], workers)

    def test_each_is_of_a_row_and_in_its_unit(self):
        everything = [*workloads.SPEC, *workloads.PARALLEL, workloads.TEN_MILLION]
        units = {figure.label: figure.unit for workload in everything for figure in workload.figures}
        self.assertLessEqual({*goals.DATA["scaling"], *goals.DATA["as threads"]}, {*units})
        for name, one in goals.GOALS.items():
            self.assertEqual(units.get(name), one["unit"], name)
        self.assertLessEqual(set(goals.DATA["floors"]), {workload.name for workload in workloads.SPEC})

    def test_a_goal_is_of_so_many_workers_alone(self):
        self.assertEqual(goals.goal("call", 4), 50)
        self.assertIsNone(goals.goal("call", 1))
        self.assertIsNone(goals.goal("nqueens", 4))
        self.assertFalse(goals.present(self.rows(5e-5, 1)))

    def test_a_goal_is_met_within_the_tolerance_and_missed_beyond(self):
        self.assertEqual(table.goal_cells(self.rows(5.4e-5)[0])[:2], ["50", "1.08 met"])
        self.assertEqual(table.goal_cells(self.rows(5.6e-5)[0])[:2], ["50", "1.12 missed"])
        self.assertEqual(goals.missed(self.rows(5.4e-5) + self.rows(5.6e-5)), ["call"])

    def test_a_goal_of_time_is_scaled_by_what_a_floor_takes_here(self):
        row = self.rows(2.6e-5)[0]
        self.assertAlmostEqual(row["scaled"], 50 * 15 / 30)
        self.assertEqual(table.goal_cells(row)[2:], ["25", "1.04 met"])
        self.assertIsNone(goals.scaled("idle", 256, {"call": 0.5, "pingpong": 0.5}))
        self.assertIsNone(goals.scaled("ring", 20, {"call": 0.5}))

    def test_the_floors_of_both_machines_are_said(self):
        text = table.text([("on 4 workers", self.rows(1e-4))], [], data()["context"], ["troupe", "floor"])
        self.assertIn("13 ns (pingpong) and 30 ns (call)", text)
        self.assertIn("The floor of call takes 15.0 ns here, 0.50 times as long.", text)
        self.assertRegex(text, r"call .* 50 +2\.00 missed")
        self.assertNotIn("Goals", table.text([("on 1 worker", self.rows(1e-4, 1))], [], data()["context"], ["troupe"]))


class Order(unittest.TestCase):
    def setUp(self):
        self.sides = [sides.Side(name, ["true"]) for name in ("troupe", "go", "tokio")]
        self.cells = list(runs.bars_and_scaling([CALL, PAIRS], self.sides, 4, "full"))

    def test_a_round_runs_each_cell_once_and_a_workload_in_one_piece(self):
        order = list(runs.shuffled_round(self.cells, random.Random(1)))
        self.assertEqual(collections.Counter(order), collections.Counter(self.cells))
        names = [cell.workload for cell in order]
        self.assertEqual(sum(a != b for a, b in zip(names, names[1:])), 1)

    def test_rounds_differ_and_a_seed_repeats_them(self):
        chance, again = random.Random(1), random.Random(1)
        first, second = list(runs.shuffled_round(self.cells, chance)), list(runs.shuffled_round(self.cells, chance))
        self.assertNotEqual(first, second)
        self.assertEqual(first, list(runs.shuffled_round(self.cells, again)))

    def test_one_and_all_workers_are_bars_and_the_numbers_between_are_scaling(self):
        of_pairs = {cell.workers: cell.purpose for cell in self.cells if cell.workload == "pairs"}
        self.assertEqual(of_pairs, {1: "bars", 2: "scaling", 3: "scaling", 4: "bars"})
        self.assertEqual({cell.workers for cell in self.cells if cell.workload == "call"}, {1, 4})
        self.assertEqual({cell.workers for cell in runs.bars_and_scaling([HOG], self.sides, 4, "smoke")}, {4})

    def test_a_sweep_ends_where_memory_does(self):
        counts = {
            name: [cell.parameters[0][1] for cell in cells if cell.side == name and cell.purpose == "bytes"]
            for cells in [list(runs.sweeps(workloads.SWEEPS, self.sides, 4, "full", 16 << 30))]
            for name in ("troupe", "go")
        }
        self.assertEqual(counts["troupe"], [10000, 100000, 1000000, 10000000])
        self.assertEqual(counts["go"], [10000, 100000, 1000000])

    def test_a_point_that_is_among_the_bars_is_not_measured_twice(self):
        there = [runs.Cell("idle", "go", 4, (("n", 1000000),), "bars")]
        cells = list(runs.sweeps(workloads.SWEEPS, self.sides, 4, "full", 16 << 30, there))
        counts = {cell.side: [] for cell in cells}
        for cell in cells:
            counts[cell.side] += [cell.parameters[0][1]] if cell.workload == "idle" else []
        self.assertNotIn(1000000, counts["go"])
        self.assertIn(1000000, counts["tokio"])
        results = figures.Results([record("go", 1, 1, "idle", parameters={"n": 1000000}, bytes_per_actor=7)])
        swept = workloads.SWEEPS["bytes"].figures[0]
        self.assertEqual(results.by_round(swept, "idle", "go", 4, sweep="bytes", parameters={"n": 1000000}), {1: 7})

    def test_a_quick_run_leaves_out_every_second_number_of_workers(self):
        self.assertEqual(runs.counts_up_to(8), [1, 2, 3, 4, 6, 8])
        self.assertEqual(runs.counts_up_to(8, every=False), [1, 2, 4, 8])
        self.assertEqual(runs.counts_up_to(6, every=False), [1, 2, 4, 6])

    def test_results_are_told_apart_from_failures(self):
        good = runs.launch(["echo", '{"ops":1,"seconds":2}'], 20)
        self.assertEqual((good[0], good[1]["seconds"]), ("good", 2))
        self.assertEqual(
            runs.launch(["sh", "-c", 'echo \'{"unsupported":true,"reason":"x"}\'; exit 3'], 20)[:3],
            ("unsupported", None, "x"),
        )
        self.assertEqual(runs.launch(["sh", "-c", 'echo \'{"ops":1,"seconds":2}\'; exit 1'], 20)[0], "failed")
        self.assertEqual(runs.launch(["sleep", "60"], 0.05)[0], "timeout")
        self.assertEqual(runs.launch(["echo", '{"ops":1,"seconds":"soon"}'], 20)[0], "failed")
        self.assertEqual(runs.launch(["/nowhere/program"], 20)[0], "failed")

    def test_what_a_program_that_hangs_has_started_ends_with_it(self):
        with tempfile.TemporaryDirectory() as folder:
            lock = pathlib.Path(folder) / "lock"
            self.assertEqual(runs.launch(["sh", "-c", f"flock {lock} sleep 60 & wait"], 1)[0], "timeout")
            self.assertEqual(runs.launch(["flock", str(lock), "echo", '{"ops":1,"seconds":2}'], 20)[0], "good")


class Progress(unittest.TestCase):
    """With sides that are shell scripts: what runs how often."""

    ANSWER = 'echo \'{"ops":1,"seconds":1}\''

    def execute(self, rounds, before=(), **scripts):
        everybody = [sides.Side(name, ["sh", "-c", script]) for name, script in scripts.items()]
        cells = [runs.Cell("call", side.name, 1, (), "bars") for side in everybody]
        return runs.execute(cells, everybody, rounds, 1, 20, lambda *_: None, before=list(before))

    def counts(self, records):
        return collections.Counter((one["side"], one["status"]) for one in records)

    def test_what_fails_twice_is_left_and_costs_the_others_nothing(self):
        records = self.execute(4, good=self.ANSWER, bad="exit 1", none="exit 3")
        self.assertEqual(self.counts(records), {("good", "good"): 4, ("bad", "failed"): 2, ("none", "unsupported"): 1})

    def test_a_run_that_was_broken_off_is_taken_up_where_it_ended(self):
        scripts = {"one": self.ANSWER, "two": self.ANSWER, "bad": "exit 1"}
        whole = self.execute(3, **scripts)
        for cut in range(len(whole)):
            again = self.execute(3, before=json.loads(json.dumps(whole[:cut])), **scripts)
            self.assertEqual(
                [(one["side"], one["round"]) for one in again], [(one["side"], one["round"]) for one in whole]
            )

    def test_who_takes_long_is_launched_less_often_and_the_table_says_so(self):
        slow = [{**record("go", 90, i), "wall_s": 90} for i in (1, 2, 3)]
        progress = runs.Progress(slow[:2])
        self.assertTrue(progress.wants(runs.Cell.of(slow[0]), 3))
        progress.add(slow[2])
        self.assertFalse(progress.wants(runs.Cell.of(slow[0]), 4))
        results = figures.Results(launches(troupe=[1] * 5) + [record("go", 2, i) for i in range(3)])
        row = figures.row(results, CALL, CALL.figures[0], 4)
        self.assertTrue(table.cell(row, "go", 5).endswith("of 3"))
        self.assertFalse(table.cell(row, "troupe", 5).endswith("of 5"))


class Speedups(unittest.TestCase):
    def row(self, workload, workers=4, **times):
        """side=(seconds on one worker, on four)"""
        lines = [
            record(side, seconds, i, workload.name, count)
            for side, both in times.items()
            for count, seconds in zip((1, 4), both)
            for i in range(5)
        ]
        return speedups.rows(figures.Results(lines), [workload], workers)[0]

    def test_a_goal_of_scaling_is_a_number_within_the_tolerance(self):
        self.assertTrue(self.row(PAIRS, troupe=(3.4, 1))["met"])
        self.assertFalse(self.row(PAIRS, troupe=(3.3, 1))["met"])

    def test_parallel_work_is_measured_by_plain_threads_of_the_same_run(self):
        queens = next(workload for workload in workloads.SPEC if workload.name == "nqueens")
        self.assertTrue(self.row(queens, troupe=(3.5, 1), floor=(3.6, 1))["met"])
        self.assertFalse(self.row(queens, troupe=(3.4, 1), floor=(3.6, 1))["met"])
        self.assertIsNone(self.row(queens, troupe=(3.4, 1))["met"])

    def test_all_other_work_may_not_be_slower_on_all_workers(self):
        self.assertTrue(self.row(CALL, troupe=(1, 1.09))["met"])
        self.assertFalse(self.row(CALL, troupe=(1, 1.11))["met"])

    def test_who_gains_more_is_said_where_gaining_is_the_goal(self):
        self.assertEqual(speedups.verdict(self.row(PAIRS, troupe=(3, 1), go=(4, 1)), 3), "BEHIND")
        self.assertEqual(speedups.verdict(self.row(PAIRS, troupe=(3, 1), go=(2, 1)), 3), "first")
        self.assertEqual(speedups.verdict(self.row(CALL, troupe=(3, 1), go=(4, 1)), 3), "-")

    def test_one_worker_of_work_that_computes_has_one_core(self):
        everybody = [sides.Side("troupe", ["true"])]
        cells = list(runs.bars_and_scaling([PAIRS, *workloads.PARALLEL], everybody, 4, "full"))
        pinned = {(cell.workload, cell.workers) for cell in cells if cell.one_core}
        self.assertEqual(pinned, {(workload.name, 1) for workload in workloads.PARALLEL})


class Readme(unittest.TestCase):
    def tables(self):
        results = figures.Results(data()["launches"], ["troupe", "floor", "go", "odd"])
        return table.at_each(results, [CALL, PAIRS], 4), speedups.rows(results, [CALL, PAIRS], 4), results.sides

    def test_the_tables_stand_between_the_marks_and_the_rest_stays(self):
        tables, risen, everybody = self.tables()
        text = markdown.text(tables, risen, data()["context"], everybody)
        self.assertRegex(text, r"\| call \| ns a call \| 34\.3 \(33\.0 to 35\.6\) \| \*\*odd 17\.2\*\* \| Go 137 \|")
        whole = f"before\n{markdown.BEGIN}\nold\n{markdown.END}\nafter"
        once = markdown.between_marks(whole, text)
        self.assertEqual(once, f"before\n{markdown.BEGIN}\n{text}{markdown.END}\nafter")
        self.assertEqual(markdown.between_marks(once, text), once)

    def test_the_two_files_have_what_is_replaced(self):
        readme = (sides.TOP / "README.md").read_text(encoding="utf-8")
        found = markdown.readme_figures(self.tables()[0])
        self.assertEqual(list(found), ["call, with timeout and failure detection"])
        self.assertNotEqual(markdown.with_figures(readme, found), readme)
        for label in markdown.README_LABELS:
            self.assertIn(f"\n| {label} |", readme)
        self.assertIn(markdown.BEGIN, (sides.TOP / "bench/README.md").read_text(encoding="utf-8"))


class Workloads(unittest.TestCase):
    def test_erlang_has_room_for_as_many_servers_as_are_started(self):
        command = sides.Side("erlang", ["erl"]).command("idle", {"n": 10000000}, 4)
        self.assertGreater(int(command[command.index("+P") + 1]), 10000000)

    def test_every_one_has_a_floor_or_says_why_not(self):
        floors = {path.stem for path in (sides.TOP / "bench/floor").glob("*.c")}
        for workload in workloads.SPEC:
            self.assertNotEqual(workload.name in floors, bool(workload.no_floor), workload.name)
        for name in [*workloads.SAVINA_COMPUTES, "dictionary", "fib", "sor"]:
            workload = workloads.own_workload(f"savina.{name}", {})
            self.assertNotEqual(sides.floor_of(workload.name) in floors, bool(workload.no_floor), workload.name)

    def test_the_table_is_the_definitions(self):
        text = (sides.PEERS / "SPEC.md").read_text(encoding="utf-8")
        defined = {
            words[0]: {key: int(value) for key, value in (word.split("=") for word in words[1:])}
            for words in (match.split() for match in re.findall(r"^\| ([a-z]+ \S*=[^|]*)\|", text, re.M))
        }
        self.assertEqual({workload.name: workload.full for workload in workloads.SPEC}, defined)
        for workload in workloads.SPEC:
            self.assertEqual({*workload.quick, *workload.smoke}, {*workload.full})


class Latency(unittest.TestCase):
    def test_what_was_never_answered_is_slower_than_all_that_was(self):
        self.assertEqual(latency.quantile({10.0: 50, 20.0: 49}, 1, 0.5), 10.0)
        self.assertEqual(latency.quantile({10.0: 50, 20.0: 49}, 1, 0.99), 20.0)
        self.assertIsNone(latency.quantile({10.0: 50, 20.0: 49}, 1, 0.999))

    def test_rounds_are_merged_count_by_count(self):
        line = {"planned": 3, "lost": 1, "histogram": [[5.0, 1], [7.0, 1]]}
        self.assertEqual(
            latency.merged([{"line": line}, {"line": line}, {"line": {"failed": "x"}}]), ({5.0: 2, 7.0: 2}, 6, 2)
        )


class Strict(html.parser.HTMLParser):
    """Every tag closed in order; no reference to anything outside of the page."""

    VOID = {"meta", "br", "path", "circle", "i"}

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], collections.Counter()

    def handle_starttag(self, tag, attrs):
        self.seen[tag] += 1
        for name, value in attrs:
            assert name not in ("src", "href", "xlink:href"), (tag, name, value)
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen[tag] += 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag


def data():
    found = [
        record(side, base * (1 + i / 50) / workers**0.8, i, workload, workers)
        for workload in ("call", "pairs")
        for side, base in (("troupe", 1e-4), ("go", 4e-4), ("odd", 5e-5))
        for workers in (1, 2, 4)
        for i in range(5)
    ]
    found += [record("go", 0, 1, "call", 1, "unsupported")] + [record("floor", 2e-5, i, workers=1) for i in range(5)]
    found += [
        record("troupe", n / 1e6, i, "idle", 4, purpose="bytes", parameters={"n": n}, bytes_per_actor=200)
        for n in (1000, 10000)
        for i in range(5)
    ]
    line = {"planned": 100, "lost": 5, "histogram": [[5.0, 50], [70.0, 40], [700.0, 5]]}
    loads = [
        {"service": "hello", "side": side, "rate": rate, "round": 1, "capacity": 9e4, "line": line}
        for side in ("troupe", "nginx")
        for rate in (1e4, 5e4)
    ]
    context = {
        "taken": "now",
        "commit": "c" * 40,
        "cpu": {"name": "a <CPU> & more", "cores usable": 4},
        "virtual": "virtual machine",
        "kernel": "Linux 1",
        "system": "Debian",
        "C compiler": "cc",
        "sides": {name: {"built with": "cc", "command": name} for name in ("troupe", "floor", "go", "odd")},
        "settings": {"workers": 4, "runs": 5, "workloads": ["call", "pairs"], "size": "full"},
    }
    return {"format": 1, "context": context, "launches": found, "latency": loads}


class Page(unittest.TestCase):
    def setUp(self):
        self.text = page.render(data(), [CALL, PAIRS])

    def test_it_is_well_formed_and_needs_nothing_from_outside(self):
        strict = Strict()
        strict.feed(self.text)
        self.assertEqual(strict.open, [])
        self.assertEqual(re.findall(r"https?://|@import|url\(", self.text), [])
        self.assertNotIn("<script", self.text)
        self.assertIn("a &lt;CPU&gt; &amp; more", self.text)

    def test_all_kinds_of_charts_are_there(self):
        for heading in (
            "All rows, on 4 workers",
            "All rows, on 1 worker",
            "Bars, on 4 workers",
            "Scaling",
            "Many actors",
            "Latency against offered load",
            "Circumstances",
        ):
            self.assertIn(f"<h2>{heading}</h2>", self.text)
        self.assertIn('class="ideal"', self.text)
        self.assertIn('class="floor"', self.text)

    def test_a_lost_row_is_as_plain_as_another(self):
        self.assertRegex(
            self.text, r'<td class="behind">2\.00<small>[^<]*</small></td><td class="standing behind">behind</td>'
        )

    def test_a_goal_stands_beside_its_row_where_there_is_one(self):
        self.assertEqual(self.text.count("<th>scaled goal</th>"), 1)
        self.assertRegex(self.text, r'<td><b>50</b><small class="first">0\.69 met</small></td>')

    def test_a_run_that_is_not_a_full_one_says_so(self):
        small = data()
        small["context"]["settings"]["size"] = "smoke"
        self.assertIn("No figure here says anything", page.render(small, [CALL]))
        small["context"]["settings"]["size"] = "quick"
        self.assertIn("A quick run", page.render(small, [CALL]))
        self.assertNotIn('notice">', self.text)

    def test_a_load_that_failed_is_said(self):
        self.assertNotIn("Not measured", self.text)
        bad = data()
        bad["latency"][0]["line"] = {"failed": "it does not start"}
        self.assertIn("Not measured: troupe at 10k: it does not start.", page.render(bad, [CALL]))
        for one in bad["latency"]:
            one["line"] = {"failed": "x"}
        self.assertIn('<h3 class="service">hello</h3>', page.render(bad, [CALL]))

    def test_both_figures_of_a_sweep_are_drawn(self):
        for figure in workloads.SWEEPS["bytes"].figures:
            self.assertIn(f"<h3>{figure.label}</h3>", self.text)

    def test_a_row_without_a_floor_says_why(self):
        lines = [record("troupe", 1e-3, i, "hog", late_p99_us=5, p99_us=1) for i in range(5)]
        rows = figures.rows(figures.Results(lines), [HOG], 4)
        self.assertIn(html.escape(f"No floor: hog: {HOG.no_floor}."), page.table_of(rows, []))
        text = table.text([("on 4 workers", rows)], [], data()["context"], ["troupe"])
        self.assertIn(f"No floor: hog: {HOG.no_floor}.", text)

    def test_the_text_has_every_side(self):
        results = figures.Results(data()["launches"])
        rows, risen = figures.rows(results, [CALL, PAIRS], 4), speedups.rows(results, [CALL, PAIRS], 4)
        text = table.text([("4 workers", rows)], risen, data()["context"], results.sides)
        self.assertRegex(text, r"pairs +3\.03 .* 3\.7 +missed")
        self.assertRegex(text, r"call .* odd .* BEHIND")

    def test_numbers_at_an_axis_are_short(self):
        self.assertEqual(
            [chart.short(value) for value in (0, 7.25, 1500, 2.5e6, 0.004)], ["0", "7.25", "1.5k", "2.5M", "0.004"]
        )


if __name__ == "__main__":
    unittest.main()
