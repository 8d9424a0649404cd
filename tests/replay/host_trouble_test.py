#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The program records the firmware while the host makes trouble: no room for the file, the file deleted, SIGKILL at random moments.
Argument: the program."""
import os, random, resource, signal, subprocess, sys, tempfile, threading, time, unittest

VMM = sys.argv[1]


class Trouble(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.rr = os.path.join(self.dir.name, "t.rr")
        self.said = b""

    def start(self):
        vm = subprocess.Popen([VMM, "--rr", "record", "--rrfile", self.rr, "-serial", "stdio", "-monitor", "none", "-display", "none"],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0)
        self.addCleanup(lambda: (vm.kill(), vm.wait(), vm.stdin.close(), vm.stderr.close()))
        threading.Thread(target=self.listen, args=(vm.stderr.fileno(),), daemon=True).start()
        return vm

    def listen(self, fd):
        try:
            while text := os.read(fd, 4096):
                self.said += text
        except OSError:
            pass

    def until(self, what, condition, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, f"{what}; it said {self.said!r}")
            time.sleep(0.02)

    def size(self):
        return os.path.getsize(self.rr) if os.path.exists(self.rr) else 0

    def type(self, vm, pace):
        vm.stdin.write(bytes(pace.randrange(256) for _ in range(pace.randrange(1, 20))))

    def replay(self):
        return subprocess.run([VMM, "--rr", "replay", "--rrfile", self.rr, "-display", "none", "-serial", "null"],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60)

    def end_and_replay(self, vm):
        vm.send_signal(signal.SIGTERM)
        self.assertEqual(vm.wait(30), 0, self.said)
        again = self.replay()
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertRegex(again.stderr, rb"identical up to icount \d+ \(\d+ hashes\)\n")

    def test_a_full_disk_pauses_the_machine_until_there_is_room(self):
        vm = self.start()
        self.until("no recording", lambda: self.size() > 600)
        resource.prlimit(vm.pid, resource.RLIMIT_FSIZE, (self.size() + 1, resource.RLIM_INFINITY))
        pace = random.Random(1)
        for _ in range(20):
            self.type(vm, pace)
        self.until("not paused", lambda: b"the machine is paused" in self.said)
        self.assertIn(self.rr.encode() + b": File too large", self.said)
        stands = self.size()
        resource.prlimit(vm.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.until("does not go on", lambda: self.size() > stands)
        self.end_and_replay(vm)

    def test_a_recording_that_ends_on_a_full_disk_has_status_1_and_replays(self):
        vm = self.start()
        self.until("no recording", lambda: self.size() > 600)
        resource.prlimit(vm.pid, resource.RLIMIT_FSIZE, (self.size() + 1, resource.RLIM_INFINITY))
        self.until("not paused", lambda: b"the machine is paused" in self.said)
        vm.send_signal(signal.SIGTERM)
        self.assertEqual(vm.wait(30), 1)
        again = self.replay()
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn(b"where the recording was cut", again.stderr)

    def test_a_deleted_file_is_written_anew(self):
        vm = self.start()
        self.until("no recording", lambda: self.size() > 600)
        os.unlink(self.rr)
        self.until("not paused", lambda: b"was deleted while it was written" in self.said)
        self.until("does not go on", lambda: self.size() > 600)
        self.end_and_replay(vm)

    def test_a_small_file_system_that_fills_up(self):
        place = os.path.join(self.dir.name, "small")
        os.mkdir(place)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no right to mount; the other tests use a limit on the file's size")
        self.addCleanup(lambda: subprocess.run(["umount", place], check=True))
        self.rr = os.path.join(place, "t.rr")
        vm = self.start()
        self.until("no recording", lambda: self.size() > 600)
        ballast = os.path.join(place, "ballast")
        with open(ballast, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(512))
            except OSError:
                pass
        pace = random.Random(2)
        def paused():
            self.type(vm, pace)
            return b"No space left on device" in self.said
        self.until("not paused", paused)
        stands = self.size()
        os.unlink(ballast)
        self.until("does not go on", lambda: self.size() > stands)
        self.end_and_replay(vm)

    def test_killed_at_random_moments_it_replays_to_its_last_chunk(self):
        pace = random.Random(3)
        for _ in range(5):
            with self.subTest():
                vm = self.start()
                end = time.monotonic() + 0.3 + pace.random()
                while time.monotonic() < end:
                    self.type(vm, pace)
                    time.sleep(pace.random() * 0.02)
                vm.kill()
                vm.wait()
                again = self.replay()
                self.assertEqual(again.returncode, 0, again.stderr)
                self.assertIn(b"where the recording was cut", again.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
