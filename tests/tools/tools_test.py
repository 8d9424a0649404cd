# SPDX-License-Identifier: Apache-2.0
"""Behaviour of tools/check, tools/bench and tools/soak: what counts as passed, failed, skipped; what a table says; where a soak goes on."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parent.parent.parent / "tools"
sys.dont_write_bytecode = True  # leave nothing beside the scripts


def load(name):
    loader = importlib.machinery.SourceFileLoader(name, str(TOOLS / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


check = load("check")
bench = load("bench")
soak = load("soak")

REPORT = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" disabled="1" errors="0" time="0." name="AllTests">
  <testsuite name="Pit" tests="4" failures="1" disabled="1" skipped="1" errors="0" time="0.">
    <testcase name="Counts" status="run" result="completed" time="0." classname="Pit" />
    <testcase name="Wraps" status="run" result="completed" time="0." classname="Pit">
      <failure message="pit_test.cc:12&#x0A;Expected equality of these values:" type=""></failure>
    </testcase>
    <testcase name="NeedsKvm" status="run" result="skipped" time="0." classname="Pit">
      <skipped message="pit_test.cc:20&#x0A;no /dev/kvm&#x0A;"></skipped>
    </testcase>
    <testcase name="DISABLED_Old" status="notrun" result="suppressed" time="0." classname="Pit" />
  </testsuite>
</testsuites>
"""
ALL_GOOD = """<testsuites><testsuite name="Pit">
  <testcase name="Counts" status="run" result="completed" classname="Pit" />
</testsuite></testsuites>"""


def log_line(name, result, stdout="", stderr=""):
    return json.dumps({"name": name, "command": [f"/b/tests/test_{name}"], "result": result, "stdout": stdout,
                       "stderr": stderr})


class Check(unittest.TestCase):
    def results(self, lines, **reports):
        with tempfile.TemporaryDirectory() as directory:
            for name, text in reports.items():
                (Path(directory) / f"{name}.xml").write_text(text)
            return check.read_results(lines, Path(directory), "build")

    def test_counts_each_case_of_a_googletest_report(self):
        tally = self.results([log_line("pit", "FAIL")], test_pit=REPORT)
        self.assertEqual(tally.line(), "1 passed, 1 failed, 2 skipped")

    def test_names_a_failed_case_and_what_it_said(self):
        tally = self.results([log_line("pit", "FAIL")], test_pit=REPORT)
        self.assertEqual(tally.failed, [("build/test_pit Pit.Wraps", "Expected equality of these values:")])

    def test_gives_the_reason_of_a_skip(self):
        tally = self.results([log_line("pit", "OK")], test_pit=REPORT)
        self.assertEqual(tally.skipped[0], ("build/test_pit Pit.NeedsKvm", "no /dev/kvm"))

    def test_a_program_that_fails_after_its_cases_passed_is_a_failure(self):
        tally = self.results([log_line("pit", "FAIL", stderr="==1==ERROR: AddressSanitizer: leak")], test_pit=ALL_GOOD)
        self.assertEqual(tally.line(), "1 passed, 1 failed, 0 skipped")
        self.assertIn("AddressSanitizer", tally.failed[0][1])

    def test_a_program_that_dies_without_a_report_is_one_failure(self):
        tally = self.results([log_line("pit", "TIMEOUT")])
        self.assertEqual(tally.line(), "0 passed, 1 failed, 0 skipped")

    def test_a_report_cut_off_is_a_failure_even_where_meson_is_content(self):
        tally = self.results([log_line("pit", "OK")], test_pit=REPORT[:300])
        self.assertEqual(len(tally.failed), 1)

    def test_a_program_without_googletest_counts_as_one(self):
        tally = self.results([log_line("script", "OK"), log_line("other", "SKIP", stdout="needs a network\n")])
        self.assertEqual(tally.line(), "1 passed, 0 failed, 1 skipped")
        self.assertEqual(tally.skipped[0][1], "needs a network")

    def test_reports_of_programs_whose_names_begin_alike_are_kept_apart(self):
        tally = self.results([log_line("pit", "OK")], test_pit=ALL_GOOD, test_pit_more=REPORT)
        self.assertEqual(tally.line(), "1 passed, 0 failed, 0 skipped")


class Bench(unittest.TestCase):
    def console(self, *lines):
        console = bench.Console()
        console.lines = list(lines)
        return bench.Run(console, 9.0, 9.0, 0)

    def test_takes_a_programs_time_between_its_two_lines(self):
        run = self.console((1.0, "begin crc32"), (1.5, "crc32 0.700000 1f2a7363"), (1.5, "begin fork"),
                           (3.0, "fork 0.100000 cfc5f195"))
        scenario = bench.Bench("bench", "", "")
        self.assertEqual(scenario.rows(run), {"crc32 (integer)": 0.5, "fork (page faults, context switches)": 1.5})
        self.assertEqual(scenario.guest_seconds(run), {"crc32 (integer)": 0.7, "fork (page faults, context switches)": 0.1})

    def test_a_wrong_checksum_is_named(self):
        with tempfile.TemporaryDirectory() as directory:
            setup = bench.Setup(Path(directory), 1, 1)
            (Path(directory) / "expected-bench.txt").write_text("crc32 1f2a7363\n")
            run = self.console((1.0, "begin crc32"), (1.5, "crc32 0.700000 1f2a7364"))
            self.assertEqual(bench.Bench("bench", "", "").wrong(run, setup), "wrong checksum: crc32 1f2a7364")

    def test_a_guest_that_stops_early_is_wrong(self):
        self.assertIsNotNone(bench.Boot("boot", "", "").wrong(self.console((1.0, "GUEST poweroff begin")), None))

    def test_a_table_compares_the_smallest_samples(self):
        samples = {"vmm": {"boot": [2.0, 1.0]}, "qemu": {"boot": [5.0, 4.0]}}
        text = bench.table(bench.SCENARIOS[0], samples, ["vmm", "qemu"])
        self.assertIn("| boot | 1.000 | 4.000 | 4.00 | 3.25 | 100% | 25% |", text)

    def test_reads_a_process_and_its_exit_status(self):
        run = bench.run_process(["sh", "-c", "echo one; echo two; exit 3"], 20)
        self.assertEqual(([line for _, line in run.console.lines], run.status), (["one", "two"], 3))

    def test_ends_a_process_that_is_too_slow(self):
        run = bench.run_process(["sh", "-c", "echo one; exec sleep 60"], 1)
        self.assertIsNone(run.status)
        self.assertLess(run.wall, 30)


class Soak(unittest.TestCase):
    """A job whose program writes down what it was asked and fails for one chunk."""

    def run_job(self, directory, cases):
        build = Path(directory)
        program = build / "program"
        program.write_text('#!/bin/sh\necho "$SEED $FIRST $CASES" >> "$(dirname "$0")/asked"\ntest "$FIRST" != 20\n')
        program.chmod(0o755)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            status = soak.run("job", soak.Job("a test", "program", 10, "SEED", "FIRST", "CASES"), build, 7, cases)
        return status, (build / "asked").read_text().splitlines(), out.getvalue()

    def test_goes_on_where_it_was_stopped(self):
        with tempfile.TemporaryDirectory() as directory:
            self.assertEqual(self.run_job(directory, 15)[:2], (0, ["7 0 10", "7 10 5"]))
            self.assertEqual(self.run_job(directory, 18)[1][2:], ["7 15 3"])

    def test_a_failure_says_how_to_run_it_again_and_stays_one(self):
        with tempfile.TemporaryDirectory() as directory:
            status, asked, out = self.run_job(directory, 40)
            self.assertEqual((status, len(asked)), (1, 4))
            self.assertIn("again: SEED=7 FIRST=20 CASES=10", out)
            self.assertEqual(self.run_job(directory, 40)[0], 1)


if __name__ == "__main__":
    unittest.main()
