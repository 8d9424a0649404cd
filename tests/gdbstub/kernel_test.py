#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real gdb on Debian's kernel: addresses from the guest's own /proc/kallsyms. kernel_test.py VMM GUESTS"""
import re
import sys
import time
import unittest

from gdb_driver import Gdb, Scratch, Vmm

VMM, GUESTS = sys.argv[1:3]
BOOT, PAGE_OFFSET, KERNEL_CS = 300, 0xc0000000, 0x60
GUEST = ["-m", "128", "-kernel", f"{GUESTS}/vmlinuz-686", "-initrd", f"{GUESTS}/busybox.cpio.gz", "-append",
         "console=ttyS0 vmm.run=shell quiet nokaslr", "-serial", "stdio", "-monitor", "none", "-display", "none", "-net", "none", "-no-reboot"]
SYMBOLS = ("__ia32_sys_sync", "schedule", "do_timer")


def boot(*arguments):
    """A guest at its shell, and where its symbols are."""
    vmm = Vmm(VMM, *GUEST, *arguments, paused=False, typing=True)
    unittest.addModuleCleanup(vmm.close)
    vmm.out.wait_for("GUEST shell begin", seconds=BOOT)
    since = len(vmm.out.text)
    vmm.type("grep -wE '" + "|".join(SYMBOLS) + "' /proc/kallsyms; echo listed $((40+2))")
    vmm.out.wait_for("listed 42", since, BOOT)
    found = dict((name, int(at, 16)) for at, name in re.findall(r"([0-9a-f]{8}) \w (\w+)", vmm.out.text[since:]))
    assert set(SYMBOLS) <= set(found), vmm.out.text[since:]
    return vmm, found


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vmm, cls.at = boot()

    def setUp(self):
        self.gdb = Gdb(self.vmm.remote)
        self.addCleanup(self.let_go)

    def let_go(self):
        self.gdb("detach")
        self.gdb.close()

    def test_a_system_call_stops_in_the_kernel_and_goes_on_afterwards(self):
        sync = self.at["__ia32_sys_sync"]
        self.gdb(f"hbreak *{sync:#x}")
        since = len(self.vmm.out.text)
        self.gdb.start("continue")
        self.vmm.type("sync; echo synced $((1+1))")
        self.assertIn("Breakpoint 1, ", self.gdb.finish(BOOT))
        self.assertEqual((self.gdb.value("$eip"), self.gdb.value("$cs")), (sync, KERNEL_CS))
        # From there back, through the entry into the kernel, and forward again.
        passed = []
        for _ in range(30):
            passed.append((self.gdb.value("$eip"), self.gdb.value("$esp")))
            self.gdb("reverse-stepi")
        for eip, esp in reversed(passed):
            self.gdb("stepi")
            self.assertEqual((self.gdb.value("$eip"), self.gdb.value("$esp")), (eip, esp))
        self.gdb("delete")
        self.gdb("detach")
        self.vmm.out.wait_for("synced 2", since, BOOT)
        self.gdb.attach(self.vmm.remote)

    def test_linear_and_physical_addresses_of_one_place(self):
        at = self.at["schedule"]

        def bytes_at(address):
            return re.findall(r"\t0x([0-9a-f]{2})", self.gdb(f"x/16xb {address:#x}"))

        linear = bytes_at(at)
        self.assertEqual(len(linear), 16)
        self.assertEqual(bytes_at(at - PAGE_OFFSET), [])
        self.gdb("maintenance packet Qqemu.PhyMemMode:1")
        self.assertEqual(bytes_at(at - PAGE_OFFSET), linear)
        self.gdb("maintenance packet Qqemu.PhyMemMode:0")
        self.assertEqual(self.gdb(f"monitor gva2gpa {at:#x}"), f"gpa: {at - PAGE_OFFSET:#x}")
        self.assertEqual(self.gdb(f"monitor x/4xw {at:#x}").split(":")[1], self.gdb(f"monitor xp/4xw {at - PAGE_OFFSET:#x}").split(":")[1])

    def test_a_watched_variable_by_linear_and_by_physical_address(self):
        # What do_timer adds to.
        jiffies = int(re.search(r"add +%\w+,(?:%ds:)?(0xc[0-9a-f]{7})", self.gdb(f"x/12i {self.at['do_timer']:#x}")).group(1), 16)
        self.gdb(f"watch *(unsigned*){jiffies:#x}")
        text = self.gdb("continue", BOOT)
        self.assertIn("Hardware watchpoint 1", text)
        old, new = (int(re.search(which + r" value = (\d+)", text).group(1)) for which in ("Old", "New"))
        self.assertGreater(new, old)
        self.gdb("delete")
        said = self.gdb(f"monitor last-write {jiffies - PAGE_OFFSET:#x} 4 phys").splitlines()[0]
        self.assertRegex(said, rf"^icount \d+, eip 0xc.*: {old:#010x} -> {new:#010x}$")
        self.assertEqual(self.gdb(f"monitor next-write {jiffies:#x}"), said)
        self.gdb("maintenance flush register-cache")

    def test_ctrl_c_while_the_guest_sleeps_and_while_it_works(self):
        for line in ("true", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done"):
            self.vmm.type(line)
            self.gdb.start("continue")
            time.sleep(0.5)
            began = time.monotonic()
            self.gdb.interrupt()
            self.assertIn("SIGINT", self.gdb.finish())
            self.assertLess(time.monotonic() - began, 5)

    def test_page_tables_are_listed(self):
        self.assertRegex(self.gdb("monitor info mem 0xc0000000"), r"(?m)^c[0-9a-f]{7}-[0-9a-f]{8} [0-9a-f]{8} -r[w-]$")
        self.assertIn("CR0 [PE", self.gdb("monitor info registers"))
        self.assertIn(" PG]", self.gdb("monitor info registers"))


class Recorded(unittest.TestCase, Scratch):
    def test_a_recorded_system_call_is_found_from_both_sides(self):
        self.scratch()
        path = self.directory / "kernel.rr"
        vmm, at = boot("--rr", "record", "--rrfile", str(path))
        for line in ("sync", "echo one", "sync", "echo done $((40+4))", "poweroff -f"):
            vmm.type(line)
        self.assertEqual(vmm.wait(BOOT), 0)

        replay = self.closing(Vmm(VMM, "--rr", "replay", "--rrfile", str(path)))
        gdb = self.closing(Gdb(replay.remote))
        sync = at["__ia32_sys_sync"]

        def here():
            self.assertEqual(gdb.value("$eip"), sync)
            return int(re.search(r"icount (\d+)", gdb("monitor when")).group(1))

        gdb(f"hbreak *{sync:#x}")
        forward = []
        while "Breakpoint 1, " in gdb("continue", BOOT):
            forward.append(here())
        self.assertGreaterEqual(len(forward), 2)
        backward = []
        while "Breakpoint 1, " in gdb("reverse-continue", BOOT):
            backward.append(here())
        self.assertEqual(backward, forward[::-1])
        gdb(f"monitor seek {forward[1]}")
        gdb("maintenance flush register-cache")
        self.assertEqual(here(), forward[1])
        gdb("kill")
        self.assertEqual(replay.wait(), 0)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[3:]])
