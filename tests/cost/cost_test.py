"""cost_test.py BIN: bench/where, on traces that are made up, and on a real one of troupe in BIN. The latter needs
valgrind; without it that part is skipped by name."""
import collections
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "bench"))

from cost import instructions, lines, program, purposes, rows, trace  # noqa: E402

READ = trace.READ | trace.OUTSIDE_POOL_READ
WRITE = trace.WRITE | trace.OUTSIDE_POOL_WRITE
A, B = 1, 2  # processes


class Trace:
    """A steady part, made up: [(cut or None, process, line -> flags)] of as many operations as there are cuts."""

    def __init__(self, *segments):
        self.segments = []
        for cut, actor, touched in segments:
            segment = trace.Segment(cut, actor)
            segment.lines, segment.code = touched, {7, 8}
            self.segments.append(segment)
        self.entries = collections.Counter(cut for cut, _, _ in segments if cut)
        self.all_entries, self.ops = self.entries, sum(self.entries.values())

    def operations(self):
        return self.ops


class Known:
    """Lines below 100 are of processes, then messages, then the worker's."""

    class Lines(dict):
        def __missing__(self, line):
            return lines.PROCESS if line < 100 else lines.MESSAGE if line < 200 else lines.WORKER

    by_line = Lines()


def moves(*segments):
    return lines.moves(Trace(*segments), Known())


class Moves(unittest.TestCase):
    def test_what_two_write_in_turn_moves_at_each_turn(self):
        self.assertEqual(moves(*[("send", who, {5: WRITE}) for who in (A, B) * 10])[lines.PROCESS], 19 / 20)

    def test_what_one_writes_and_the_other_reads_moves_there_and_back(self):
        turns = [("send", A, {150: WRITE}), (None, B, {150: READ})] * 10
        self.assertEqual(moves(*turns)[lines.MESSAGE], 19 / 10)

    def test_what_nobody_else_touches_stays(self):
        self.assertEqual(moves(*[("send", A, {5: WRITE}), ("send", B, {6: WRITE})] * 9)[lines.PROCESS], 0)

    def test_what_everybody_reads_stays(self):
        self.assertEqual(moves(*[("send", A, {5: READ}), ("send", B, {5: READ})] * 9)[lines.PROCESS], 0)

    def test_a_second_read_moves_nothing(self):
        turns = [("send", A, {5: WRITE}), ("send", B, {5: READ}), ("send", B, {5: READ})]
        self.assertEqual(moves(*turns)[lines.PROCESS], 1 / 3)

    def test_a_cores_own_lines_and_the_pools_links_are_left_out(self):
        self.assertEqual(sum(moves(*[("send", who, {300: WRITE}) for who in (A, B) * 5]).values()), 0)
        self.assertEqual(sum(moves(*[("send", who, {150: trace.WRITE}) for who in (A, B) * 5]).values()), 0)


class Touched(unittest.TestCase):
    def test_a_line_counts_once_in_a_window_and_is_written_if_any_write_is_in_it(self):
        steady = Trace(("send", A, {5: READ, 6: READ}), (None, B, {5: WRITE}), ("send", A, {5: READ}))
        found, code = lines.touched(steady, Known())
        self.assertEqual((found[lines.PROCESS], code), ([3 / 2, 1 / 2], 2))

    def test_windows_of_several_functions_add_up_to_an_operation(self):
        steady = Trace(*[("send", A, {5: READ}), ("handle", B, {6: WRITE, 7: READ})] * 8)
        steady.ops = 8
        self.assertEqual(lines.touched(steady, Known())[0][lines.PROCESS], [3, 1])


class Purposes(unittest.TestCase):
    def purpose(self, *frames):
        return purposes.of_instruction("troupe", frames)

    def test_a_helper_counts_for_whoever_it_was_inlined_into(self):
        frames = ("load_relaxed", "/x/runtime/base/atomics.h"), ("pool_free", "/x/runtime/memory/pool.h")
        self.assertEqual(self.purpose(*frames), purposes.FREE)
        self.assertEqual(self.purpose(("context_self", "/x/runtime/sched/context.h"), *frames), purposes.FREE)

    def test_the_innermost_with_a_purpose_decides(self):
        frames = ("mailbox_put", "/x/runtime/queue/mailbox.h"), ("send_word", "/x/runtime/actor/send.c")
        self.assertEqual((self.purpose(*frames), self.purpose(frames[1])), (purposes.ENQUEUE, purposes.PUBLIC))

    def test_a_checkout_below_a_folder_named_bench_is_not_the_workload(self):
        self.assertEqual(self.purpose(("pick", "/bench/x/runtime/sched/worker.c")), purposes.LOOP)
        self.assertEqual(self.purpose(("pick", "/bench/x/runtime/../bench/workloads/calls.c")), purposes.WORKLOAD)

    def test_what_is_unknown_may_have_two_hundredths_and_no_more(self):
        self.assertIsNone(self.purpose(("new_thing", "/x/runtime/actor/brand_new.c")))
        purposes.refuse_unknown("call", {("new_thing", "brand_new.c"): 2}, 100)
        with self.assertRaisesRegex(SystemExit, r"call: what is this for.*new_thing \(brand_new.c\): 2.1%"):
            purposes.refuse_unknown("call", collections.Counter({("new_thing", "brand_new.c"): 2.1}), 100)

    def test_the_files_that_the_table_names_are_there(self):
        known = {path.stem for path in (TOP / "runtime").rglob("*") if path.suffix in (".c", ".h", ".S")}
        foreign = {"urcu-memb", "urcu-common", "rculfhash"}
        self.assertEqual(set(purposes.BY_FILE) - known, foreign)


class Reading(unittest.TestCase):
    def test_what_a_call_costs_inside_is_not_the_callers(self):
        text = "ob=/x\nfn=a\n0x10 1 5 2\n0x14 1 1\ncalls=3 0x20 9\n0x14 1 300 100 100\nob=/y\n0x10 4 7 0 1\n"
        self.assertEqual(
            dict(instructions.read(text.splitlines())),
            {("/x", 0x10): [5, 2, 0], ("/x", 0x14): [1, 0, 0], ("/y", 0x10): [7, 0, 1]},
        )

    def test_locked_instructions_and_those_on_the_stack_are_told_apart(self):
        for text, locked in (
            ("lock cmpxchg %rdx,(%rcx)", True),
            ("xchg   %rsi,0x10(%rdx)", True),
            ("xchg   %ax,%ax", False),
        ):
            self.assertEqual(program.LOCKED.match(text) is not None, locked, text)
        self.assertIsNone(program.OPERAND_ELSEWHERE.match("call   *%rax"))
        self.assertIsNotNone(program.OPERAND_ELSEWHERE.match("call   *0x8(%rax)"))
        self.assertIsNotNone(program.IN_REGISTERS.match("bt     %rax,%rdx"))
        self.assertIsNone(program.IN_REGISTERS.match("bt     %rax,(%rdx)"))

    def test_every_workload_has_a_floor_to_stand_beside(self):
        for row in rows.ROWS:
            self.assertTrue((TOP / f"bench/floor/{row.name}.c").is_file(), row.name)


@unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
class Real(unittest.TestCase):
    def test_a_message_of_pingpong(self):
        done = subprocess.run(
            [TOP / "bench/where", "--bin", FOLDER, "--workloads", "pingpong", "--jobs", "1", "--repeat", "1"],
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        tables = [[line.strip("| ").split(" | ") for line in block.splitlines()] for block in done.stdout.split("\n\n")]
        totals, split, of_lines = tables[:3]
        one = dict(zip(totals[0][1:], totals[2][2:]))  # the first cell of the head is empty and stripped away
        self.assertTrue(
            2 <= float(one["locked"]) < 2.5, one
        )  # the exchange that puts it, the compare-and-swap that takes it
        parts = {name: float(cost) for name, cost in split[2:]}
        self.assertLess(abs(parts.pop("all") / sum(parts.values()) - 1), 0.01)
        self.assertGreater(min(parts[name] for name in ("allocate", "enqueue", "free", "turn", "workload")), 0)
        shown = dict(zip(["", *of_lines[0]], of_lines[2]))
        self.assertEqual((shown["moved: process"], shown["moved: message"]), ("2.0", "2.0"))


if __name__ == "__main__":
    if not shutil.which("valgrind"):
        print("skipped by name: bench/where on a real trace: valgrind is not installed")
    FOLDER = sys.argv.pop(1) if len(sys.argv) > 1 else str(TOP / "build/release/bin")
    unittest.main()
