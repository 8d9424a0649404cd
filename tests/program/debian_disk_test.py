#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A whole Debian system from its disk: firmware, GRUB, either kernel, systemd, logins on serial and on the screen, gcc, files,
power off; then what the host finds in the image.

  debian_disk_test.py VMM GUESTS [TEST...]     VMM may be QEMU (qemu-system-i386), to tell the guest's faults from ours
"""
import hashlib
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from guest_machine import Guest

PROGRAM, GUESTS = sys.argv[1], pathlib.Path(sys.argv[2])
PARTITION = "?offset=1048576"                    # of its file system, where tests/guests/debian/build puts it
WAIT = 900

# Writes a mebibyte that numbers() computes as well, and says its last number.
SOURCE = r"""#include <stdint.h>
#include <stdio.h>
int main(void) {
    FILE *f = fopen("numbers", "wb");
    uint32_t x = 1;
    if (!f) return 1;
    for (int i = 0; i < 262144; ++i) {
        x = x * 1664525u + 1013904223u;
        if (fwrite(&x, 4, 1, f) != 1) return 2;
    }
    if (fclose(f)) return 3;
    printf("last %u, a third %.17g\n", x, 1.0 / 3);
    return 0;
}
"""


def numbers():
    out, x = bytearray(), 1
    for _ in range(262144):
        x = (x * 1664525 + 1013904223) % 2**32
        out += x.to_bytes(4, "little")
    return bytes(out), x


def why_no_disk():
    reason = GUESTS / "debian.skipped"
    return f"no debian.img in {GUESTS}: " + (reason.read_text().strip() if reason.exists() else "tools/guests makes it")


@unittest.skipUnless((GUESTS / "debian.img").exists(), why_no_disk())
class DebianDisk(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="vmm-debian-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.disk = self.directory / "disk.img"
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", GUESTS / "debian.img", self.disk], check=True)

    def boot(self):
        guest = Guest(PROGRAM, "-m", "256", "-net", "none", "-no-reboot", "-drive", f"file={self.disk},format=raw",
                      kernel=GUESTS / "vmlinuz-686")
        self.addCleanup(guest.close)
        guest.expect("Debian, kernel without PAE", WAIT)
        return guest

    def log_in(self, guest):
        guest.expect("debian login: ", WAIT)
        guest.expect_screen("(?m)^debian login:", WAIT)
        guest.type("root\n")
        guest.expect("Password: ", WAIT)
        guest.type("vmm\n")
        guest.expect(r"root@debian:~# ", WAIT)
        guest.run("bind 'set enable-bracketed-paste off'; stty -echoctl cols 200", WAIT)

    def work(self, guest):
        """What the guest writes; the hashes that it sees of all of it, by name."""
        guest.run("mkdir -p work/sub && cd work", WAIT)
        guest.type("cat >numbers.c <<'END'\n" + SOURCE + "END\n")
        guest.expect(r"END\r\n.*# ", WAIT)
        self.assertEqual(guest.run("gcc -O2 -Wall -Werror -o program numbers.c && ./program", WAIT).strip(),
                         f"last {numbers()[1]}, a third 0.33333333333333331")
        guest.run("cp $(gcc -print-prog-name=cc1) sub/copy && ln numbers sub/link && ln -s ../numbers sub/pointer && chmod 640 numbers.c", WAIT)
        guest.run("echo gone >removed && sync && rm removed && : >empty && truncate -s 3M sub/hole && echo end >>sub/hole", WAIT)
        guest.run("for i in $(seq 300); do echo $i >sub/f$i; done; rm sub/f[12]*", WAIT)
        found = guest.run("find . -type f -exec sha256sum {} +", WAIT)
        return dict(reversed(line.split(None, 1)) for line in found.splitlines() if re.match("[0-9a-f]{64} ", line))

    def debugfs(self, request):
        done = subprocess.run(["debugfs", "-R", request, f"{self.disk}{PARTITION}"], capture_output=True, check=True)
        self.assertEqual(done.stderr.decode().splitlines()[1:], [], request)     # the first line is its version
        return done.stdout

    def check_image(self, hashes):
        """The file system is clean, and holds exactly what the guest saw."""
        check = subprocess.run(["e2fsck", "-f", "-n", f"{self.disk}{PARTITION}"], capture_output=True, text=True)
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)
        self.assertNotIn("recovering journal", check.stdout + check.stderr)
        out = self.directory / "out"
        out.mkdir()
        self.debugfs(f"rdump /root/work {out}")
        files = {f"./{p.relative_to(out / 'work')}": p for p in (out / "work").rglob("*") if p.is_file() and not p.is_symlink()}
        self.assertEqual({name: hashlib.sha256(p.read_bytes()).hexdigest() for name, p in files.items()}, hashes)
        self.assertEqual(files["./numbers"].read_bytes(), numbers()[0])
        self.assertEqual(files["./numbers.c"].read_text(), SOURCE)
        self.assertEqual(files["./sub/hole"].read_bytes(), bytes(3 << 20) + b"end\n")
        self.assertEqual((out / "work/sub/pointer").readlink(), pathlib.Path("../numbers"))
        self.assertEqual(files["./numbers.c"].stat().st_mode & 0o7777, 0o640)
        self.assertIn(b"Links: 2", self.debugfs("stat /root/work/numbers"))
        original = self.debugfs("cat /usr/lib/gcc/i686-linux-gnu/12/cc1")
        self.assertTrue(files["./sub/copy"].read_bytes() == original and len(original) > 10 << 20)
        self.assertEqual(len(hashes), 4 + 3 + 300 - 2 * 111)

    def test_without_pae_and_poweroff(self):
        guest = self.boot()
        guest.type("\r")
        self.log_in(guest)
        self.assertRegex(guest.run("uname -r"), r"-686\n")
        hashes = self.work(guest)
        guest.type("poweroff\n")
        guest.expect("reboot: Power down", WAIT)
        self.assertEqual(guest.wait(), 0)
        self.check_image(hashes)

    def test_with_pae_and_the_power_button(self):
        guest = self.boot()
        guest.type("\x0e\r")                     # the next entry
        self.log_in(guest)
        self.assertRegex(guest.run("uname -r"), r"-686-pae\n")
        self.assertRegex(guest.run("grep -o -w -m1 pae /proc/cpuinfo"), "pae")
        hashes = self.work(guest)
        guest.key("r", "o", "o", "t", "ret")     # on the screen as well
        guest.expect_screen("(?m)^Password:", WAIT)
        guest.key("v", "m", "m", "ret")
        guest.expect_screen(r"(?m)^root@debian:~#", WAIT)
        guest.key("l", "s", "spc", "w", "o", "r", "k", "ret")
        guest.expect_screen(r"(?m)^empty +numbers +numbers\.c +program +sub", WAIT)
        guest.monitor.command("system_powerdown")
        guest.expect("reboot: Power down", WAIT)
        self.assertEqual(guest.wait(), 0)
        self.check_image(hashes)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
