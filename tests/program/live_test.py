# SPDX-License-Identifier: Apache-2.0
"""A run that keeps its past, of all of it or of its last minutes, and writes it where that is asked for: by a monitor, by the
guest's port vmm-rr, by what the guest prints, by a triple fault. And a machine that goes on in a program of its own from there."""
import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from qmp_client import Monitor

VMM, ROM, DISK_ROM = sys.argv[1:4]
# The address sanitizer keeps 256 MB of what was freed, which is not the program's.
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4:thread_local_quarantine_size_kb=64")


class Guest:
    """The guest of calls.S, with a monitor; it does what is typed."""

    def __init__(self, directory, *options):
        path = os.path.join(directory, "qmp")
        self.process = subprocess.Popen([VMM, "-m", "8", "-vga", "none", "-bios", ROM, "-device", "vmm-rr", "-device", "isa-debug-exit", "-display", "none", "-icount", "sleep=off",
                                         "-chardev", "stdio,id=s", "-serial", "chardev:s", "-qmp", f"unix:{path},server=on,wait=off", *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
        self.monitor = Monitor(path)
        self.monitor.command("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()
        self.monitor.close()

    def type(self, letter):
        """Sends a letter and waits for its echo."""
        self.process.stdin.write(letter.encode())
        self.process.stdin.flush()
        while (got := self.process.stdout.read(1)) != letter.encode():
            assert got, self.process.stderr.read()

    def says(self, line):
        return self.monitor.command("human-monitor-command", **{"command-line": line})["return"]

    def seconds(self):
        return float(re.search(r"guest time ([0-9.]+) s", self.says("when"))[1])

    def until(self, seconds):
        while self.seconds() < seconds:
            time.sleep(0.05)

    def notice(self):
        return self.process.stderr.readline().decode()

    def end(self):
        """The status, and what it said."""
        self.process.stdin.close()
        status = self.process.wait(timeout=60)
        return status, self.process.stderr.read().decode()


class Live(unittest.TestCase):
    def setUp(self):
        self.room = tempfile.TemporaryDirectory()
        self.file = os.path.join(self.room.name, "past.rr")

    def tearDown(self):
        self.room.cleanup()

    def guest(self, *options):
        return Guest(self.room.name, *options)

    def ring(self, length="60s", *options):
        return self.guest("--rr", f"ring={length}", "--rrfile", self.file, *options)

    def replayed(self, file):
        done = subprocess.run([VMM, "--rr", "replay", "--rrfile", file, "-serial", "null"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("identical", done.stderr)

    def ended(self, file):
        """Waits for a program that is not ours to give its recording the end."""
        while "quit" not in subprocess.run([VMM, "rr", "info", file], capture_output=True, text=True, check=True).stdout:
            time.sleep(0.05)

    @contextlib.contextmanager
    def guest_of_replay(self):
        """The monitor of a replay."""
        path = os.path.join(self.room.name, "replay-qmp")
        process = subprocess.Popen([VMM, "--rr", "replay", "--rrfile", self.file, "-serial", "null", "-S", "-qmp", f"unix:{path},server=on,wait=off"], stderr=subprocess.DEVNULL)
        try:
            m = Monitor(path)
            m.command("qmp_capabilities")
            yield m
            m.command("quit")
            m.close()
            self.assertEqual(process.wait(timeout=60), 0)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def span(self, file):
        """From where to where it tells, in seconds of guest time."""
        room = os.path.join(self.room.name, "replay")
        process = subprocess.Popen([VMM, "--rr", "replay", "--rrfile", file, "-serial", "null", "-S", "-qmp", f"unix:{room},server=on,wait=off"], stderr=subprocess.DEVNULL)
        try:
            m = Monitor(room)
            m.command("qmp_capabilities")

            def at(where):
                said = m.command("human-monitor-command", **{"command-line": f"seek {where}"})["return"]
                return float(re.search(r"guest time ([0-9.]+) s", said)[1])
            out = at("end"), at("start"), at("end"), m.command("human-monitor-command", **{"command-line": "guest-marks"})["return"]
            m.command("quit")
            m.close()
            process.wait(timeout=60)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.assertEqual(out[0], out[2])
        return out[1], out[2], out[3]

    def test_a_ring_holds_the_last_minute_of_an_hour_and_no_more(self):
        with self.ring() as g:
            g.type("a")
            g.until(600)
            with open(f"/proc/{g.process.pid}/status") as status:
                early = int(re.search(r"VmHWM:\s+(\d+)", status.read())[1])
            for minute in range(11, 61):
                g.type("b")
                g.until(60 * minute)
            g.type("m")
            with open(f"/proc/{g.process.pid}/status") as status:
                late = int(re.search(r"VmHWM:\s+(\d+)", status.read())[1])
            self.assertLess(late, early + 16_000)
            self.assertEqual(g.monitor.command("rr-save", filename=self.file), {"return": {}})
            self.assertTrue(g.monitor.command("query-status")["return"]["running"])
            g.type("q")
            self.assertEqual(g.end()[0], 1)
        self.assertLess(os.path.getsize(self.file), 2_000_000)
        self.replayed(self.file)
        begin, end, marks = self.span(self.file)
        self.assertGreater(end, 3600)
        self.assertGreaterEqual(end - begin, 59)
        self.assertLess(end - begin, 60 * 1.5)
        self.assertIn("mark 4711", marks)
        info = subprocess.run([VMM, "rr", "info", self.file], capture_output=True, text=True, check=True).stdout
        self.assertIn("begins at icount", info)
        verify = subprocess.run([VMM, "rr", "verify", self.file, "--jobs", "2"], capture_output=True, text=True)
        self.assertEqual(verify.returncode, 0, verify.stdout + verify.stderr)

    def test_a_ring_can_be_recorded_on_from_where_it_begins(self):
        with self.ring("10s") as g:
            g.until(60)
            self.assertEqual(g.monitor.command("record-start", filename=self.file), {"return": {}})
            g.type("x")
            g.until(g.seconds() + 30)
            g.monitor.command("replay-seek", icount=g.monitor.command("query-replay")["return"]["icount"] - 1000)
            g.monitor.event("STOP")
            other = os.path.join(self.room.name, "other.rr")
            self.assertEqual(g.monitor.command("rr-save", filename=other), {"return": {}})
            self.assertEqual(g.monitor.command("record-stop"), {"return": {}})
            g.monitor.command("quit")
            g.end()
        self.replayed(self.file)
        self.replayed(other)
        begin, end, _ = self.span(self.file)
        self.assertGreater(begin, 40)
        self.assertGreater(end - begin, 35)

    def test_a_guest_that_fails_leaves_its_past(self):
        for letter, why in (("p", "said that it has failed"), ("f", "had a triple fault"), ("k", "printed 'Guest panic'")):
            with self.subTest(why), self.ring("10s", "--rr-panic", "Guest panic") as g:
                g.until(30)
                g.type(letter)
                self.assertIn(f"the guest {why}; {self.file} has its past", g.notice())
                g.monitor.command("quit")
                g.end()
                self.replayed(self.file)
                self.assertGreater(self.span(self.file)[0], 10)
                os.unlink(self.file)

    def test_a_guest_that_ends_by_failing_leaves_its_past(self):
        with self.ring("10s", "-no-reboot") as g:
            g.until(30)
            g.type("f")
            status, said = g.end()
            self.assertEqual(status, 0)
            self.assertIn("has its past", said)
        self.replayed(self.file)

    def test_a_guest_records_itself(self):
        with self.guest("--rr", "live", "--rrfile", self.file) as g:
            g.type("s")
            g.until(g.seconds() + 5)
            self.assertEqual(g.monitor.command("query-replay")["return"]["mode"], "record")
            g.type("m")
            g.type("t")
            g.until(g.seconds() + 5)
            self.assertEqual(g.monitor.command("query-replay")["return"]["mode"], "none")
            marks = g.says("guest-marks")
            self.assertIn("mark 4711: icount", marks)
            g.monitor.command("quit")
            g.end()
        self.replayed(self.file)
        begin, _, replayed = self.span(self.file)
        self.assertEqual((begin, replayed), (0.0, marks))

    def forked(self, m, *options):
        """A fork of that monitor's machine, recorded: its monitor, what it is recorded in, and where it began."""
        state, file, path = (os.path.join(self.room.name, name) for name in ("state.rr", "what-if.rr", "fork-qmp"))
        here = m.command("query-replay")["return"]["icount"]
        answer = m.command("rr-fork", filename=state, options=["--rr", "record", "--rrfile", file, "-icount", "sleep=off", "-display", "none", "-qmp", f"unix:{path},server=on,wait=off", *options])
        self.assertGreater(answer["return"]["pid"], 0)
        fork = Monitor(path)
        fork.command("qmp_capabilities")
        return fork, file, here

    def test_a_replay_goes_on_otherwise_in_a_fork(self):
        with self.guest("--rr", "record", "--rrfile", self.file) as g:
            g.type("a")
            g.monitor.command("quit")
            g.end()
        line = os.path.join(self.room.name, "line")
        with self.guest_of_replay() as m:
            end = m.command("human-monitor-command", **{"command-line": "seek end"})
            middle = m.command("query-replay")["return"]["icount"] // 2
            self.assertIn("icount", end["return"])
            m.command("human-monitor-command", **{"command-line": f"seek {middle}"})
            fork, file, here = self.forked(m, "-serial", f"unix:{line},server=on,wait=off", "-S")
            self.assertEqual(here, middle)
            self.assertEqual(fork.command("query-replay")["return"]["icount"], middle)
            fork.command("cont")
            with socket.socket(socket.AF_UNIX) as typed:
                typed.connect(line)
                typed.settimeout(30)
                typed.sendall(b"k")
                got = b""
                while b"Guest panic - at last" not in got:
                    got += typed.recv(100)
            fork.command("quit")
            fork.close()
            self.assertEqual(m.command("query-replay")["return"], {"mode": "play", "filename": self.file, "icount": middle})
            refused = m.command("rr-fork", filename=os.path.join(self.room.name, "no.rr"), options=["--nope"])
            self.assertIn("nope", refused["error"]["desc"])
        self.ended(file)
        self.replayed(file)
        self.assertIn(f"begins at icount {middle}", subprocess.run([VMM, "rr", "info", file], capture_output=True, text=True, check=True).stdout)
        # The state alone, by hand, as often as one likes; and its past is held like any other's.
        done = subprocess.run([VMM, "--rr-from", os.path.join(self.room.name, "state.rr"), "--rr", "live", "-icount", "sleep=off", "-display", "none", "-serial", "stdio"],
                              input="q", capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (1, "q"), done.stderr)
        self.replayed(self.file)

    def test_a_ring_and_a_fork_have_what_the_guest_wrote_to_its_disk(self):
        disk = os.path.join(self.room.name, "disk")
        with open(disk, "wb") as image:
            image.write(b"x" * (4 << 20))
        options = ["-m", "8", "-vga", "none", "-bios", DISK_ROM, "-drive", f"file={disk},format=raw"]
        path = os.path.join(self.room.name, "disk-qmp")
        process = subprocess.Popen([VMM, *options, "--rr", "ring=1s", "--rrfile", self.file, "-display", "none", "-icount", "shift=6,sleep=off", "-qmp", f"unix:{path},server=on,wait=off"], stderr=subprocess.DEVNULL)
        try:
            m = Monitor(path)
            m.command("qmp_capabilities")
            while float(re.search(r"guest time ([0-9.]+) s", m.command("human-monitor-command", **{"command-line": "when"})["return"])[1]) < 2:
                time.sleep(0.05)
            self.assertEqual(m.command("rr-save", filename=self.file), {"return": {}})
            fork, file, here = self.forked(m)
            while fork.command("query-replay")["return"]["icount"] < here + 20_000_000:
                time.sleep(0.02)
            fork.command("quit")
            fork.close()
            m.command("quit")
            m.close()
            process.wait(timeout=60)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        with open(disk, "rb") as image:
            self.assertEqual(image.read(), b"x" * (4 << 20))
        self.ended(file)
        self.replayed(self.file)
        self.replayed(file)
        # It takes further checkpoints, and is verified from each of them.
        indexed = os.path.join(self.room.name, "indexed.rr")
        index = subprocess.run([VMM, "rr", "index", self.file, "--every", "2M", "-o", indexed], capture_output=True, text=True)
        self.assertEqual(index.returncode, 0, index.stdout + index.stderr)
        verify = subprocess.run([VMM, "rr", "verify", indexed, "--jobs", "2"], capture_output=True, text=True)
        self.assertEqual(verify.returncode, 0, verify.stdout + verify.stderr)
        self.assertRegex(verify.stdout, "in [0-9]+ parts")

    def test_what_cannot_be_is_said(self):
        for options, text in ((["--rr", "ring=5"], "-rrfile FILE says it"), (["--rr", "ring=0", "--rrfile", "x"], "hold nothing"), (["--rr", "ring=5", "--rr", "record", "--rrfile", "x"], "not both"),
                              (["--rr-panic", "x"], "-rr-panic goes with"), (["--rr", "ring=x", "--rrfile", "x"], "not a number")):
            done = subprocess.run([VMM, *options], capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode, 1)
            self.assertIn(text, done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
