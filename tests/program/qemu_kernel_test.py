#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What QEMU's own record/replay test of a kernel does, with its command line, driven over QMP: record a kernel until it finds no
root device, quit, dump the recording, replay it; the replay prints the same and ends by itself.

  qemu_kernel_test.py VMM GUESTS
"""
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from qmp_client import Monitor

VMM, GUESTS = sys.argv[1], Path(sys.argv[2])
# QEMU's kernel says "VFS: Cannot open root device" at that point; Debian's, which has no file system built in, this.
NO_ROOT = b"VFS: Unable to mount root fs"


class Kernel(unittest.TestCase):
    def command(self, directory, mode):
        return [VMM, "-icount", f"shift=5,rr={mode},rrfile={directory}/replay.bin,sleep=off", "-M", "pc", "-net", "none", "-no-reboot",
                "-display", "none", "-vga", "none", "-chardev", f"socket,id=mon,path={directory}/mon-{mode},server=on,wait=off",
                "-mon", "chardev=mon,mode=control", "-serial", f"file:{directory}/{mode}.txt", "-kernel", str(GUESTS / "vmlinuz-686"),
                "-append", "printk.time=1 panic=-1 console=ttyS0 root=/dev/sda1"]

    @unittest.skipUnless((GUESTS / "vmlinuz-686").exists(), "no guests; tools/guests makes them")
    def test_recorded_until_it_finds_no_root_and_replayed(self):
        with tempfile.TemporaryDirectory() as directory:
            directory = Path(directory)
            recorded = directory / "record.txt"
            process = subprocess.Popen(self.command(directory, "record"), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            try:
                monitor = Monitor(str(directory / "mon-record"))
                self.assertEqual(monitor.command("qmp_capabilities"), {"return": {}})
                deadline = time.monotonic() + 240
                while process.poll() is None and NO_ROOT not in (recorded.read_bytes() if recorded.exists() else b""):
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.02)
                self.assertIn(NO_ROOT, recorded.read_bytes()[-4000:])
                try:
                    monitor.command("quit")
                except (OSError, ValueError):
                    pass                         # it had gone by itself: panic=-1 with -no-reboot ends it at once
                self.assertEqual(process.wait(60), 0, process.stderr.read())
            finally:
                process.kill()
                process.wait()
                process.stderr.close()
            dump = subprocess.run([VMM, "rr", "dump", str(directory / "replay.bin")], stdout=subprocess.DEVNULL, timeout=60)
            self.assertEqual(dump.returncode, 0)
            replay = subprocess.run(self.command(directory, "replay"), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
            self.assertEqual(replay.returncode, 0, replay.stderr)
            self.assertIn("identical", replay.stderr)
            self.assertEqual((directory / "replay.txt").read_bytes(), recorded.read_bytes())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
