"""coverage_test.py: what coverage.py concludes from branches and a list that are made up."""
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import coverage  # noqa: E402


def branch(line, condition="a", way="true"):
    return coverage.Branch(coverage.Place("runtime/x.c", line, 1, 0), "f", way, condition)


def read(text):
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(text)
        file.flush()
        return coverage.read_list(pathlib.Path(file.name))


def conclude(taken, text):
    """What is missing on the list (their lines), and what is said of its entries."""
    listed, wrong = read(text)
    assert not wrong, wrong
    missing = sorted(b for b, count in taken.items() if count == 0)
    unlisted, wrong = coverage.compare(taken, missing, listed["never"], listed["sometimes"])
    return [b.place.line for b in unlisted], wrong


NEVER = "[runtime/x.c]\nf: never true: a\n    Why.\n"
SOMETIMES = NEVER.replace("never", "sometimes")


class Comparison(unittest.TestCase):
    def test_what_is_not_taken_has_to_be_listed(self):
        self.assertEqual(conclude({branch(1): 0}, ""), ([1], []))
        self.assertEqual(conclude({branch(1): 0}, NEVER), ([], []))
        self.assertEqual(conclude({branch(1): 0}, SOMETIMES), ([], []))

    def test_what_is_never_taken_was_not(self):
        unlisted, wrong = conclude({branch(1): 3}, NEVER)
        self.assertEqual((unlisted, len(wrong)), ([], 1))
        self.assertIn("taken", wrong[0])
        self.assertEqual(conclude({branch(1): 3}, SOMETIMES), ([], []))

    def test_an_assertion_that_never_fails_did_not(self):
        fails, holds = (branch(1, "tr_check(x)", way) for way in ("false", "true"))
        never, _ = read("[runtime/x.c]\nf: never false: tr_check(x)\n    Why.\n")
        other = branch(2, "tr_check(x)", "false")  # its other condition, say
        taken = {other: 7, fails: 1, holds: 5, branch(2): 3}
        self.assertEqual(coverage.without_ends(taken, never["never"]), {**taken, fails: 0})

    def test_the_other_way_and_another_condition_are_others(self):
        self.assertEqual(conclude({branch(1, way="false"): 0, branch(1): 0}, NEVER), ([1], []))
        self.assertEqual(conclude({branch(1, "b"): 0, branch(2): 0}, NEVER), ([1], []))

    def test_an_entry_whose_condition_is_nowhere_is_wrong(self):
        self.assertEqual(len(conclude({branch(1, "b"): 1}, NEVER)[1]), 1)
        self.assertEqual(len(conclude({branch(1, "b"): 1}, SOMETIMES)[1]), 1)

    def test_conditions_of_one_text_are_counted(self):
        two = NEVER.replace("    Why", "f: never true: a\n    Why")
        self.assertEqual(conclude({branch(1): 0, branch(2): 0}, two), ([], []))
        self.assertEqual(len(conclude({branch(1): 0, branch(2): 1}, two)[1]), 1)
        self.assertEqual(len(conclude({branch(1): 0}, two)[1]), 1)
        both = NEVER + SOMETIMES
        for count in (0, 1):
            self.assertEqual(conclude({branch(1): 0, branch(2): count}, both), ([], []))
        self.assertEqual(len(conclude({branch(1): 1, branch(2): 1}, both)[1]), 1)


class List(unittest.TestCase):
    def test_an_entry_needs_a_reason_and_a_form(self):
        self.assertEqual(read(NEVER)[1], [])
        self.assertEqual(len(read(NEVER.replace("    Why.\n", ""))[1]), 1)
        self.assertEqual(len(read(NEVER.replace("never", "seldom"))[1]), 1)


if __name__ == "__main__":
    unittest.main()
