#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian disk recorded and replayed, and booted twice: the same each time, whatever the host does.

  debian_replay_test.py VMM GUESTS [--seed N] [TEST...]

A second process stops and continues the program at random moments for random times, so that no two runs meet the host in the same way.
"""
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

from debian_disk_test import WAIT, why_no_disk
from guest_machine import Guest

PROGRAM, GUESTS = sys.argv[1], pathlib.Path(sys.argv[2])
SEED = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else random.SystemRandom().randrange(2**32)


class Disturbed:
    """Stops a process now and then while the block runs."""

    def __init__(self, process, seed):
        self.process, self.random, self.end = process, random.Random(seed), threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.end.wait(self.random.expovariate(2)) and self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)
            self.end.wait(self.random.expovariate(10))
            self.process.send_signal(signal.SIGCONT)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()


@unittest.skipUnless((GUESTS / "debian.img").exists(), why_no_disk())
class DebianReplay(unittest.TestCase):
    def setUp(self):
        print(f"--seed {SEED}", file=sys.stderr)
        directory = tempfile.TemporaryDirectory(prefix="vmm-debian-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.random = random.Random(SEED)

    def record(self, name, *options):
        guest = Guest(PROGRAM, "-m", "256", "-net", "none", "-no-reboot", "-rtc", "base=2026-01-02T03:04:05", "--rr", "record",
                      "--rrfile", self.directory / name, "-drive", f"file={GUESTS}/debian.img,format=raw,snapshot=on", *options)
        self.addCleanup(guest.close)
        return guest

    def pause(self, guest, mean):
        guest.read(self.random.expovariate(1 / mean))

    def type_slowly(self, guest, text):
        for c in text:
            guest.type(c)
            self.pause(guest, 0.03)

    def test_typed_at_and_replayed(self):
        guest = self.record("typed.rr")
        with Disturbed(guest.process, self.random.random()):
            guest.expect("Debian, kernel without PAE", WAIT)
            guest.type("\r")
            guest.expect("login: ", WAIT)
            self.type_slowly(guest, "root\n")
            guest.expect("Password: ", WAIT)
            self.type_slowly(guest, "vmm\n")
            guest.expect("# ", WAIT)
            for command in ("date; cat /proc/interrupts", "echo 'int main(void) { return 42; }' >a.c && gcc a.c && ./a.out; echo $((1+$?))",
                            "dd if=/dev/urandom bs=1M count=4 2>&1 | tee noise | sha256sum; sync"):
                self.pause(guest, 0.5)
                self.type_slowly(guest, command)
                guest.key("a", "ret")            # on the screen, in between
                guest.type("\n")
                guest.expect(r"root@debian:~# ", WAIT)
            self.assertRegex(guest.output, rb"\r43\r\n")
            guest.type("poweroff\n")
            self.assertEqual(guest.wait(WAIT), 0, guest.error_text())
        replay = subprocess.run([PROGRAM, "--rr", "replay", "--rrfile", self.directory / "typed.rr", "-display", "none", "-serial", "stdio"],
                                stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT)
        self.assertEqual(replay.returncode, 0, replay.stderr.decode(errors="replace"))
        self.assertIn(b"identical up to icount", replay.stderr)
        self.assertEqual(replay.stdout, guest.output)

    def boot_alone(self, name, seed):
        """Without any input from outside, as far as the login and some more; the hashes by position, of every part of the machine."""
        guest = self.record(name, "--disk-timing", "exact")
        with Disturbed(guest.process, seed):
            guest.expect("login: ", WAIT)
            self.pause(guest, 2)
            guest.monitor.command("quit")
            self.assertEqual(guest.wait(), 0, guest.error_text())
        dump = subprocess.run([PROGRAM, "rr", "dump", "--json", self.directory / name], capture_output=True, text=True, check=True, timeout=WAIT)
        rows = [json.loads(line) for line in dump.stdout.splitlines()]
        kinds = {row["kind"] for row in rows if row["type"] == "event"}
        self.assertIn("disk", kinds)
        self.assertLessEqual(kinds, {"disk", "idle-jump"})    # a long sleep is cut into pieces, which does not show in the guest
        self.assertFalse([row for row in rows if row["type"] == "event" and row.get("late")])
        return {row["at"]: row for row in rows if row["type"] == "hash"}

    def test_two_boots_without_input_pass_through_the_same_states(self):
        first = self.boot_alone("first.rr", self.random.random())
        second = self.boot_alone("second.rr", self.random.random())
        both = sorted(first.keys() & second.keys())
        self.assertGreater(both[-1], 5 * 10**9)
        self.assertEqual(both, sorted(at for at in first.keys() | second.keys() if at <= both[-1]))
        for at in both:
            self.assertEqual(first[at], second[at])


if __name__ == "__main__":
    arguments = [a for i, a in enumerate(sys.argv) if i > 2 and a != "--seed" and sys.argv[i - 1] != "--seed"]
    unittest.main(argv=[sys.argv[0], *arguments], verbosity=2)
