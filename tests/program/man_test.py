# SPDX-License-Identifier: Apache-2.0
"""The man page: it can be read without a complaint of the formatter's, names the commands of `vmm rr` that there are, and its examples work.

man_test.py VMM PAGE. The kernels of the examples are small ones of our own, by the names that the examples have for them.
"""
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest

VMM, PAGE = sys.argv[1:3]
HELLO, PANIC = b"hello from the kernel\n", b"Kernel panic - not syncing: out of ideas\n"
STATUS = 0x10 * 2 + 1                                       # of isa-debug-exit, to which these guests write 10h


def out_text(text):
    return b"".join(b"\xb0" + bytes([c]) + b"\xee" for c in text)          # mov al, c; out dx, al


def kernel(text):
    """A Multiboot kernel: says it on the serial port, leaves through port F4h, and if nothing is there, powers off."""
    code = (b"\x66\xba\xf8\x03" + out_text(text)                           # mov dx, 3f8
            + b"\x66\xba\xf4\x00\xb0\x10\xee"                              # mov dx, f4; mov al, 10; out dx, al
            + b"\x66\xba\x04\x06\x66\xb8\x00\x20\x66\xef"                  # mov dx, 604; mov ax, 2000; out dx, ax
            + b"\xf4\xeb\xfd")                                             # hlt; jmp
    base = 0x100000
    multiboot = struct.pack("<III", 0x1badb002, 0, -0x1badb002 & 0xffffffff)
    body = multiboot + code
    header = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + len(multiboot), 52, 0, 0, 52, 32, 1, 40, 0, 0)
    return header + struct.pack("<IIIIIIII", 1, 84, base, base, len(body), len(body), 7, 4) + body


def firmware():
    """64 KiB that write to port E9h and leave through port 501h."""
    code = b"\xba\xe9\x00" + out_text(HELLO) + b"\xba\x01\x05\xb0\x10\xee\xf4"
    image = bytearray(b"\xf4" * 0x10000)
    image[:len(code)] = code
    image[0xfff0:0xfff5] = b"\xea\x00\x00\x00\xf0"
    return bytes(image)


def examples():
    """The blocks of the section EXAMPLES, as a reader sees them."""
    section = pathlib.Path(PAGE).read_text().split(".SH EXAMPLES")[1].split(".SH ")[0]
    return [block.replace("\\-", "-").replace("\\(rs", "\\") for block in re.findall(r"\.EX\n(.*?)\.EE", section, re.S)]


class ManPage(unittest.TestCase):
    def test_formats_without_a_warning(self):
        done = subprocess.run(["groff", "-man", "-ww", "-z", PAGE], capture_output=True, text=True, env=dict(os.environ, LC_ALL="C"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_names_the_commands_of_rr(self):
        section = pathlib.Path(PAGE).read_text().split(".SH RECORDINGS")[1].split(".SH ")[0]
        named = re.findall(r"^\.TP\n\\fB(\w+)\\fR", section, re.M)
        refused = subprocess.run([VMM, "rr", "nonsense"], capture_output=True, text=True).stderr
        there = re.search(r"There are (.*); see", refused)[1].replace(" and ", ", ").split(", ")
        self.assertEqual(named, there)


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="vmm-man-")
        cls.here = pathlib.Path(cls.directory.name)
        for name in ("tests.elf", "bzImage"):
            (cls.here / name).write_bytes(kernel(HELLO))
        (cls.here / "panics.elf").write_bytes(kernel(PANIC))
        (cls.here / "firmware.bin").write_bytes(firmware())
        (cls.here / "initrd.gz").write_bytes(bytes(4096))
        for image in ("disk.img", "cd.iso"):
            (cls.here / image).write_bytes(bytes(1 << 20))
        (cls.here / "vmm").symlink_to(os.path.abspath(VMM))

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def test_all_of_them_work(self):
        for example in examples():
            with self.subTest(example):
                done = subprocess.run(["bash", "-e", "-c", example + "wait"], cwd=self.here, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                                      env=dict(os.environ, PATH=f"{self.here}:{os.environ['PATH']}"))
                said = f"{done.stdout.decode()}\n{done.stderr.decode()}"
                self.assertEqual(done.returncode, STATUS if "isa-debug-exit" in example else 0, said)
                for line in done.stderr.decode().splitlines():
                    self.assertNotRegex(line, r"^vmm: .*(not |no |unknown|cannot)")
                self.check(example, said)

    def check(self, example, said):
        if "panics.elf" in example:
            self.assertGreaterEqual(said.count(PANIC.decode().strip()), 2, said)
        elif "rr record" in example:
            self.assertIn(HELLO.decode().strip(), said)
        if "verify" in example:
            self.assertIn("identical", said)
            self.assertEqual((self.here / "end.img").read_bytes(), (self.here / "disk.img").read_bytes())
        if "when" in example:
            self.assertRegex(said, r"icount [0-9]+")

    def test_there_are_some(self):
        self.assertGreaterEqual(len(examples()), 7)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
