# SPDX-License-Identifier: Apache-2.0
"""The program as its users start it: wrong uses are refused in one line, consoles go where they are sent.

program_test.py VMM [--slow]: what takes seconds; with --slow: whole boots of Debian's kernels (suite `slow`).
"""
import os
import pathlib
import pty
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

VMM = None
GUESTS = pathlib.Path(os.environ.get("VMM_GUESTS") or pathlib.Path.home() / ".cache/vmm/guests")
have_guests = unittest.skipUnless((GUESTS / "vmlinuz-686").exists(), f"no guests in {GUESTS}; tools/guests makes them")
WAIT = 150


def kernel(flavour, append):
    return ["-nographic", "-no-reboot", "-m", "128", "-net", "none", "-kernel", GUESTS / f"vmlinuz-{flavour}",
            "-initrd", GUESTS / "busybox.cpio.gz", "-append", "console=ttyS0 " + append]


def run(*arguments, wait=WAIT):
    return subprocess.run([VMM, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, timeout=wait)


def rom(code):
    """64 KiB that run `code` (16-bit, at F000:0000) from the reset vector."""
    image = bytearray(b"\xf4" * 0x10000)
    image[:len(code)] = code
    image[0xfff0:0xfff5] = b"\xea\x00\x00\x00\xf0"
    return bytes(image)


def says(text):
    """Writes to the first serial port, then leaves through isa-debug-exit with 3 (status 7)."""
    code = b"\xba\xf8\x03"                                  # mov dx, 3f8
    for c in text.encode():
        code += b"\xb0" + bytes([c]) + b"\xee"              # mov al, c; out dx, al
    return rom(code + b"\xba\x01\x05\xb0\x03\xee\xf4")      # mov dx, 501; mov al, 3; out dx, al; hlt


class Files(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="vmm-test-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def file(self, name, content):
        path = self.directory / name
        path.write_bytes(content)
        return path


class WrongUse(Files):
    def refused(self, named, *arguments):
        done = run(*arguments, wait=20)
        lines = done.stderr.decode().splitlines()
        self.assertEqual((done.returncode, len(lines), done.stdout), (1, 1, b""), done)
        self.assertIn(str(named), lines[0])

    def test_missing_firmware(self):
        self.refused("no-such-rom", "-nographic", "-bios", "no-such-rom")

    def test_firmware_of_an_odd_size(self):
        short = self.file("short.rom", b"\xf4" * 1000)
        self.refused(short, "-nographic", "-bios", short)

    def test_empty_firmware(self):
        empty = self.file("empty.rom", b"")
        self.refused(empty, "-nographic", "-bios", empty)

    def test_firmware_that_is_a_directory(self):
        self.refused(self.directory, "-nographic", "-bios", self.directory)

    def test_missing_kernel(self):
        self.refused("no-such-kernel", "-nographic", "-kernel", "no-such-kernel")

    def test_kernel_that_is_none(self):
        text = self.file("text", b"not a kernel " * 100)
        self.refused(text, "-nographic", "-kernel", text)

    def test_empty_kernel(self):
        empty = self.file("empty", b"")
        self.refused(empty, "-nographic", "-kernel", empty)

    @have_guests
    def test_kernel_cut_short(self):
        whole = (GUESTS / "vmlinuz-686").read_bytes()
        short = self.file("short", whole[:3000])
        self.refused(short, "-nographic", "-kernel", short)

    @have_guests
    def test_missing_initrd(self):
        self.refused("no-such-initrd", "-nographic", "-kernel", GUESTS / "vmlinuz-686", "-initrd", "no-such-initrd")

    @have_guests
    def test_initrd_beyond_memory(self):
        big = self.file("big", b"")
        os.truncate(big, 64 << 20)
        self.refused(big, "-nographic", "-m", "32", "-kernel", GUESTS / "vmlinuz-686", "-initrd", big)

    def test_unknown_option(self):
        self.refused("-nographics", "-nographics")

    def test_option_without_its_value(self):
        self.refused("-kernel", "-nographic", "-kernel")

    def test_memory_that_is_no_number(self):
        self.refused("lots", "-nographic", "-m", "lots")

    def test_more_memory_than_the_machine_takes(self):
        self.refused("-m", "-nographic", "-m", "4096")

    def test_unknown_cpu(self):
        self.refused("i960", "-nographic", "-cpu", "i960")

    def test_unknown_machine(self):
        self.refused("vax", "-nographic", "-M", "vax")

    def test_serial_port_to_nowhere(self):
        self.refused("no-such-directory", "-display", "none", "-serial", "file:/no-such-directory/log")


class Consoles(Files):
    def setUp(self):
        super().setUp()
        self.rom = self.file("hello.rom", says("hello\n"))
        self.arguments = ["-display", "none", "-bios", self.rom, "-device", "isa-debug-exit,iobase=0x501,iosize=2"]

    def test_stdio_and_the_guests_exit_code(self):
        done = run(*self.arguments, "-serial", "stdio", wait=30)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (7, b"hello\n", b""))

    def test_nographic(self):
        done = run(*self.arguments, "-nographic", wait=30)
        self.assertEqual((done.returncode, done.stdout), (7, b"hello\n"))

    def test_file(self):
        log = self.directory / "log"
        self.assertEqual(run(*self.arguments, "-serial", f"file:{log}", wait=30).returncode, 7)
        self.assertEqual(log.read_bytes(), b"hello\n")

    def serve(self, server, address):
        """The program as a client of `server`."""
        server.settimeout(20)
        server.listen(1)
        got = []

        def accept():
            client, _ = server.accept()
            with client:
                while data := client.recv(100):
                    got.append(data)
        thread = threading.Thread(target=accept)
        thread.start()
        done = run(*self.arguments, "-serial", address, wait=30)
        thread.join(20)
        server.close()
        self.assertEqual((done.returncode, b"".join(got)), (7, b"hello\n"), done.stderr)

    def test_unix_socket(self):
        path = str(self.directory / "socket")
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        self.serve(server, f"unix:{path}")

    def test_tcp(self):
        server = socket.socket()
        server.bind(("127.0.0.1", 0))
        self.serve(server, f"tcp:127.0.0.1:{server.getsockname()[1]}")

    def test_unix_socket_that_the_program_listens_on(self):
        path = str(self.directory / "socket")
        program = subprocess.Popen([VMM, *map(str, self.arguments), "-serial", f"unix:{path},server=on"], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(program.kill)
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        self.addCleanup(client.close)
        for _ in range(200):
            try:
                client.connect(path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.05)
        got = b""
        while data := client.recv(100):
            got += data
        self.assertEqual((program.wait(20), got), (7, b"hello\n"))

    def test_debug_console(self):
        done = run("-display", "none", "-debugcon", "stdio", "-bios",
                   self.file("e9.rom", rom(b"\xb0A\xe6\xe9\xba\x01\x05\xb0\x00\xee\xf4")), "-device", "isa-debug-exit,iobase=0x501,iosize=2", wait=30)
        self.assertEqual((done.returncode, done.stdout), (1, b"A"))

    def test_what_arrives_on_stdin_reaches_the_guest(self):
        # Waits for a character, sends it back plus one.
        code = b"\xba\xfd\x03\xec\xa8\x01\x74\xfb\xba\xf8\x03\xec\xfe\xc0\xee\xba\x01\x05\xb0\x03\xee\xf4"
        echo = self.file("echo.rom", rom(code))
        done = subprocess.run([VMM, "-display", "none", "-bios", str(echo), "-serial", "stdio", "-device", "isa-debug-exit,iobase=0x501,iosize=2"],
                              input=b"M", capture_output=True, timeout=30)
        self.assertEqual((done.returncode, done.stdout), (7, b"N"))

    def test_sigterm_ends_the_program(self):
        spin = self.file("spin.rom", rom(b"\xeb\xfe"))
        program = subprocess.Popen([VMM, "-display", "none", "-serial", "null", "-bios", str(spin)], stdin=subprocess.DEVNULL)
        self.addCleanup(program.kill)
        time.sleep(0.5)
        program.terminate()
        self.assertEqual(program.wait(20), 0)


def multiboot_kernel():
    """Prints over the serial port: "M", the number of modules, the first module's content; then isa-debug-exit with 3."""
    header = struct.pack("<IIIIIIII", 0x1BADB002, 0x10000, (-(0x1BADB002 + 0x10000)) & 0xffffffff, 0x100000, 0x100000, 0, 0, 0x100020)
    code = (b"\x89\xdd\x66\xba\xf8\x03\xb0M\xee"           # mov ebp, ebx; mov dx, 3f8; 'M'
            b"\x8a\x45\x14\x04\x30\xee"                    # mods_count + '0'
            b"\x8b\x5d\x18\x8b\x33\x8b\x4b\x04\x29\xf1"    # mods_addr: ESI = mod_start, ECX = mod_end - mod_start
            b"\xf3\x6e"                                    # rep outsb
            b"\x66\xba\x01\x05\xb0\x03\xee\xf4")
    return header + code


class Multiboot(Files):
    def test_kernel_with_modules(self):
        image = self.file("kernel", multiboot_kernel())
        one, two = self.file("one", b"first module\n"), self.file("two", b"second")
        done = run("-display", "none", "-serial", "stdio", "-kernel", image, "-initrd", f"{one},{two} with arguments",
                   "-device", "isa-debug-exit,iobase=0x501,iosize=2", wait=60)
        self.assertEqual((done.returncode, done.stderr), (7, b""))
        self.assertTrue(done.stdout.endswith(b"M2first module\n"), done.stdout)


class Shell:
    """A boot on a pseudo-terminal, as a user has it."""

    def __init__(self, test, arguments):
        pid, self.terminal = pty.fork()
        if pid == 0:
            os.execv(VMM, [VMM, *map(str, arguments)])
        self.pid, self.seen, self.at = pid, b"", 0
        test.addCleanup(self.close)

    def until(self, text):
        end = time.monotonic() + WAIT
        while True:
            found = self.seen.find(text, self.at)
            if found >= 0:
                before, self.at = self.seen[self.at:found], found + len(text)
                return before
            if time.monotonic() > end or not select.select([self.terminal], [], [], 5)[0] and time.monotonic() > end:
                raise AssertionError(f"{text} did not come: {self.seen[-2000:]}")
            try:
                data = os.read(self.terminal, 4096)
            except OSError:
                data = b""
            if not data and self.seen.find(text, self.at) < 0:
                raise AssertionError(f"ended before {text}: {self.seen[-2000:]}")
            self.seen += data

    def type(self, text):
        os.write(self.terminal, text)

    def status(self):
        try:
            while os.read(self.terminal, 4096):
                pass
        except OSError:
            pass
        pid, self.pid = self.pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def close(self):
        os.close(self.terminal)
        if self.pid:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)


@have_guests
class Boots(unittest.TestCase):
    def shell(self, flavour):
        shell = Shell(self, kernel(flavour, "quiet vmm.run=shell"))
        shell.until(b"GUEST shell begin")
        shell.until(b"# ")
        shell.type(b"echo $((6 * 7)).\r")
        shell.until(b"42.")
        shell.until(b"# ")
        shell.type(b"uname -m; sleep 30 & jobs\r")
        shell.until(b"i686")
        shell.until(b"Running")
        shell.until(b"# ")
        shell.type(b"cat\r")
        time.sleep(1)
        shell.type(b"twice\r")
        shell.until(b"twice")                              # the guest's terminal echoes, then cat answers
        shell.until(b"twice")
        shell.type(b"\x03")                                # the guest's interrupt key, not ours
        shell.until(b"# ")
        shell.type(b"exit 5\r")
        shell.until(b"GUEST shell end 5")
        self.assertEqual(shell.status(), 0)

    def test_shell_686(self):
        self.shell("686")

    def test_shell_686_pae(self):
        self.shell("686-pae")

    def work(self, flavour):
        done = run(*kernel(flavour, "quiet vmm.run=work"))
        lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.startswith("RESULT ")]
        self.assertEqual(lines, (GUESTS / "expected-work.txt").read_text().splitlines())
        self.assertIn(b"GUEST work end 0", done.stdout)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_work_686(self):
        self.work("686")

    def test_work_686_pae(self):
        self.work("686-pae")

    def test_panic_without_reboot_ends_with_0(self):
        done = run(*kernel("686", "vmm.run=panic"))
        self.assertIn(b"Kernel panic", done.stdout)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_reboot_starts_again(self):
        arguments = [a for a in kernel("686", "quiet vmm.run=reboot") if a != "-no-reboot"]
        shell = Shell(self, arguments)
        shell.until(b"GUEST reboot begin")
        shell.until(b"GUEST reboot begin")


if __name__ == "__main__":
    VMM = os.path.abspath(sys.argv.pop(1))
    slow = "--slow" in sys.argv
    if slow:
        sys.argv.remove("--slow")
    elif len(sys.argv) == 1:
        sys.argv += ["WrongUse", "Consoles", "Multiboot"]
    if slow and len(sys.argv) == 1:
        sys.argv += ["Boots"]
    unittest.main(verbosity=2)
