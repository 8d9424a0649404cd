#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What QEMU's own reverse-debugging test does, with its command line and a real gdb, several times over.

reverse_debugging_test.py VMM [TIMES]. Options of that command line that the program does not know yet are left out and named;
without -qmp the recording is ended by a signal and the run forward goes to the recording's end.
"""
import json
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

from gdb_driver import Gdb, Lines, Scratch, Vmm

VMM = sys.argv[1]
TIMES = int(sys.argv[2]) if len(sys.argv) > 2 else 20
STEPS = 10


def known(*arguments):
    """Does the program have these? Nothing is started: the answer comes before --help is looked at, or is the help."""
    done = subprocess.run([VMM, *arguments, "--help"], capture_output=True, timeout=60)
    return done.returncode == 0


QMP = known("-qmp", "unix:/nowhere,server=on,wait=off")
DRIVE = known("-drive", "file=x,if=none")
SNAPSHOT = known("-icount", "shift=7,rr=record,rrfile=x,rrsnapshot=init")


class Qmp:
    def __init__(self, path):
        until = time.monotonic() + 30
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                self.socket.close()
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        self.file = self.socket.makefile("rw")
        json.loads(self.file.readline())
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "error" in answer:
                raise AssertionError(answer)
            if "return" in answer:
                return answer["return"]

    def close(self):
        self.file.close()
        self.socket.close()


class ReverseDebugging(unittest.TestCase, Scratch):
    def setUp(self):
        self.scratch()

    def command_line(self, mode):
        snapshot = ",rrsnapshot=init" if SNAPSHOT else ""
        line = ["-icount", f"shift=7,rr={mode},rrfile={self.directory}/r.bin{snapshot}", "-net", "none", "-display", "none",
                "-serial", "null", "-monitor", "none"]
        if DRIVE:
            line += ["-drive", f"file={self.directory}/disk.qcow2,if=none"]
        if QMP:
            line += ["-qmp", f"unix:{self.directory}/qmp-{mode},server=on,wait=off"]
        return line

    def record(self):
        """Returns the position to run to later."""
        if DRIVE:
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", self.directory / "disk.qcow2", "128M"], check=True)
        vmm = subprocess.Popen([VMM, *self.command_line("record")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = Lines(vmm.stdout), Lines(vmm.stderr)
        self.addCleanup(lambda: (vmm.kill(), vmm.wait(), vmm.stdout.close(), vmm.stderr.close()))
        if not QMP:
            time.sleep(0.5)
            vmm.send_signal(signal.SIGTERM)
            self.assertEqual(vmm.wait(60), 0, err.text + out.text)
            info = subprocess.run([VMM, "rr", "info", self.directory / "r.bin"], capture_output=True, check=True, text=True).stdout
            return int(re.search(r"icount (\d+)", info).group(1))
        qmp = self.closing(Qmp(self.directory / "qmp-record"))
        while qmp("query-replay")["icount"] <= STEPS:
            time.sleep(0.02)
        last = qmp("query-replay")["icount"]
        qmp("quit")
        self.assertEqual(vmm.wait(60), 0, err.text)
        return last

    def stop_at(self, gdb):
        return gdb.value("$cs_base + $eip") & 0xffffffff

    def once(self):
        last = self.record()
        self.assertGreater(last, STEPS)
        vmm = self.closing(Vmm(VMM, *self.command_line("replay")))
        gdb = self.closing(Gdb())
        gdb("set debug remote 1")
        offered = gdb.attach(vmm.remote)
        self.assertIn("ReverseStep+", offered)
        self.assertIn("ReverseContinue+", offered)
        gdb("set debug remote 0")
        noted = []
        for _ in range(STEPS):
            noted.append(self.stop_at(gdb))
            gdb("stepi")
        for address in reversed(noted):
            gdb("reverse-stepi")
            self.assertEqual(self.stop_at(gdb), address)
        for address in noted:
            self.assertEqual(self.stop_at(gdb), address)
            gdb("stepi")
        for address in noted:
            gdb(f"break *{address:#x}")
        # One of the first instructions may come again, and stops then: the one noted last is still the last before it.
        if QMP:
            qmp = self.closing(Qmp(self.directory / "qmp-replay"))
            qmp("replay-break", icount=last - 1)
            if "SIGINT" in gdb("continue"):
                self.assertEqual(qmp("query-replay")["icount"], last - 1)
            else:
                self.assertIn(self.stop_at(gdb), noted)
        elif "No more reverse-execution history" not in gdb("continue"):
            self.assertIn(self.stop_at(gdb), noted)
        gdb("reverse-continue")
        self.assertEqual(self.stop_at(gdb), noted[-1])
        gdb("kill")
        self.assertEqual(vmm.wait(), 0, vmm.err.text)

    def test_every_time(self):
        left_out = [name for name, has in (("-qmp", QMP), ("-drive", DRIVE), ("rrsnapshot=", SNAPSHOT)) if not has]
        print("left out:", *left_out or ["nothing"], flush=True)
        for turn in range(TIMES):
            with self.subTest(turn=turn):
                self.once()


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
