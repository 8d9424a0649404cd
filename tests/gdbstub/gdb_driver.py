# SPDX-License-Identifier: Apache-2.0
"""The program, a real gdb, and a client that speaks packets, for tests."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

WAIT = 60


class Lines:
    """What a process writes, as it comes."""

    def __init__(self, stream):
        self.text, self.end, self.changed = "", False, threading.Condition()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream):
        while piece := os.read(stream.fileno(), 65536):
            with self.changed:
                self.text += piece.decode(errors="replace")
                self.changed.notify_all()
        with self.changed:
            self.end = True
            self.changed.notify_all()

    def wait_for(self, pattern, since=0, seconds=WAIT):
        """The match of `pattern` in what came after `since`."""
        until = time.monotonic() + seconds
        with self.changed:
            while not (found := re.compile(pattern, re.S).search(self.text, since)):
                left = until - time.monotonic()
                if self.end or left <= 0:
                    raise AssertionError(f"no {pattern!r} in {self.text[since:][-3000:]!r}")
                self.changed.wait(left)
            return found


class Vmm:
    """`vmm` with a debugger's port of its own choice."""

    def __init__(self, program, *arguments, gdb="tcp:127.0.0.1:0", paused=True, typing=False):
        self.process = subprocess.Popen([program, *map(str, arguments), "-gdb", gdb, *(["-S"] if paused else [])],
                                        stdin=subprocess.PIPE if typing else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        bufsize=0)
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)
        self.remote = self.err.wait_for(r"gdb: target remote (\S+?)[;\n]").group(1)

    def type(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def wait(self, seconds=WAIT):
        return self.process.wait(seconds)

    def memory_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def close(self):
        self.process.kill()
        self.process.wait()
        for end in (self.process.stdin, self.process.stdout, self.process.stderr):
            if end:
                end.close()


class Gdb:
    """An interactive gdb; each command's output comes back."""

    def __init__(self, remote=None, symbols=None, attach=True):
        self.process = subprocess.Popen(["gdb", "-nx", "-q"] + ([str(symbols)] if symbols else []), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0, start_new_session=True)
        self.lines, self.count = Lines(self.process.stdout), 0
        for setting in ("pagination off", "confirm off", "width 0", "tcp connect-timeout 10"):
            self("set " + setting)
        self("set prompt")
        if attach and remote:
            self.attached = self.attach(remote)

    def attach(self, remote):
        return self("target remote " + re.sub(r"^unix:", "", remote))

    def start(self, command):
        """Sends a command that is not waited for."""
        self.count += 1
        self.mark, self.since = f"<<{self.count}>>", len(self.lines.text)
        self.process.stdin.write(f"{command}\necho \\n{self.mark}\\n\n".encode())

    def finish(self, seconds=WAIT):
        found = self.lines.wait_for("\n" + self.mark + "\n", self.since, seconds)
        return self.lines.text[self.since:found.start()].strip()

    def __call__(self, command, seconds=WAIT):
        self.start(command)
        return self.finish(seconds)

    def value(self, expression):
        text = self(f"output/x {expression}")
        found = re.search(r"(0x[0-9a-f]+)$", text)
        assert found, text
        return int(found.group(1), 16)

    def interrupt(self):
        """As Ctrl-C on gdb's terminal."""
        self.process.send_signal(signal.SIGINT)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Packets:
    """A client of packets, for what gdb would not send."""

    def __init__(self, remote):
        kind, _, where = remote.partition(":")
        if kind == "unix":
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(where)
        else:
            host, _, port = where.rpartition(":")
            self.socket = socket.create_connection((host, int(port)))
        self.socket.settimeout(WAIT)
        self.data = b""

    def send(self, payload):
        self.socket.sendall(b"$" + payload + b"#%02x" % (sum(payload) & 255))

    def receive(self):
        """The next packet's payload; None at the end."""
        while not (found := re.match(rb"[+-]*\$([^#]*)#..", self.data, re.S)):
            piece = self.socket.recv(65536)
            if not piece:
                return None
            self.data += piece
        self.data = self.data[found.end():]
        self.socket.sendall(b"+")
        raw, out = found.group(1), bytearray()
        at = 0
        while at < len(raw):
            if raw[at:at + 1] == b"}":
                out.append(raw[at + 1] ^ 0x20)
                at += 2
            elif raw[at:at + 1] == b"*":
                out += out[-1:] * (raw[at + 1] - 29)
                at += 2
            else:
                out.append(raw[at])
                at += 1
        return bytes(out)

    def __call__(self, payload):
        self.send(payload)
        return self.receive()

    def close(self):
        self.socket.close()


class Scratch:
    """For TestCase.setUp: a directory, and things that close."""

    def scratch(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="vmm-gdb-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def closing(self, thing):
        self.addCleanup(thing.close)
        return thing
