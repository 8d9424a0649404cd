#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every monitor command about debugging says the same in gdb (`monitor X`) and in the human monitor, and what the guest's listing
demands. commands_test.py VMM CAUGHT.elf CAUGHT.rom"""
import re
import socket
import sys
import time
import unittest

from gdb_driver import WAIT, Gdb, Packets, Scratch, Vmm

VMM, ELF, ROM = sys.argv[1:4]
LABELS = ("round", "divides", "divided", "prints", "printed", "writes", "wrote", "loads_cr3", "loaded_cr3", "timer")
ROUNDS = 0x20018

# What is typed after `seek C`, and what has to come. {label} is an address of the listing, C and END are icounts; a tuple's further
# commands look at what the first has done.
COMMANDS = [
    (r"when", r"icount C, guest time \d+\.\d{9} s, eip {printed}\nheld from 0 to END, the end of the recording"),
    (r"seek 1000", r"icount 1000, .*"),
    (r"seek +10", r"icount C\+10, .*"),
    (r"seek -10", r"icount C-10, .*"),
    (r"seek start", r"icount 0, guest time 0\.000000000 s, eip 0x0000fff0"),
    (r"seek end", r"icount END, .*"),
    (r"seek E", r"icount \d+, .*, eip {printed}", (f"xp {ROUNDS:#x}", r"00020018: 0x00000005")),
    (r"seek next D", r"icount \d+, .*, eip {printed}", (f"xp {ROUNDS:#x}", r"00020018: 0x00000004")),
    (r"seek last B", r"icount \d+, .*, eip {printed}", (f"xp {ROUNDS:#x}", r"00020018: 0x00000002")),
    (r"checkpoint", r"checkpoint 1: icount C, .*", ("checkpoints", r"checkpoint 1: icount C"), ("seek 5", r"icount 5, .*"),
     ("restart 1", r"icount C, .*"), ("delete-bookmark 1", "")),
    (r"checkpoints", r"no checkpoints"),
    (r"bookmark third round", r"bookmark third round: icount C, .*", ("seek 5", r"icount 5, .*"), ("bookmarks", r"bookmark third round: icount C"),
     ("restart third round", r"icount C, .*"), ("delete-bookmark third round", "")),
    (f"last-write {ROUNDS:#x} 4", r"icount \d+, eip {round}: 0x00000002 -> 0x00000003", ("when", r"(?s)icount \d+, .*, eip {round}\n.*")),
    (f"next-write {ROUNDS:#x} 4 phys", r"icount \d+, eip {round}: 0x00000003 -> 0x00000004", (f"x {ROUNDS:#x}", r"00020018: 0x00000004")),
    (r"step-irq off", r"steps leave out interrupts", ("step-irq on", r"a step goes into an interrupt that is due")),
    (r"catch irq 0x20", r"point N: catch irq 0x20", ("points", r"N catch irq 0x20")),
    (r"catch exception 0", r"point N: catch exception 0x00", ("points", r"N catch exception 0x00")),
    (r"catch port 0x3f8", r"point N: catch port 0x03f8", ("points", r"N catch port 0x03f8")),
    (r"catch mmio 0xfec00000", r"point N: catch mmio 0xfec00000", ("points", r"N catch mmio 0xfec00000")),
    (r"catch cr3 0x5000", r"point N: catch cr3 0x00005000", ("points", r"N catch cr3 0x00005000")),
    (r"catch mode", r"point N: catch mode", ("points", r"N catch mode")),
    (r"catch triple-fault", r"point N: catch triple-fault", ("points", r"N catch triple-fault"), ("delete all", ""), ("points", "no points")),
    (r"break {round} cr3 0x5000", r"point N: break {round} cr3 0x00005000", ("points", r"N break {round} cr3 0x00005000")),
    (r"limit-cr3 0x5000", r"gdb's break- and watchpoints stop only under CR3 0x00005000", ("limit-cr3 off", r"gdb's break- and watchpoints stop under any CR3")),
    (r"events 0 1000", r" *0  key .*"),
    (r"events 1", r"nothing entered from outside"),
    (r"info registers", r"(?s)EAX=\w{6}43 .* EDX=000003f8\n.*EIP={printed:x} .*CR3=00006000.*"),
    (r"info mem", r"0{8}-00800000 00800000 -rw\nfec00000-ff000000 00400000 -rw"),
    (r"info tlb", r"0{8}: 0{9} --PDA---W\n00400000: 0{9} --P-----W\nfec00000: 0fec00000 --PDAC--W"),
    (r"info pic", r"pic0: irr=\w\w imr=fe isr=00 .* irq_base=20 .*\npic1: irr=\w\w imr=ff isr=00 .*"),
    (r"info devices", r"(?s).*\bpic\n.*\bserial0\b.*"),
    (r"info devices pic", r"(?s).*chip\.0\.imr = 0xfe\n.*"),
    (r"gva2gpa 0x420018", r"gpa: 0x20018"),
    (r"gva2gpa 0x800000", r"Unmapped"),
    (r"x/1xw 0x420018", r"00420018: 0x00000003"),
    (r"xp/2xw 0x20018", r"00020018: 0x00000003 0x00000000"),
    (r"x/1i $eip", r"{printed}:  b930750000 +mov .*7530.*"),
    (r"rejoin", r"Error: this is the recording itself, no branch"),
    (r"difference", r"Error: no difference has shown so far; .*"),
    (r"info replay", r"Replaying execution '.*': instruction count = C"),
]


class Person:
    """At the human monitor."""

    def __init__(self, vmm):
        self.vmm, self.since = vmm, 0
        self.answer()

    def answer(self):
        found = self.vmm.out.wait_for(r"\(vmm\) ", self.since)
        text, self.since = self.vmm.out.text[self.since:found.start()], found.end()
        return text.strip()

    def __call__(self, command):
        self.vmm.type(command)
        return self.answer()


class Commands(unittest.TestCase, Scratch):
    def setUp(self):
        self.scratch()
        path = self.directory / "run.rr"
        vmm = self.closing(Vmm(VMM, "-bios", ROM, "-display", "none", "-serial", "null", "-monitor", "none", "-net", "none", "-vga", "none", "-m", "16",
                               "-device", "isa-debug-exit", "--rr", "record", "--rrfile", path))
        gdb = self.closing(Gdb(vmm.remote))
        gdb("monitor sendkey a")
        gdb("continue")
        gdb("continue")
        self.assertEqual(vmm.wait(), 7, vmm.err.text)
        self.vmm = self.closing(Vmm(VMM, "--rr", "replay", "--rrfile", path, "-monitor", "stdio", typing=True))
        self.gdb = self.closing(Gdb(self.vmm.remote, ELF))
        self.gdb("maintenance packet Qvmm.Flushes:1")
        self.person = Person(self.vmm)
        self.at = {label: self.gdb.value(f"&{label}") for label in LABELS}

    def icount(self, text):
        return int(re.search(r"icount (\d+)", text).group(1))

    def test_each_in_gdb_and_in_the_human_monitor(self):
        end = self.icount(self.person("seek end"))
        self.person("seek start")
        here = self.icount(self.person("seek C"))
        labels = {label: f"{address:#010x}" for label, address in self.at.items()}

        def expected(text):
            for label, address in labels.items():
                text = text.replace(f"{{{label}:x}}", address[2:]).replace(f"{{{label}}}", address)
            text = text.replace(r"C\+10", str(here + 10)).replace("C-10", str(here - 10))
            return re.sub(r"\bEND\b", str(end), re.sub(r"(icount|count =) C\b", rf"\1 {here}", text)).replace("point N:", r"point \d+:").replace("N catch", r"\d+ catch") \
                .replace("N break", r"\d+ break")

        for first, answer, *more in COMMANDS:
            said = []
            for name, ask in (("gdb", lambda line: self.gdb("monitor " + line)), ("human monitor", self.person)):
                for before in ("delete all", "step-irq on", "seek C" if self.icount(ask("when")) < here else "seek last C"):
                    ask(before)
                if self.icount(ask("when")) != here:
                    ask(f"seek {here}")
                for command, wanted in [(first, answer), *more]:
                    with self.subTest(command=command, where=name):
                        text = ask(expected(command))
                        self.assertTrue(re.fullmatch(expected(wanted), text), f"{text!r} is not {expected(wanted)!r}")
                        said.append(re.sub(r"point \d+|^\d+ ", "N ", text))
            with self.subTest(command=first):
                half = len(said) // 2
                self.assertEqual(said[:half], said[half:])

    def test_what_is_caught_pauses_for_the_human_monitor(self):
        for what, labels in (("catch irq 0x20", ["timer"]), ("catch exception 0", ["divided"]), ("catch port 0x3f8", ["printed"]), ("catch mmio 0xfec00000", ["wrote"]),
                             ("catch cr3 0x5000", ["loaded_cr3"]), (f"break {self.at['round']:#x} cr3 0x5000", ["round"])):
            with self.subTest(command=what):
                self.person("seek start")
                self.person("seek C")
                self.person("delete all")
                self.person(what)
                self.person("cont")
                until = time.monotonic() + WAIT
                while "running" in self.person("info status") and time.monotonic() < until:
                    time.sleep(0.02)
                self.assertIn("VM status: paused (debug)", self.person("info status"))
                said = self.person("when")
                self.assertIn([int(re.search("eip (0x[0-9a-f]+)", said).group(1), 16)], [[self.at[label]] for label in labels])

    def test_a_long_answer_comes_in_pieces_as_it_arises(self):
        self.gdb("detach")
        client = self.closing(Packets(self.vmm.remote))
        client.send(b"qRcmd," + b"xp/4096xb 0".hex().encode())
        pieces = []
        while (packet := client.receive()) != b"OK":
            self.assertEqual(packet[:1], b"O")
            pieces.append(bytes.fromhex(packet[1:].decode()).decode())
        self.assertGreater(len(pieces), 100)
        self.assertEqual(len("".join(pieces).splitlines()), 4096 // 16)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[4:]])
