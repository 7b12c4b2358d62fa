#!/usr/bin/env python3
# The judge of the benches: what passes, what misses, and what the exit status says of it.
import json
import pathlib
import sys
import tempfile
import unittest

from measurement import (EXIT_BAR_MISSED, EXIT_FAILED, MEMORY, RATE, Case, Contender, Result, RunFailed,
                         Sample, exit_status, measure, noise, report, run_program, table)


def rate_result(value, reference, bar, error=""):
    return Result("a-b/workers=1", RATE, 100, [value], "ref", [reference], bar, error)


class Judgement(unittest.TestCase):
    def test_a_rate_at_its_bar_passes_and_below_it_misses(self):
        self.assertTrue(rate_result(95.0, 100.0, 0.95).passed)
        self.assertFalse(rate_result(94.9, 100.0, 0.95).passed)

    def test_memory_passes_below_its_limit_and_misses_above(self):
        self.assertTrue(Result("m", MEMORY, 1, [199.0], "limit", [200.0], 1.0).passed)
        self.assertFalse(Result("m", MEMORY, 1, [201.0], "limit", [200.0], 1.0).passed)

    def test_the_ratio_is_of_medians(self):
        result = Result("c", RATE, 1, [1.0, 90.0, 100.0], "ref", [100.0, 1.0, 120.0], 0.9)
        self.assertAlmostEqual(result.ratio, 0.9)

    def test_without_a_bar_nothing_is_judged(self):
        self.assertIsNone(rate_result(1.0, 100.0, None).passed)

    def test_exit_status_tells_a_missed_bar_from_a_failure(self):
        met, missed = rate_result(1.0, 1.0, 0.95), rate_result(0.5, 1.0, 0.95)
        failed = rate_result(1.0, 1.0, 0.95, error="it broke")
        self.assertEqual(exit_status([met]), 0)
        self.assertEqual(exit_status([met, missed]), EXIT_BAR_MISSED)
        self.assertEqual(exit_status([met, missed, failed]), EXIT_FAILED)

    def test_ratios_turn_by_turn_pair_the_runs_that_followed_one_another(self):
        result = Result("c", RATE, 1, [50.0, 100.0], "ref", [100.0, 200.0], 0.9)
        self.assertEqual(result.turn_ratios, [0.5, 0.5])

    def test_noise_is_the_spread_of_the_references_own_runs(self):
        spread = noise([Result("c", RATE, 1, [1.0, 1.0], "ref", [90.0, 110.0, 100.0], 1.0)])
        self.assertEqual(spread, {"c ref": 0.2})


class Alternation(unittest.TestCase):
    def contender(self, name, seconds, bar=None, fails=False):
        def check():
            if fails:
                raise RunFailed("rows are missing")
        return Contender(name, 100, lambda: self.order.append(name), lambda: Sample(seconds, 50.0), check, bar)

    def setUp(self):
        self.order = []

    def measure(self, case, with_subject=True):
        return measure(case, 2, with_subject, lambda text: None, [])

    def test_contenders_take_turns_the_reference_first(self):
        case = Case("c", RATE, self.contender("migrate", 2.0),
                    [self.contender("ref", 1.0, 0.95), self.contender("peer", 4.0, 1.0)])
        against_reference, against_peer = self.measure(case)
        self.assertEqual(self.order, ["ref", "migrate", "peer"] * 2)
        self.assertAlmostEqual(against_reference.ratio, 0.5)
        self.assertFalse(against_reference.passed)
        self.assertAlmostEqual(against_peer.ratio, 2.0)
        self.assertTrue(against_peer.passed)

    def test_a_subject_that_loses_rows_fails_however_fast_it_was(self):
        case = Case("c", RATE, self.contender("migrate", 0.1, fails=True), [self.contender("ref", 1.0, 0.95)])
        result, = self.measure(case)
        self.assertFalse(result.passed)
        self.assertEqual(exit_status([result]), EXIT_FAILED)

    def test_limits_leave_the_subject_out(self):
        case = Case("c", RATE, self.contender("migrate", 1.0), [self.contender("ref", 1.0, 0.95)])
        result, = self.measure(case, with_subject=False)
        self.assertEqual(self.order, ["ref", "ref"])
        self.assertIsNone(result.passed)

    def test_memory_is_judged_by_its_worst_run(self):
        case = Case("c", MEMORY, self.contender("migrate", 1.0), [], limit=40)
        result, = self.measure(case)
        self.assertEqual((result.values, result.passed), ([50.0], False))


class Programs(unittest.TestCase):
    def test_a_program_that_fails_is_told_with_its_last_words(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(RunFailed, "(?s)ended with 7.*no luck"):
                run_program(["sh", "-c", "echo no luck >&2; exit 7"], folder)

    def test_peak_memory_is_that_of_the_program(self):
        with tempfile.TemporaryDirectory() as folder:
            small = run_program([sys.executable, "-c", "pass"], folder)
            large = run_program([sys.executable, "-c", "b = b'x' * (100 << 20)"], folder)
        self.assertGreater(large.peak_rss_mib - small.peak_rss_mib, 90)


class Report(unittest.TestCase):
    def test_json_has_the_agreed_keys(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "out.json"
            status = report("backfill", 100, [rate_result(90.0, 100.0, 0.95)], [1.0], {}, {}, path)
            document = json.loads(path.read_text())
        self.assertEqual(status, EXIT_BAR_MISSED)
        self.assertEqual((document["bench"], document["rows"]), ("backfill", 100))
        agreed = {"case": "a-b/workers=1", "metric": "rows_per_s", "value": 90.0, "reference": "ref",
                  "reference_value": 100.0, "ratio": 0.9, "bar": 0.95, "pass": False, "runs": 1}
        self.assertEqual(agreed, {key: document["results"][0][key] for key in agreed})

    def test_table_names_what_was_missed(self):
        self.assertRegex(table([rate_result(90.0, 100.0, 0.95)]), r"0\.900 +>= 0\.95 +MISSED")


if __name__ == "__main__":
    unittest.main()
