#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole program with a real guest: a shell session typed at random times is recorded and replayed; a recording whose
program was killed replays up to its end; an altered event is found. Arguments: the program, the guests' directory."""
import os, random, signal, struct, subprocess, sys, tempfile, time, unittest, zlib

VMM, GUESTS = sys.argv[1], sys.argv[2]
LINES = ["echo hello $((6*7))", "ls /", "cat /proc/interrupts | head -3", "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; echo $i",
         "sleep 1; echo slept", "sha1sum /bin/busybox"]
FRAME = struct.Struct("<IIIIQ")


def guest_args():
    return ["-kernel", f"{GUESTS}/vmlinuz-686", "-initrd", f"{GUESTS}/busybox.cpio.gz", "-append", "console=ttyS0 vmm.run=shell quiet",
            "-serial", "stdio", "-monitor", "none", "-display", "none"]


class Session(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.rr = os.path.join(self.dir.name, "s.rr")
        self.out = open(os.path.join(self.dir.name, "out"), "w+b")
        self.addCleanup(self.out.close)

    def start(self):
        vm = subprocess.Popen([VMM, "--rr", "record", "--rrfile", self.rr] + guest_args(), stdin=subprocess.PIPE,
                              stdout=self.out, stderr=subprocess.PIPE, bufsize=0)
        self.addCleanup(lambda: (vm.kill(), vm.wait(), vm.stdin.close(), vm.stderr.close()))
        return vm

    def seen(self):
        return os.pread(self.out.fileno(), 1 << 22, 0)

    def wait_for(self, text, seconds=60):
        until = time.monotonic() + seconds
        while text not in self.seen():
            self.assertLess(time.monotonic(), until, f"no {text!r} in {self.seen()[-400:]!r}")
            time.sleep(0.05)

    def type(self, vm, line, pace):
        for c in line + "\n":
            vm.stdin.write(c.encode())
            time.sleep(pace.random() ** 3 * 0.06)

    def replay(self, rr=None, *options):
        return subprocess.run([VMM, "--rr", "replay", "--rrfile", rr or self.rr, *options], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=240)

    def record_session(self):
        vm, pace = self.start(), random.Random()
        self.wait_for(b"GUEST shell begin")
        for line in LINES:
            self.type(vm, line, pace)
        self.wait_for(b"slept")
        self.type(vm, "exit", pace)
        self.assertEqual(vm.wait(120), 0)
        recorded = self.seen()
        self.assertIn(b"hello 42", recorded)
        self.assertIn(b"GUEST shell end 0", recorded)
        return recorded

    def test_a_session_is_replayed_to_the_byte_and_a_changed_key_is_found(self):
        recorded = self.record_session()
        again = self.replay()
        self.assertEqual((again.returncode, again.stdout), (0, recorded), again.stderr)
        self.assertIn(b"identical up to icount", again.stderr)

        changed = self.rr + ".changed"
        with open(self.rr, "rb") as f:
            log = f.read()
        with open(changed, "wb") as f:
            f.write(alter(log))
        other = self.replay(changed)
        self.assertEqual(other.returncode, 3, other.stderr)
        self.assertIn(b"differs between icount", other.stderr)

        wrong = self.replay(self.rr, "-m", "64")
        self.assertEqual(wrong.returncode, 1)
        self.assertIn(b"recorded with ram-bytes=134217728", wrong.stderr)

    def test_a_recording_cut_by_kill_is_replayed_up_to_its_end(self):
        vm, pace = self.start(), random.Random()
        self.wait_for(b"GUEST shell begin")
        self.type(vm, LINES[0], pace)
        self.type(vm, LINES[3], pace)
        self.wait_for(b"hello 42")
        time.sleep(0.5)
        vm.send_signal(signal.SIGKILL)
        vm.wait(10)
        recorded = self.seen()
        again = self.replay()
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn(b"where the recording was cut", again.stderr)
        self.assertTrue(recorded.startswith(again.stdout), (recorded, again.stdout))
        self.assertIn(b"hello 42", again.stdout)


def alter(log):
    """The first byte that was typed, another one; the chunk packed again with a right CRC. Written from recording-format.md."""
    at = 16
    while at < len(log):
        kind, stored, _, raw, valid = FRAME.unpack_from(log, at)
        payload = bytearray(zlib.decompress(log[at + 24:at + 24 + stored]))
        where = payload.find(b"\x01\x00\x00\x01e") if kind == 2 else -1          # Input, serial, port 0, one byte, 'e'
        if where >= 0:
            payload[where + 4] ^= 1
            packed = zlib.compress(bytes(payload))
            crc = zlib.crc32(packed, zlib.crc32(struct.pack("<IQ", raw, valid), zlib.crc32(struct.pack("<II", kind, len(packed)))))
            return log[:at] + FRAME.pack(kind, len(packed), crc, raw, valid) + packed + log[at + 24 + stored:]
        at += 24 + stored
    raise AssertionError("no typed character in the log")


if __name__ == "__main__":
    if not os.path.exists(f"{GUESTS}/vmlinuz-686"):
        print("no guests in", GUESTS, "; tools/guests makes them")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
