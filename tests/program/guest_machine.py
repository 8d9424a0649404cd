# SPDX-License-Identifier: Apache-2.0
"""A guest in a vmm or QEMU process, for tests: its first serial port, its monitor, what its screen says."""
import collections
import lzma
import os
import pathlib
import re
import select
import subprocess
import tempfile
import time

from qmp_client import Monitor

BIOS_FONT = pathlib.Path("/usr/share/seabios/vgabios-stdvga.bin")
# Rows 0 to 15 of the letter A: finds the 8x16 font in the BIOS, and in a kernel, whose console in graphics draws some letters otherwise.
LETTER_A = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")


def glyphs(kernel=None):
    """The characters by their glyphs; with those of a compressed Linux kernel, if one is given."""
    font = {}
    for data in [BIOS_FONT.read_bytes()] + ([unpacked(kernel)] if kernel else []):
        start = data.index(LETTER_A) - 65 * 16
        font |= {data[start + 16 * c:start + 16 * c + 16]: chr(c) for c in range(126, 31, -1)}
    return font


def unpacked(kernel):
    """What a bzImage holds, which Debian compresses with xz."""
    data = kernel.read_bytes()
    return lzma.LZMADecompressor().decompress(data[data.index(b"\xfd7zXZ\0"):])


def read_ppm(path):
    """Width, height and the pixels' bytes of a binary PPM."""
    data = path.read_bytes()
    magic, width, height, _ = re.match(rb"(P6)\s+(\d+)\s+(\d+)\s+(\d+)\s", data).groups()
    assert magic == b"P6"
    return int(width), int(height), data[len(data) - int(width) * int(height) * 3:]


def picture_text(path, font):
    """The lines of text in a picture of a text screen (9 dots a cell) or of a console in graphics (8 dots a cell)."""
    width, height, pixels = read_ppm(path)
    cell = 9 if width == 720 else 8
    lines = []
    for top in range(0, height - 15, 16):
        rows = [pixels[(top + y) * width * 3:(top + y + 1) * width * 3] for y in range(16)]
        line = ""
        for left in range(0, width - cell + 1, cell):
            dots = [[row[3 * (left + x):3 * (left + x) + 3] for x in range(8)] for row in rows]
            background = collections.Counter(dot for row in dots for dot in row).most_common(1)[0][0]
            line += font.get(bytes(sum(0x80 >> x for x in range(8) if row[x] != background) for row in dots), "?")
        lines.append(line.rstrip())
    return "\n".join(lines)


class Guest:
    """One process. `options` say what the machine is; the serial port is the process's standard input and output."""

    def __init__(self, program, *options, qmp=True, environment=None, kernel=None):
        self.directory = tempfile.TemporaryDirectory(prefix="vmm-guest-")
        self.here = pathlib.Path(self.directory.name)
        socket = self.here / "qmp"
        command = [str(program), *map(str, options), "-display", "none", "-serial", "stdio"]
        if qmp:
            command += ["-qmp", f"unix:{socket},server=on,wait=off"]
        self.errors = open(self.here / "stderr", "w+b")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, env=environment)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.output = b""
        self.seen = 0                            # expect() goes on here
        self.monitor = None
        self.font = glyphs(kernel)
        if qmp:
            self.monitor = Monitor(str(socket))
            self.monitor.command("qmp_capabilities")

    def read(self, seconds):
        """Takes what the serial port says within that time, if anything; false at its end."""
        if not select.select([self.process.stdout], [], [], max(0, seconds))[0]:
            return True
        data = self.process.stdout.read(65536)
        self.output += data or b""
        return bool(data)

    def expect(self, pattern, seconds=300):
        """Waits until the serial port has said it, behind what was expected before; returns the match."""
        end = time.monotonic() + seconds
        while True:
            match = re.search(pattern.encode(), self.output[self.seen:])
            if match:
                self.seen += match.end()
                return match
            if not self.read(end - time.monotonic()):
                raise AssertionError(f"the machine ended before it said {pattern!r}: {self.error_text()}\n{self.tail()}")
            if time.monotonic() > end:
                raise AssertionError(f"{pattern!r} did not come within {seconds} s:\n{self.tail()}")

    def tail(self):
        return self.output[-2000:].decode(errors="replace")

    def error_text(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def run(self, command, seconds=300):
        """Runs a shell command in the guest, whose prompt is `# `; returns what it printed."""
        self.type(f"{command}\n")
        self.expect(re.escape(command[-60:]).replace("\\\n", "\r\n> ") + "\r\n", seconds)
        return self.expect(r"(?s)(.*?)root@debian:\S*# ", seconds)[1].decode(errors="replace").replace("\r\n", "\n")

    def screen(self):
        picture = self.here / "screen.ppm"
        answer = self.monitor.command("screendump", filename=str(picture))
        assert answer == {"return": {}}, answer
        return picture_text(picture, self.font)

    def expect_screen(self, pattern, seconds=120):
        end = time.monotonic() + seconds
        while True:
            text = self.screen()
            if match := re.search(pattern, text):
                return match
            if time.monotonic() > end:
                raise AssertionError(f"{pattern!r} is not on the screen:\n{text}")
            self.read(0.5)

    def key(self, *names):
        for name in names:
            answer = self.monitor.command("send-key", keys=[{"type": "qcode", "data": n} for n in name.split("+")])
            assert answer == {"return": {}}, answer

    def wait(self, seconds=300):
        """Waits for the end; the exit status."""
        end = time.monotonic() + seconds
        while self.read(end - time.monotonic()):
            if time.monotonic() > end:
                raise AssertionError(f"the machine does not end:\n{self.tail()}")
        return self.process.wait(max(1, end - time.monotonic()))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()
        if self.monitor:
            self.monitor.close()
        self.directory.cleanup()
