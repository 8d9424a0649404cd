#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""QMP over a real socket, held against QEMU's answers to the same lines where QEMU is installed.

  qmp_test.py VMM GUESTS
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from qmp_client import Monitor

VMM, GUESTS = sys.argv[1], Path(sys.argv[2])
QEMU = shutil.which("qemu-system-i386")


class Program:
    """vmm, or QEMU, with a QMP socket."""

    def __init__(self, *arguments, program=VMM, stdout=subprocess.DEVNULL):
        self.directory = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.directory.name, "qmp")
        self.process = subprocess.Popen([program, *arguments, "-display", "none", "-qmp", f"unix:{self.path},server=on,wait=off"],
                                        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True)

    def monitor(self, negotiate=True):
        m = Monitor(self.path)
        if negotiate:
            assert m.command("qmp_capabilities") == {"return": {}}
        return m

    def finish(self, timeout=120):
        _, errors = self.process.communicate(timeout=timeout)
        self.directory.cleanup()
        return self.process.returncode, errors

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()


LINES = [
    '{"execute":"query-status"}', '{"execute":"qmp_capabilities"}', '{"execute":"qmp_capabilities"}', '{"execute":"nope","id":3}',
    '{"execute":"replay-break"}', '{"execute":"replay-break","arguments":{"icount":"x"}}',
    '{"execute":"replay-break","arguments":{"icount":5,"q":1}}', '{"execute":"replay-break","arguments":{"icount":5}}',
    '{"execute":"replay-seek","arguments":{"icount":5}}', '{"execute":"replay-delete-break"}', '{"foo":1}', '[1]', '{"execute":5}',
    '{"execute":"stop","arguments":5}', '{"execute":"stop"}', '{"execute":"query-status"}', '{"execute":"stop"}', '{"execute":"cont"}',
    '{"execute":"query-status","id":{"a":1}}', '{"execute":"query-name"}',
]


class Qmp(unittest.TestCase):
    @unittest.skipUnless(QEMU, "qemu-system-i386 is not installed")
    def test_answers_are_qemus(self):
        answers = []
        for program in (VMM, QEMU):
            with Program(program=program) as p:
                m = p.monitor(negotiate=False)
                answers.append([m.answer(line) for line in LINES])
        for line, ours, theirs in zip(LINES, *answers):
            self.assertEqual(ours, theirs, line)

    def test_greeting_and_events(self):
        with Program() as p:
            m = p.monitor(negotiate=False)
            self.assertEqual(m.greeting["QMP"]["capabilities"], [])
            self.assertIn("qemu", m.greeting["QMP"]["version"])
            m.command("qmp_capabilities")
            m.command("stop")
            stamp = m.event("STOP")["timestamp"]
            self.assertLess(abs(stamp["seconds"] - time.time()), 60)
            m.command("cont")
            m.event("RESUME")
            m.command("system_reset")
            self.assertEqual(m.event("RESET")["data"], {"guest": False, "reason": "host-qmp-system-reset"})
            m.command("system_powerdown")
            m.event("POWERDOWN")
            m.answer('{"execute":"quit"}')
            self.assertEqual(m.event("SHUTDOWN")["data"], {"guest": False, "reason": "host-qmp-quit"})
            self.assertEqual(p.finish()[0], 0)

    def test_broken_json_is_refused_and_forgotten(self):
        with Program() as p:
            m = p.monitor()
            for line in ['{"execute" "x"}', "}", "hello", "[" * 1000, '{"execute": "\x01"}', '{"a": 1e99999}', '"' + "x" * 2_000_000]:
                self.assertIn("error", m.answer(line), line[:40])
            self.assertEqual(m.command("query-name"), {"return": {}})

    def test_clients_come_and_go(self):
        with Program() as p:
            for n in range(100):
                m = p.monitor(negotiate=n % 2 == 0)
                if n % 3 == 0:
                    m.file.write('{"execute": "query-sta')
                    m.file.flush()
                m.close()
            self.assertTrue(p.monitor().command("query-status")["return"]["running"])

    def test_a_client_that_does_not_read_holds_up_nobody(self):
        with tempfile.TemporaryDirectory() as directory:
            other = os.path.join(directory, "other")
            with Program("-qmp", f"unix:{other},server=on,wait=off") as p:
                m = p.monitor()
                deaf = Monitor(other)
                deaf.socket.setblocking(False)
                asked = b'{"execute":"qmp_capabilities"}' + b'{"execute":"query-commands"}' * 200_000
                stop = threading.Event()

                def flood():
                    sent = 0
                    while sent < len(asked) and not stop.is_set():
                        try:
                            sent += deaf.socket.send(asked[sent:sent + 65536])
                        except BlockingIOError:
                            time.sleep(0.01)
                        except OSError:
                            return

                thread = threading.Thread(target=flood)
                thread.start()
                try:
                    first = m.command("query-replay")["return"]["icount"]
                    for _ in range(50):
                        m.command("query-status")
                    time.sleep(0.2)
                    self.assertGreater(m.command("query-replay")["return"]["icount"], first)
                finally:
                    stop.set()
                    thread.join()
                m.command("quit")
                self.assertEqual(p.finish()[0], 0)

    def test_replay_seeks_and_breaks(self):
        with tempfile.TemporaryDirectory() as directory:
            file = os.path.join(directory, "rr")
            with Program("-icount", f"shift=7,rr=record,rrfile={file}", "-net", "none") as p:
                m = p.monitor()
                while (position := m.command("query-replay")["return"])["icount"] < 2_000_000:
                    self.assertEqual(position["mode"], "record")
                    time.sleep(0.02)
                m.command("quit")
                self.assertEqual(p.finish()[0], 0)
            with Program("--rr", "replay", "--rrfile", file, "-S") as p:
                m = p.monitor()
                self.assertEqual(m.command("query-replay")["return"], {"mode": "play", "filename": file, "icount": 0})
                for target in (1_000_000, 999_999, 1_500_000, 3):
                    self.assertEqual(m.command("replay-seek", icount=target), {"return": {}})
                    m.event("STOP")
                    self.assertEqual(m.command("query-replay")["return"]["icount"], target)
                self.assertEqual(m.command("replay-break", icount=2)["error"]["desc"], "cannot set breakpoint at the instruction in the past")
                self.assertEqual(m.command("replay-seek", icount=10**18)["error"]["desc"], "cannot seek to the specified instruction count")
                self.assertEqual(m.command("replay-break", icount=1_234_567), {"return": {}})
                m.command("cont")
                m.event("STOP")
                self.assertEqual(m.command("query-replay")["return"]["icount"], 1_234_567)
                self.assertIn("instruction count = 1234567", m.command("human-monitor-command", **{"command-line": "info replay"})["return"])
                m.command("quit")
                p.finish()

    def test_keys_and_screen(self):
        with tempfile.TemporaryDirectory() as directory:
            file = os.path.join(directory, "screen.ppm")
            with Program() as p:
                m = p.monitor()
                self.assertEqual(m.command("send-key", keys=[{"type": "qcode", "data": "ctrl"}, {"type": "qcode", "data": "a"}]), {"return": {}})
                self.assertIn("error", m.command("send-key", keys=[{"type": "qcode", "data": "nokey"}]))
                self.assertEqual(m.command("input-send-event", events=[
                    {"type": "key", "data": {"down": True, "key": {"type": "qcode", "data": "ret"}}},
                    {"type": "rel", "data": {"axis": "x", "value": 5}}, {"type": "btn", "data": {"down": True, "button": "left"}}]), {"return": {}})
                self.assertEqual(m.command("screendump", filename=file), {"return": {}})
                self.assertTrue(Path(file).read_bytes().startswith(b"P6"))
                self.assertIn("error", m.command("screendump", filename="/nowhere/at/all"))
                memory = os.path.join(directory, "memory")
                self.assertEqual(m.command("pmemsave", val=0xffff0, size=16, filename=memory), {"return": {}})
                self.assertEqual(Path(memory).read_bytes()[0], 0xea)        # the far jump at the reset vector
                m.command("quit")
                self.assertEqual(p.finish()[0], 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
