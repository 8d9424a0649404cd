#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `catch` stops at, in both directions, against a guest that counts what happens to it: how often is in its memory, where is in
its listing. catch_test.py VMM CAUGHT.elf CAUGHT.rom"""
import re
import subprocess
import sys
import unittest

from gdb_driver import WAIT, Gdb, Scratch, Vmm

VMM, ELF, ROM = sys.argv[1:4]
DIVISIONS, UNDEFINED, TRAPS, DEVICE, LOADS, INTERRUPTS, ROUNDS = range(0x20000, 0x2001c, 4)
END = "No more reverse-execution history"


class Caught(unittest.TestCase, Scratch):
    def setUp(self):
        self.scratch()
        path = self.directory / "run.rr"
        done = subprocess.run([VMM, "-bios", ROM, "-display", "none", "-serial", "null", "-monitor", "none", "-net", "none", "-vga", "none", "-m", "16",
                               "-device", "isa-debug-exit", "--rr", "record", "--rrfile", path], stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT)
        self.assertEqual(done.returncode, 7, done.stderr)
        self.gdb = self.closing(Gdb(self.closing(Vmm(VMM, "--rr", "replay", "--rrfile", path)).remote, ELF))
        self.gdb("monitor seek end")
        self.forget()
        self.counted = {at: self.word(at) for at in range(DIVISIONS, ROUNDS + 4, 4)}
        self.assertEqual(self.counted[ROUNDS], 32)

    def forget(self):
        """What gdb has read of the machine."""
        self.gdb("maintenance flush register-cache")
        self.gdb("maintenance flush dcache")

    def word(self, address):
        return self.gdb.value(f"*(int*){address}")

    def at(self, label):
        return self.gdb.value(f"&{label}")

    def stops(self, what, command, count):
        """EIP and a count of the guest's at each stop, up to the end of history."""
        out = []
        while END not in (text := self.gdb(command)):
            self.assertIn(f"caught {what}", text)
            out.append((self.gdb.value("$eip"), self.word(count)))
            self.assertLess(len(out), 500)
        return out

    def both_ways(self, caught, what, count):
        """The stops forward from the beginning, and those backward from the end, in the order of time."""
        self.gdb("monitor seek start")
        self.forget()
        self.assertRegex(self.gdb(f"monitor catch {caught}"), rf"^point \d+: catch {caught.split()[0]}")
        forward = self.stops(what, "continue", count)
        backward = self.stops(what, "reverse-continue", count)
        self.assertEqual(self.gdb.value("$eip"), 0xfff0)
        return forward, backward[::-1]

    def test_an_exception(self):
        forward, backward = self.both_ways("exception 0", "exception 0x00", DIVISIONS)
        self.assertEqual(self.counted[DIVISIONS], 32)
        self.assertEqual(forward, [(self.at("divided"), n) for n in range(32)])
        self.assertEqual(backward, [(self.at("divides"), n) for n in range(32)])

    def test_all_exceptions(self):
        forward, backward = self.both_ways("exception", "exception", ROUNDS)
        self.assertEqual((self.counted[DIVISIONS], self.counted[UNDEFINED], self.counted[TRAPS]), (32, 16, 8))
        kinds = [(1, "divides", "divided"), (2, "no_opcode", "undefined_opcode"), (4, "traps_here", "trapped")]
        expected = [(n, before, after) for n in range(1, 33) for every, before, after in kinds if n % every == 0]
        self.assertEqual(forward, [(self.at(after), n) for n, _, after in expected])
        self.assertEqual(backward, [(self.at(before), n) for n, before, _ in expected])

    def test_memory_of_devices(self):
        forward, backward = self.both_ways("mmio", "an access to", DEVICE)
        self.assertEqual(self.counted[DEVICE], 5 * 32)
        after = [("wrote", 1), ("read", 2), ("repeats", 5), ("repeats", 5), ("repeated", 5)]
        before = [("writes", 1), ("reads", 2), ("repeats", 5), ("repeats", 5), ("repeats", 5)]
        self.assertEqual(forward, [(self.at(label), 5 * n + count) for n in range(32) for label, count in after])
        self.assertEqual(backward, [(self.at(label), 5 * n + count) for n in range(32) for label, count in before])

    def test_memory_of_one_device(self):
        forward, backward = self.both_ways("mmio 0xfee00030", "an access to", DEVICE)
        self.assertEqual(forward, [(self.at("read"), 5 * n + 2) for n in range(32)])
        self.assertEqual(backward, [(self.at("reads"), 5 * n + 2) for n in range(32)])

    def test_loads_of_cr3(self):
        forward, backward = self.both_ways("cr3", "CR3", LOADS)
        self.assertEqual(self.counted[LOADS], 33)
        self.assertEqual(forward, [(self.at("paged"), 1)] + [(self.at("loaded_cr3"), n) for n in range(2, 34)])
        self.assertEqual(backward, [(self.at("pages"), 1)] + [(self.at("loads_cr3"), n) for n in range(2, 34)])

    def test_loads_of_cr3_with_one_value(self):
        forward, backward = self.both_ways("cr3 0x6000", "CR3", LOADS)
        self.assertEqual(forward, [(self.at("loaded_cr3"), n) for n in range(2, 34, 2)])
        self.assertEqual(backward, [(self.at("loads_cr3"), n) for n in range(2, 34, 2)])

    def test_interrupts(self):
        forward, backward = self.both_ways("irq 0x20", "interrupt 0x20", INTERRUPTS)
        number = self.counted[INTERRUPTS]
        self.assertGreater(number, 5)
        self.assertEqual(forward, [(self.at("timer"), n) for n in range(number)])
        # Where it came the guest waited, and nothing else lets interrupts in. LOOP stands at itself until it is through.
        self.assertEqual([n for _, n in backward], list(range(number)))
        self.assertLessEqual({eip for eip, _ in backward}, {self.at("waits"), self.at("waited")})

    def test_a_port(self):
        forward, backward = self.both_ways("port 0x3f8", "an access to port 0x03f8", ROUNDS)
        self.assertEqual(forward, [(self.at("printed"), n) for n in range(1, 33)])
        self.assertEqual(backward, [(self.at("prints"), n) for n in range(1, 33)])

    def test_what_does_not_happen(self):
        for caught in ("exception 14", "irq 0x21", "mmio 0xfec00020", "cr3 0x7000", "port 0x2f8"):
            self.gdb(f"monitor catch {caught}")
        self.assertIn(END, self.gdb("reverse-continue"))
        self.assertIn(END, self.gdb("continue"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[4:]])
