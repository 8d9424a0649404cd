#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The boot CD (ISOLINUX, a kernel, the busybox initramfs) through the firmware: its prompt on serial and on the screen, its kernels.

  boot_cd_test.py VMM GUESTS [--slow]      VMM may be QEMU (qemu-system-i386), to tell the guest's faults from ours
"""
import pathlib
import sys
import tempfile
import unittest

from guest_machine import Guest

PROGRAM, GUESTS = sys.argv[1], pathlib.Path(sys.argv[2])
SLOW = "--slow" in sys.argv
CD = GUESTS / "boot.iso"


@unittest.skipUnless(CD.exists(), f"no {CD}; tools/guests makes it")
class BootCd(unittest.TestCase):
    def guest(self, *options):
        guest = Guest(PROGRAM, "-m", "128", "-net", "none", "-no-reboot", *options)
        self.addCleanup(guest.close)
        return guest

    @unittest.skipIf(SLOW, "in the quick suite")
    def test_prompt_on_serial_and_screen_takes_what_is_typed(self):
        guest = self.guest("-cdrom", CD)
        guest.expect("ISOLINUX .*\r\nboot: ", 60)
        guest.expect_screen("(?m)^boot:", 60)
        guest.type("nothing-of-that-name\r")
        guest.expect("Loading nothing-of-that-name... failed: No such file or directory\r\nboot: ", 60)

    @unittest.skipUnless(SLOW, "a whole boot: suite slow")
    def test_kernel_comes_to_a_shell(self):
        guest = self.guest("-cdrom", CD)
        guest.expect("boot: ", 60)
        guest.key("s", "h", "e", "l", "l", "ret")        # on the keyboard
        guest.expect("GUEST shell begin")
        guest.type("echo $((6*7)) && poweroff -f\n")
        guest.expect("\n42\r\n")
        self.assertEqual(guest.wait(), 0)

    @unittest.skipUnless(SLOW, "a whole boot: suite slow")
    def test_boot_d_prefers_the_cd_to_a_disk(self):
        disk = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "disk"
        disk.write_bytes(bytes(1 << 20))
        guest = self.guest("-hda", disk, "-cdrom", CD, "-boot", "d")
        guest.expect("boot: ", 60)
        guest.type("poweroff\r")
        guest.expect("GUEST poweroff end 0")
        self.assertEqual(guest.wait(), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
