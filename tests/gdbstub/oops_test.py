#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/debugging-a-kernel.md, done: a module's bug recorded once, and found by going back from the oops. oops_test.py VMM GUESTS"""
import pathlib
import re
import subprocess
import sys
import unittest

from gdb_driver import Gdb, Scratch, Vmm

VMM, GUESTS = sys.argv[1:3]
TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools/gdb"
LONG = 300
OVERWRITTEN = int.from_bytes(b"a rather long one"[12:16], "little")


class Oops(unittest.TestCase, Scratch):
    def record(self):
        """The recording; kernel symbols as an ELF file; where the module's sections are."""
        d = self.directory
        (d / "initrd.gz").write_bytes(b"".join(pathlib.Path(GUESTS, name).read_bytes() for name in ("busybox.cpio.gz", "planted.cpio.gz")))
        subprocess.run([VMM, "--rr", "record", "--rrfile", d / "oops.rr", "-icount", "shift=0,sleep=off", "-m", "128", "-kernel", f"{GUESTS}/vmlinuz-686",
                        "-initrd", d / "initrd.gz", "-append", "console=ttyS0 rdinit=/planted.sh panic=-1 quiet", "-serial", f"file:{d}/console.txt",
                        "-serial", f"file:{d}/symbols.txt", "-monitor", "none", "-display", "none", "-net", "none", "-no-reboot"],
                       stdin=subprocess.DEVNULL, check=True, timeout=LONG)
        subprocess.run([TOOLS / "symbols", d / "symbols.txt", d / "kernel.elf"], check=True)
        return dict(re.findall(r"section (\S+) (0x[0-9a-f]+)", (d / "symbols.txt").read_text()))

    def icount(self, gdb):
        return int(re.search(r"icount (\d+)", gdb("monitor when")).group(1))

    def test_from_the_oops_to_who_wrote_the_pointer(self):
        self.scratch()
        sections = self.record()
        vmm = self.closing(Vmm(VMM, "--rr", "replay", "--rrfile", self.directory / "oops.rr", "-serial", "null", "-serial", "null"))
        gdb = self.closing(Gdb(vmm.remote, self.directory / "kernel.elf"))
        gdb(f"source {TOOLS}/vmm.gdb")
        text = sections.pop(".text")
        gdb(f"add-symbol-file {GUESTS}/planted.ko {text} " + " ".join(f"-s {name} {at}" for name, at in sections.items()))

        self.assertIn("No more reverse-execution history", gdb("continue", LONG))
        gdb("break *page_fault_oops")
        self.assertIn("Breakpoint 1, ", gdb("reverse-continue", LONG))
        gdb("delete")
        # Back to where the fault was delivered, and to the instruction that made it.
        gdb("break *asm_exc_page_fault")
        self.assertIn("Breakpoint 2, ", gdb("reverse-continue", LONG))
        gdb("delete")
        gdb("reverse-stepi")
        self.assertIn("count_tick", gdb("frame"))
        self.assertIn("tick (", gdb("up"))
        gdb("down")
        self.assertIn(f"{OVERWRITTEN:#x}", gdb("print/x $eax") + gdb("print/x box->counter"))
        crash = self.icount(gdb)

        # Who wrote that: a watchpoint and back.
        gdb("watch -l box->counter")
        self.assertRegex(gdb("reverse-continue", LONG), r"Old value = .*\n.*New value = ")
        self.assertIn("relabel", gdb("frame"))
        self.assertIn('"a rather long one"', gdb("up") + gdb("print labels[count % 5]"))
        written = self.icount(gdb)
        gdb("delete")

        # The same by one command.
        gdb(f"monitor seek {crash}")
        said = gdb(f"monitor last-write {gdb.value('&box->counter'):#x}", LONG)
        self.assertRegex(said, rf"(?m)^icount {written}, eip 0x[0-9a-f]{{8}}: 0x[0-9a-f]{{8}} -> {OVERWRITTEN:#010x}$")
        self.assertIn("relabel", gdb("frame"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[3:]])
