#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""QMP over a real socket, held against QEMU's answers to the same lines where QEMU is installed.

  qmp_test.py VMM GUESTS
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from random import Random

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
    '{"execute":"query-status","id":{"a":1}}', '{"execute":"query-name"}', '{"execute":"query-target"}', '{"execute":"query-uuid"}',
    '{"execute":"query-memory-size-summary"}', '{"execute":"query-iothreads"}', '{"execute":"query-dump"}',
    '{"execute":"memsave","arguments":{"val":-5,"size":10,"filename":"/dev/null"}}',
    '{"execute":"memsave","arguments":{"val":0,"size":10,"filename":"/dev/null","cpu-index":3}}',
    '{"execute":"pmemsave","arguments":{"val":0,"size":10,"filename":"/nowhere/at/all"}}',
    '{"execute":"human-monitor-command","arguments":{"command-line":"info status","cpu-index":3}}',
    '{"execute":"human-monitor-command","arguments":{"command-line":"info kvm"}}',
    '{"execute":"human-monitor-command","arguments":{"command-line":"info replay"}}',
    '{"execute":"dump-guest-memory"}', '{"execute":"dump-guest-memory","arguments":{"paging":1,"protocol":"file:/dev/null"}}',
    '{"execute":"dump-guest-memory","arguments":{"paging":true,"protocol":"nope:/dev/null"}}',
    '{"execute":"dump-guest-memory","arguments":{"paging":true,"protocol":"fd:nofd"}}',
    '{"execute":"dump-guest-memory","arguments":{"paging":true,"protocol":"file:/nowhere/at/all"}}',
    '{"execute":"dump-guest-memory","arguments":{"paging":true,"protocol":"file:/dev/null","begin":1}}',
    '{"execute":"dump-guest-memory","arguments":{"paging":true,"protocol":"file:/dev/null","length":1}}',
    '{"execute":"dump-guest-memory","arguments":{"paging":false,"protocol":"file:/dev/null","format":"nope"}}',
    '{"execute":"dump-guest-memory","arguments":{"paging":false,"protocol":"file:/dev/null","begin":-1,"length":10}}',
    '{"execute":"dump-guest-memory","arguments":{"paging":false,"protocol":"file:/dev/null","begin":1,"length":0}}',
    '{"execute":"dump-guest-memory","arguments":{"paging":false,"protocol":"file:/dev/null","begin":99999999999,"length":10}}',
    '{"execute":"dump-guest-memory","arguments":{"paging":false,"protocol":"file:/dev/null","format":"kdump-lzo"}}',
    '{"execute":"inject-nmi"}', '{"execute":"query-status"}',
    '{"execute":"memsave","arguments":{"val":0,"size":10,"filename":"/nowhere/at/all"}}',
    '{"execute":"memsave","arguments":{"val":4294967295,"size":10,"filename":"/dev/null"}}',
    '{"execute":"pmemsave","arguments":{"val":4294967295,"size":10,"filename":"/dev/null"}}',
    '{"execute":"input-send-event","arguments":{"events":[]}}', '{"execute":"input-send-event","arguments":{"device":"x","events":[]}}',
    '{"execute":"input-send-event","arguments":{"events":[{"type":"nope","data":{}}]}}',
    '{"execute":"input-send-event","arguments":{"events":[{"type":"abs","data":{"axis":"x","value":5}}]}}',
    '{"execute":"input-send-event","arguments":{"events":[{"type":"rel","data":{"axis":"x","value":5}}]}}',
    '{"execute":"input-send-event","arguments":{"events":[{"type":"rel","data":{"axis":"z","value":5}}]}}',
    '{"execute":"input-send-event","arguments":{"events":[{"type":"btn","data":{"button":"left","down":1}}]}}',
    '{"execute":"input-send-event","arguments":{"events":[{"type":"key","data":{"key":{"type":"qcode","data":"a"},"down":true}}]}}',
    '{"execute":"input-send-event","arguments":{"events":[{"type":"key","data":{"key":{"type":"qcode","data":"nokey"},"down":true}}]}}',
    '{"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"nokey"}]}}', '{"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"a"}],"hold-time":1}}',
]
# What differs from program to program: the shape only.
SHAPES = ["query-version", "query-cpus-fast", "query-chardev", "query-kvm", "query-replay", "query-commands"]


def shape(value):
    """The names and kinds in it; of a list those of its first element."""
    if isinstance(value, dict):
        return {name: shape(of) for name, of in sorted(value.items())}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__


def rom(code):
    """64 KiB that run `code` (16-bit, at F000:0000) from the reset vector."""
    image = bytearray(b"\xf4" * 0x10000)
    image[:len(code)] = code
    image[0xfff0:0xfff5] = b"\xea\x00\x00\x00\xf0"
    return bytes(image)


def out32(port, value):
    return b"\xba" + port.to_bytes(2, "little") + b"\x66\xb8" + value.to_bytes(4, "little") + b"\x66\xef"


# Gives the PIIX4's power management its ports (at 600h), and turns the machine off.
POWER_OFF = rom(out32(0xcf8, 0x80000b40) + out32(0xcfc, 0x601) + out32(0xcf8, 0x80000b80) + b"\xba\xfc\x0c\xb0\x01\xee" +
                b"\xba\x04\x06\xb8\x00\x20\xef\xf4")


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

    @unittest.skipUnless(QEMU, "qemu-system-i386 is not installed")
    def test_answers_that_differ_have_qemus_shape(self):
        shapes = []
        for program in (VMM, QEMU):
            with Program("-S", program=program) as p:
                m = p.monitor()
                shapes.append([shape(m.command(name)) for name in SHAPES])
        for name, ours, theirs in zip(SHAPES, *shapes):
            self.assertEqual(ours, theirs, name)

    @unittest.skipUnless(QEMU, "qemu-system-i386 is not installed")
    def test_commands_are_qemus_or_our_own_by_name(self):
        names = []
        for program in (VMM, QEMU):
            with Program("-S", program=program) as p:
                names.append({c["name"] for c in p.monitor().command("query-commands")["return"]})
        self.assertEqual(names[0] - names[1], {"record-start", "record-stop", "rr-save", "rr-fork"})

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
            for line in ['{"execute" "x"}', "}", "hello", "[" * 1025, '{"execute": "\x01"}', '{"a": 1e99999}', '"' + "x" * 2_000_000]:
                self.assertIn("error", m.answer(line), line[:40])
            self.assertEqual(m.command("query-name"), {"return": {}})

    @unittest.skipUnless(QEMU, "qemu-system-i386 is not installed")
    def test_broken_text_costs_what_it_costs_in_qemu(self):
        broken = ['{"a":1,}', '{"a" 1}', '}', ']]', '{"a":01}', '{"a":-}', '%s %d', 'abc,def', "{'a':'b\\'c'}", '{"a":"\\q"}', '{"a":[1}}',
                  '{"id":1,"id":2}', '{"a":nulll}', '{"execute":"stop"', '["x"', '"unfinished', '{"a":1e999}', '{"a":"\x01"}']
        answers = []
        for program in (VMM, QEMU):
            with Program(program=program) as p:
                m = p.monitor()
                m.socket.sendall(b"".join(b.encode() + b" \xff\n" + b'{"execute":"query-name","id":%d}' % n for n, b in enumerate(broken)))
                got = []
                while not got or got[-1].get("id") != len(broken) - 1:
                    got.append(m.read())
                answers.append([message for message in got if "event" not in message])
        self.assertEqual(*answers)

    def test_several_clients_of_one_socket_and_of_others(self):
        with tempfile.TemporaryDirectory() as directory:
            people = os.path.join(directory, "people")
            with Program("-monitor", f"unix:{people},server=on,wait=off", "-qmp", "tcp::0,server=on,wait=off", "-S") as p:
                first, second = p.monitor(), p.monitor()
                self.assertEqual(os.stat(p.path).st_mode & 0o777, 0o600)
                tcp = next(c["filename"] for c in first.command("query-chardev")["return"] if c["filename"].startswith("tcp:"))
                self.assertTrue(tcp.startswith("tcp:127.0.0.1:"), tcp)
                port = int(tcp.split(",")[0].rsplit(":", 1)[1])
                third = socket.create_connection(("127.0.0.1", port)).makefile("rw")
                third.readline()
                third.write('{"execute":"qmp_capabilities"}\n')
                third.flush()
                third.readline()
                person = socket.socket(socket.AF_UNIX)
                person.connect(people)
                person.sendall(b"cont\rinfo status\r")
                for m in (first, second):
                    m.event("RESUME")
                self.assertEqual(json.loads(third.readline())["event"], "RESUME")
                said = b""
                while b"VM status: running" not in said:
                    said += person.recv(4096)
                self.assertIn(b"(vmm) ", said)
                first.command("quit")
                self.assertEqual(second.event("SHUTDOWN")["data"]["reason"], "host-qmp-quit")
                self.assertEqual(p.finish()[0], 0)

    def test_a_pipe_at_the_monitor(self):
        done = subprocess.run([VMM, "-display", "none", "-S", "-monitor", "stdio"], input="info status\nquit\n", capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("(vmm) VM status: paused (prelaunch)\n(vmm) ", done.stdout)

    def test_qmp_in_a_pipe(self):
        lines = ['{"execute":"qmp_capabilities"}', '{"execute":"query-status","id":7}', '{"execute":"quit"}']
        for options in (["-qmp", "stdio"], ["-chardev", "stdio,id=c", "-mon", "chardev=c,mode=control"]):
            done = subprocess.run([VMM, "-display", "none", "-S", *options], input="\n".join(lines), capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            said = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertIn("QMP", said[0])
            self.assertEqual(said[1:3], [{"return": {}}, {"return": {"status": "prelaunch", "singlestep": False, "running": False}, "id": 7}])
            self.assertEqual((said[3]["event"], said[4]), ("SHUTDOWN", {"return": {}}))

    def test_the_program_waits_for_its_first_client(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "qmp")
            with subprocess.Popen([VMM, "-display", "none", "-qmp", f"unix:{path},server=on"], stderr=subprocess.PIPE, text=True) as process:
                self.assertIn("waiting for a connection", process.stderr.readline())
                m = Monitor(path)
                m.command("qmp_capabilities")
                m.command("quit")
                self.assertEqual(process.wait(60), 0)

    def test_a_guest_that_ends_is_kept_and_can_be_reset(self):
        image = rom(b"\xba\x01\x05\xee\xf4")                    # mov dx, 501; out dx, al; hlt
        with tempfile.TemporaryDirectory() as directory:
            file = os.path.join(directory, "rom")
            Path(file).write_bytes(image)
            with Program("-bios", file, "-device", "isa-debug-exit,iobase=0x501,iosize=2", "-no-shutdown", "-S") as p:
                m = p.monitor()
                for _ in range(2):
                    m.command("cont")
                    self.assertTrue(m.event("SHUTDOWN")["data"]["guest"])
                    m.event("STOP")
                    self.assertEqual(m.command("query-status")["return"]["status"], "shutdown")
                    self.assertEqual(m.command("cont")["error"]["desc"], "Resetting the Virtual Machine is required")
                    self.assertEqual(m.command("system_reset"), {"return": {}})
                    m.event("RESET")
                m.command("quit")
                self.assertEqual(p.finish()[0], 0)

    @unittest.skipUnless(QEMU, "qemu-system-i386 is not installed")
    def test_power_off_and_resets_are_told_as_qemu_does(self):
        with tempfile.TemporaryDirectory() as directory:
            file = os.path.join(directory, "rom")
            Path(file).write_bytes(POWER_OFF)
            told = []
            for program in (VMM, QEMU):
                with Program("-bios", file, "-no-shutdown", "-S", program=program) as p:
                    m = p.monitor()
                    said = [m.command("query-status")]
                    for _ in range(2):
                        said.append(m.command("cont"))
                        said += [{k: e.get(k) for k in ("event", "data")} for e in (m.event("RESUME"), m.event("SHUTDOWN"), m.event("STOP"))]
                        said += [m.command("query-status"), m.command("cont"), m.command("system_reset"), m.event("RESET")["data"]]
                        said.append(m.command("query-status"))
                    m.command("quit")
                    said.append(m.event("SHUTDOWN")["data"])
                    told.append(said)
                    self.assertEqual(p.finish()[0], 0)
            self.assertEqual(*told)
            self.assertIn({"return": {"status": "shutdown", "singlestep": False, "running": False}}, told[0])

    @unittest.skipUnless(QEMU, "qemu-system-i386 is not installed")
    def test_dumps_are_told_as_qemu_does_and_hold_the_same_memory(self):
        with tempfile.TemporaryDirectory() as directory:
            image, told, loads = os.path.join(directory, "rom"), [], []
            Path(image).write_bytes(rom(b"\xeb\xfe"))                     # jmp $
            for program in (VMM, QEMU):
                core = os.path.join(directory, "core")
                with Program("-bios", image, "-m", "16", program=program) as p:
                    m = p.monitor()
                    for detach in (False, True):
                        self.assertEqual(m.command("dump-guest-memory", paging=False, protocol="file:" + core, detach=detach), {"return": {}})
                        for name in ("STOP", "DUMP_COMPLETED", "RESUME"):
                            event = m.event(name)
                        self.assertEqual(m.command("query-dump")["return"]["status"], "completed")
                    self.assertEqual(m.command("dump-guest-memory", paging=True, protocol="file:" + core + "2", begin=4096, length=65536), {"return": {}})
                    event = m.event("DUMP_COMPLETED")
                    told.append((event["data"], m.command("query-dump"), m.command("query-status")))
                    m.command("quit")
                    self.assertEqual(p.finish()[0], 0)
                headers = subprocess.run(["readelf", "-lW", core], capture_output=True, text=True, check=True).stdout
                memory = [[int(f, 16) for f in line.split()[2:6]] for line in headers.splitlines() if line.lstrip().startswith("LOAD")]
                # What holds the VGA's ROM and the firmware is one segment or several; this is where RAM ends.
                loads.append((memory[0], max(at + size for at, _, size, _ in memory if at < 1 << 24)))
                os.unlink(core)
            self.assertEqual(*told)
            self.assertEqual(*loads)

    def test_clients_come_and_go(self):
        with Program() as p:
            for n in range(300):
                m = p.monitor(negotiate=n % 2 == 0)
                if n % 3 == 0:
                    m.file.write('{"execute": "query-sta')
                    m.file.flush()
                m.close()
            self.assertTrue(p.monitor().command("query-status")["return"]["running"])

    def test_crowds_of_hostile_clients(self):
        random = Random(8)
        pieces = [b'{"execute":"qmp_capabilities"}', b'{"execute":"query-commands"}', b'{"execute":"stop"}', b'{"execute":"cont"}', b"\xff", b"\x00" * 50,
                  b"[" * 2000, b'{"execute":"query-status","id":', b"'\\u12", b'"' + b"x" * 70_000, b"}}}]]]", b"\r\n", b'{"execute":"screendump"}']
        with tempfile.TemporaryDirectory() as directory:
            people = os.path.join(directory, "people")
            with Program("-monitor", f"unix:{people},server=on,wait=off") as p:
                m = p.monitor()
                for _ in range(6):
                    crowd = []
                    for n in range(60):
                        s = socket.socket(socket.AF_UNIX)
                        s.connect(people if n % 3 == 0 else p.path)
                        s.setblocking(False)
                        crowd.append(s)
                    for _ in range(300):
                        s = random.choice(crowd)
                        try:
                            s.send(random.choice(pieces) if random.random() < 0.7 else random.randbytes(random.randrange(1, 300)))
                            if random.random() < 0.3:
                                s.recv(100)
                        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                            pass
                    for s in crowd:
                        s.close()
                    self.assertEqual(m.command("query-kvm"), {"return": {"enabled": False, "present": False}})
                m.command("cont")
                first = m.command("query-replay")["return"]["icount"]
                while m.command("query-replay")["return"]["icount"] == first:
                    time.sleep(0.01)
                m.command("quit")
                self.assertEqual(p.finish()[0], 0)

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

    @unittest.skipUnless(QEMU, "qemu-system-i386 is not installed")
    def test_drives_are_told_as_qemu_does(self):
        with tempfile.TemporaryDirectory() as directory:
            disk, disc = os.path.join(directory, "disk"), os.path.join(directory, "disc")
            for file in (disk, disc):
                Path(file).write_bytes(bytes(1 << 20))
            told = []
            for program in (VMM, QEMU):
                with Program("-nodefaults", "-S", "-drive", f"file={disk},format=raw,id=first", "-cdrom", disc, program=program) as p:
                    m = p.monitor()
                    drives = m.command("query-block")["return"]
                    for d in drives:
                        d.pop("qdev", None)
                        self.assertTrue(d["inserted"].pop("node-name").startswith("#block"))
                    nodes = {(n["file"], n["ro"]) for n in m.command("query-named-block-nodes")["return"]}
                    self.assertIn(disk, m.command("human-monitor-command", **{"command-line": "info block"})["return"])
                    told.append((sorted(drives, key=lambda d: d["device"]), nodes))
                    m.command("quit")
                    p.finish()
            self.assertEqual(*told)

    def replayed(self, file):
        done = subprocess.run([VMM, "--rr", "replay", "--rrfile", file, "-display", "none"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("identical", done.stderr)
        return done.stderr

    def test_a_recording_begins_and_ends_while_the_run_goes_on(self):
        with tempfile.TemporaryDirectory() as directory:
            one, two = os.path.join(directory, "one.rr"), os.path.join(directory, "two.rr")
            for options in ([], ["--rr", "live"]):
                with Program("-net", "none", "-icount", "sleep=off", *options) as p:
                    m = p.monitor()
                    self.assertEqual(m.command("record-stop")["error"]["desc"], "this run is not being recorded")
                    self.assertIn("/nowhere/at/all", m.command("record-start", filename="/nowhere/at/all")["error"]["desc"])
                    while m.command("query-replay")["return"]["icount"] < 20_000_000:
                        m.command("send-key", keys=[{"type": "qcode", "data": "a"}])
                    self.assertEqual(m.command("record-start", filename=one), {"return": {}})
                    started = m.command("query-replay")["return"]
                    self.assertEqual((started["mode"], started["filename"]), ("record", one))
                    self.assertIn("this run is recorded already, in " + one, m.command("record-start", filename=two)["error"]["desc"])
                    m.command("send-key", keys=[{"type": "qcode", "data": "b"}])
                    while m.command("query-replay")["return"]["icount"] < started["icount"] + 40_000_000:
                        time.sleep(0.01)
                    if options:                                             # also from somewhere in the past
                        m.command("replay-seek", icount=started["icount"])
                        m.event("STOP")
                    self.assertEqual(m.command("record-stop"), {"return": {}})
                    self.assertEqual(m.command("query-replay")["return"]["mode"], "none")
                    m.command("cont")
                    m.command("send-key", keys=[{"type": "qcode", "data": "c"}])
                    self.assertEqual(m.command("record-start", filename=two), {"return": {}})
                    m.command("quit")
                    status, errors = p.finish()
                    self.assertEqual(status, 0, errors)
                    self.assertIn("recorded " + two, errors)
                self.replayed(one)
                self.replayed(two)
                info = subprocess.run([VMM, "rr", "info", one], capture_output=True, text=True, check=True).stdout
                self.assertIn("quit", info)
            disk = os.path.join(directory, "disk")
            Path(disk).write_bytes(bytes(1 << 20))
            for more, fits in (("", False), (",snapshot=on", True)):
                with Program("-drive", f"file={disk},format=raw{more}", "-S") as p:
                    m = p.monitor()
                    answer = m.command("record-start", filename=two)
                    self.assertEqual(answer == {"return": {}}, fits, answer)
                    m.command("quit")
                    p.finish()
            with Program("--rr", "replay", "--rrfile", one, "-S") as p:
                m = p.monitor()
                self.assertIn("this is a replay", m.command("record-start", filename=two)["error"]["desc"])
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
