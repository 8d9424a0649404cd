#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real gdb against the real program. gdb_test.py VMM GUEST.elf GUEST.rom"""
import pathlib
import random
import re
import signal
import struct
import subprocess
import sys
import time
import unittest
import zlib

from gdb_driver import WAIT, Gdb, Lines, Packets, Scratch, Vmm

VMM, ELF, ROM = sys.argv[1:4]
MACROS = pathlib.Path(__file__).resolve().parents[2] / "tools/gdb/vmm.gdb"
COUNTER, LOOKED_AT, BOTH, OWN_SUM, RARELY = 0x20000, 0x20004, 0x20008, 0x2000c, 0x20010


class Debugged(unittest.TestCase, Scratch):
    def setUp(self):
        self.scratch()

    def vmm(self, *arguments, **how):
        return self.closing(Vmm(VMM, "-bios", ROM, "-nographic", "-serial", "null", "-monitor", "none", "-net", "none", "-m", "16",
                                "-device", "isa-debug-exit", *arguments, **how))

    def gdb(self, vmm, symbols=ELF):
        return self.closing(Gdb(vmm.remote, symbols))

    def at_main(self, *arguments):
        vmm = self.vmm(*arguments)
        gdb = self.gdb(vmm)
        gdb("break *main")
        self.assertIn("Breakpoint 1, ", gdb("continue"))
        gdb("delete")
        return vmm, gdb

    def recording(self, *arguments, seconds=0.5):
        """A recording of a few million rounds' steps of the guest."""
        path = self.directory / "run.rr"
        vmm = self.vmm("-icount", f"shift=0,rr=record,rrfile={path}", *arguments, paused=False)
        time.sleep(seconds)
        vmm.process.send_signal(signal.SIGTERM)
        self.assertEqual(vmm.wait(), 0)
        return path

    def icount(self, text):
        return int(re.search(r"icount (\d+), ", text).group(1))

    def replay(self, path):
        vmm = self.closing(Vmm(VMM, "-icount", f"shift=0,rr=replay,rrfile={path}"))
        return vmm, self.gdb(vmm)


class Registers(Debugged):
    def test_a_machine_that_waits_is_at_the_reset_vector(self):
        gdb = self.gdb(self.vmm())
        self.assertEqual([gdb.value(r) for r in ("$eip", "$cs", "$cs_base", "$eflags", "$cr0")],
                         [0xfff0, 0xf000, 0xffff0000, 2, 0x60000010])

    def test_steps_follow_the_code(self):
        _, gdb = self.at_main()
        seen = []
        for _ in range(4):
            gdb("stepi")
            seen.append(gdb.value("$eip"))
        self.assertEqual(seen, [gdb.value("&main") + 2, gdb.value("&main") + 4, gdb.value("&loop"), gdb.value("&bump")])

    def test_all_kinds_of_registers_are_read_and_written(self):
        _, gdb = self.at_main()
        gdb("stepi 2")
        self.assertIn("= 1", gdb("print $st0"))
        for name, value in {"eax": 0x12345678, "esp": 0x7ff00, "eip": 0xf0040, "cr2": 0xdead0000, "mxcsr": 0x1fa0, "fctrl": 0x27f,
                            "fs_base": 0x1000, "xmm3.uint128": 0x112233445566778899aabbccddeeff00}.items():
            gdb(f"set ${name} = {value:#x}" if "uint128" not in name else "set $xmm3.v2_int64 = {0x99aabbccddeeff00, 0x1122334455667788}")
            gdb("maintenance flush register-cache")
            self.assertEqual(gdb.value("$" + name), value, name)
        gdb("set $st0 = 2.5")
        gdb("set $eflags = 0x41")
        gdb("maintenance flush register-cache")
        self.assertIn("= 2.5", gdb("print $st0"))
        self.assertIn("[ CF ZF IOPL=0 ]", gdb("info registers eflags"))

    def test_flags_of_control_registers_have_names(self):
        _, gdb = self.at_main()
        self.assertIn("[ PE ET NW CD ]", gdb("info registers cr0"))

    def test_a_segment_register_brings_its_base_and_what_is_no_selector_is_refused(self):
        _, gdb = self.at_main()
        gdb("set $ds_base = 0x5000")
        gdb("set $ds = 0")
        gdb("set $ds = 16")
        gdb("maintenance flush register-cache")
        self.assertEqual((gdb.value("$ds"), gdb.value("$ds_base")), (16, 0))
        self.assertIn("selector 0ffb is outside its table", gdb("set $ds = 0xffb"))
        self.assertIn("CR0.PG without CR0.PE", gdb("set $cr0 = 0x80000010"))

    def test_a_called_function_returns(self):
        _, gdb = self.at_main()
        gdb("stepi 3")
        before = gdb.value(f"*(int*){COUNTER}")
        gdb("call (void)bump()")
        self.assertEqual(gdb.value(f"*(int*){COUNTER}"), before + 1)
        self.assertEqual(gdb.value("$eip"), gdb.value("&loop"))


class Memory(Debugged):
    def test_what_is_written_is_read_back_and_the_guest_sees_it(self):
        _, gdb = self.at_main()
        gdb(f"set *(int*){LOOKED_AT} = 0x55aa1234")
        gdb("break *change")
        gdb("continue")
        self.assertEqual(gdb.value("$edx"), 0x55aa1234)

    def test_large_pieces_pass(self):
        _, gdb = self.at_main()
        content = random.Random(1).randbytes(300_000)
        (self.directory / "in").write_bytes(content)
        gdb(f"restore {self.directory}/in binary 0x100000")
        gdb(f"dump binary memory {self.directory}/out 0x100000 {0x100000 + len(content):#x}")
        self.assertEqual((self.directory / "out").read_bytes(), content)

    def test_where_there_is_no_memory_gdb_says_so(self):
        _, gdb = self.at_main()
        self.assertIn("Cannot access memory at address 0xe0000000", gdb("x/x 0xe0000000"))
        self.assertIn("Cannot access memory", gdb("set *(int*)0xe0000000 = 1"))


class Points(Debugged):
    def test_breakpoints_of_both_kinds_stop_each_time(self):
        for kind in ("break", "hbreak"):
            vmm, gdb = self.at_main()
            gdb(kind + " *bump")
            for n in range(3):
                self.assertRegex(gdb("continue"), r"Breakpoint 2, ")
                self.assertEqual((gdb.value("$eip"), gdb.value(f"*(int*){COUNTER}")), (gdb.value("&bump"), n))
            vmm.close()

    def test_a_hundred_breakpoints(self):
        _, gdb = self.at_main()
        for n in range(100):
            gdb(f"hbreak *{0x100000 + n}")
        gdb("break *change")
        self.assertIn("Breakpoint 102, ", gdb("continue"))

    def test_the_guest_reads_its_own_code_unchanged(self):
        _, gdb = self.at_main()
        image = bytes(int(b, 16) for b in re.findall(r"0x([0-9a-f]{2})\b", gdb("x/13xb &bump").replace("\t", " ").split(":", 1)[1]))
        self.assertEqual(gdb.value("&bump_end") - gdb.value("&bump"), 12)
        for at in range(12):
            gdb(f"break *(bump+{at})")
        gdb(f"watch *(int*){OWN_SUM}")
        for _ in range(20):
            if "watchpoint" in gdb("continue"):
                break
        self.assertEqual(gdb.value(f"*(int*){OWN_SUM}"), sum(image[:12]))

    def test_a_write_watch_stops_after_the_write(self):
        _, gdb = self.at_main()
        gdb("stepi 3")
        gdb(f"watch *(int*){COUNTER}")
        for n in range(1, 4):
            text = gdb("continue")
            self.assertRegex(text, rf"(?s)Hardware watchpoint 2: .*Old value = {n - 1}\nNew value = {n}\n")
            self.assertEqual(gdb.value("$eip"), gdb.value("&bump_end") - 1)

    def test_a_read_watch_stops_for_reads(self):
        _, gdb = self.at_main()
        gdb(f"rwatch *(int*){LOOKED_AT}")
        self.assertRegex(gdb("continue"), r"Hardware read watchpoint 2: .*\n+Value = 0")
        self.assertEqual(gdb.value("$eip"), gdb.value("&look") + 6)

    def test_an_access_watch_stops_for_either(self):
        _, gdb = self.at_main()
        gdb(f"awatch *(int*){BOTH}")
        self.assertRegex(gdb("continue"), r"(?s)Hardware access \(read/write\) watchpoint 2: .*Old value = 0\nNew value = 1")
        gdb("delete")
        gdb(f"awatch *(int*){LOOKED_AT}")
        self.assertRegex(gdb("continue"), r"(?s)watchpoint 3: .*Value = 0")

    def test_stepping_over_a_breakpoint_and_ranges(self):
        _, gdb = self.at_main()
        gdb("stepi 3")
        gdb("nexti")
        self.assertEqual(gdb.value("$eip"), gdb.value("&loop") + 5)
        self.assertEqual(gdb.value(f"*(int*){COUNTER}"), 1)
        gdb("break *look")
        self.assertIn("Breakpoint 2, ", gdb("next"))
        # The lines of the source: one instruction each.
        gdb("delete")
        for _ in range(2):
            gdb("next")
        self.assertEqual(gdb.value("$eip"), gdb.value("&loop") + 10)


class Running(Debugged):
    def test_ctrl_c_stops_at_once(self):
        _, gdb = self.at_main()
        for _ in range(3):
            gdb.start("continue")
            time.sleep(0.3)
            began = time.monotonic()
            gdb.interrupt()
            self.assertIn("Program received signal SIGINT", gdb.finish())
            self.assertLess(time.monotonic() - began, 2)
        self.assertGreater(gdb.value(f"*(int*){COUNTER}"), 1000)

    def test_attaching_stops_and_detaching_resumes(self):
        vmm = self.vmm(paused=False)
        gdb = self.gdb(vmm)
        gdb("set $seen = *(int*)0x20000")
        time.sleep(0.3)
        self.assertEqual(gdb.value(f"*(int*){COUNTER} - $seen"), 0)
        gdb("break *bump")
        self.assertIn("detached", gdb("detach"))
        time.sleep(0.3)
        gdb.attach(vmm.remote)
        self.assertGreater(gdb.value(f"*(int*){COUNTER} - $seen"), 1000)

    def test_a_debugger_that_dies_leaves_the_machine_as_it_is(self):
        vmm, gdb = self.at_main()
        gdb("watch *(int*)0x20000")
        gdb("stepi 2")
        at = gdb.value("$eip")
        gdb.process.kill()
        again = self.gdb(vmm)
        self.assertEqual(again.value("$eip"), at)
        again("break *look")
        self.assertIn("Breakpoint 1, ", again("continue"))

    def test_kill_ends_the_program(self):
        vmm, gdb = self.at_main()
        gdb("kill")
        self.assertEqual(vmm.wait(), 0)

    def test_a_guest_that_ends_can_still_be_looked_at(self):
        vmm, gdb = self.at_main()
        gdb("set $eip = &leave")
        text = gdb("continue")
        self.assertIn("the guest exited", text)
        self.assertEqual(gdb.value("$al"), 3)
        self.assertIn("exited with code 07", gdb("continue"))
        self.assertEqual(vmm.wait(), 7)

    def test_a_recording_of_a_guest_that_was_looked_at_in_its_end_replays(self):
        path = self.directory / "end.rr"
        vmm, gdb = self.at_main("--rr", "record", "--rrfile", str(path))
        gdb("set $eip = &leave")
        gdb("continue")
        self.assertIn("exited with code 07", gdb("continue"))
        self.assertEqual(vmm.wait(), 7)
        replay = subprocess.run([VMM, "--rr", "replay", "--rrfile", str(path)], stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT)
        self.assertEqual(replay.returncode, 0, replay.stderr)
        self.assertIn(b"identical up to icount", replay.stderr)

    def test_the_program_says_that_it_ends(self):
        vmm, gdb = self.at_main()
        gdb.start("continue")
        time.sleep(0.2)
        vmm.process.send_signal(signal.SIGTERM)
        self.assertIn("exited normally", gdb.finish())
        self.assertEqual(vmm.wait(), 0)

    def test_a_unix_socket(self):
        vmm = self.vmm(gdb=f"unix:{self.directory}/gdb,server=on,wait=off")
        gdb = self.gdb(vmm)
        gdb("break *main")
        self.assertIn("Breakpoint 1, ", gdb("continue"))

    def test_a_second_debugger_is_told_and_the_first_goes_on(self):
        vmm, gdb = self.at_main()
        second = self.closing(Gdb(symbols=ELF))
        self.assertIn("another debugger is attached", second.attach(vmm.remote))
        gdb("break *bump")
        self.assertIn("Breakpoint 2, ", gdb("continue"))


class Monitor(Debugged):
    def test_commands_answer_in_gdb(self):
        _, gdb = self.at_main()
        self.assertRegex(gdb("monitor when"), r"^icount \d+, ")
        self.assertIn("unknown command 'whem'; did you mean when?", gdb("monitor whem"))
        self.assertIn("seek N|+N|-N|start|end|[next|last] TEXT -- ", gdb("monitor help"))

    def test_qemus_packets(self):
        _, gdb = self.at_main()
        self.assertIn('received: "0"', gdb("maintenance packet qqemu.PhyMemMode"))
        self.assertIn('received: "OK"', gdb("maintenance packet Qqemu.PhyMemMode:1"))
        self.assertIn('received: "1"', gdb("maintenance packet qqemu.PhyMemMode"))
        self.assertIn('received: "ENABLE=1"', gdb("maintenance packet qqemu.sstepbits"))
        self.assertIn("another run", gdb("maintenance packet Qqemu.sstep=0x7"))


    def test_seeking_is_exact(self):
        _, gdb = self.replay(self.recording())
        self.assertEqual(self.icount(gdb("monitor seek 1000")), 1000)
        self.assertEqual(self.icount(gdb("monitor seek +10")), 1010)
        self.assertEqual(self.icount(gdb("monitor seek -1010")), 0)
        end = self.icount(gdb("monitor seek end"))
        self.assertIn(f"held from 0 to {end}, the end of the recording", gdb("monitor when"))
        self.assertEqual(self.icount(gdb("monitor seek start")), 0)
        self.assertIn("Error: the recording ends at icount", gdb(f"monitor seek {end + 1}"))
        self.assertIn("Error: '+' is no position", gdb("monitor seek +"))

    def test_a_text_is_gone_to_where_it_was_printed(self):
        _, gdb = self.replay(self.recording())
        gdb(f"source {MACROS}")
        shown = []
        for letter in "BCD":
            self.assertIn(", eip", gdb(f"monitor seek rarely {letter}"))
            # Right after the character went out.
            self.assertEqual((gdb.value("$eip"), gdb.value("$al")), (gdb.value("&printed"), ord(letter)))
            shown.append(gdb.value(f"*(int*){RARELY}"))
        self.assertEqual(shown, [1, 2, 3])
        gdb("monitor seek rarely B")                     # the next one: it went round
        self.assertEqual(gdb.value(f"*(int*){RARELY}"), 17)
        gdb("monitor seek last rarely D")
        self.assertEqual(gdb.value(f"*(int*){RARELY}"), 3)
        before = self.icount(gdb("monitor when"))
        self.assertEqual(gdb("monitor seek last rarely Q"), "Error: 'rarely Q' was not printed before here")
        self.assertIn("Error: 'rarely Q' is not printed after here", gdb("monitor seek rarely Q"))
        self.assertEqual(self.icount(gdb("monitor when")), before)

    def test_a_text_in_a_stretch_that_was_jumped_over(self):
        # A far seek enters a checkpoint of the recording's own.
        _, gdb = self.replay(self.recording("-rr-checkpoint-every", "100M", seconds=4))
        gdb(f"source {MACROS}")
        end = self.icount(gdb("monitor seek end", 120))
        self.assertGreater(end, 200_000_000)
        self.assertLess(self.icount(gdb("monitor seek last rarely B", 120)), end)
        self.assertEqual((gdb.value("$eip"), gdb.value(f"*(int*){RARELY}") % 16), (gdb.value("&printed"), 1))
        last = gdb.value(f"*(int*){RARELY}")
        gdb("monitor seek start")
        gdb("monitor seek rarely B")
        self.assertEqual(gdb.value(f"*(int*){RARELY}"), 1)
        self.assertGreater(last, 17)

    def test_a_text_of_a_live_run(self):
        _, gdb = self.at_main()
        gdb("break *printed")
        for _ in range(3):
            gdb("continue")
        gdb(f"source {MACROS}")
        gdb("monitor seek last rarely B")
        self.assertEqual((gdb.value("$eip"), gdb.value(f"*(int*){RARELY}")), (gdb.value("&printed"), 1))

    def test_registers_are_those_of_the_new_position_with_the_macros_and_a_hint_comes_without(self):
        _, gdb = self.replay(self.recording())
        first = gdb.value("$eip")
        self.assertIn("tools/gdb/vmm.gdb", gdb("monitor seek rarely B"))
        self.assertNotIn("tools/gdb/vmm.gdb", gdb("monitor seek rarely C"))
        gdb("monitor seek start")
        gdb(f"source {MACROS}")
        gdb("monitor when")
        self.assertEqual(gdb.value("$eip"), first)
        self.assertIn("say ()", gdb("monitor seek rarely B"))
        self.assertEqual(gdb.value("$eip"), gdb.value("&printed"))
        self.assertRegex(gdb("x/i $pc"), r"=> 0x\w+ <say\+28>:\s+mov +\$0xa,%al")

    def test_bookmarks_are_kept_in_the_file(self):
        path = self.recording()
        vmm, gdb = self.replay(path)
        gdb("monitor seek 70000")
        self.assertIn("bookmark before it breaks: icount 70000, ", gdb("monitor bookmark before it breaks"))
        gdb("monitor seek 5000")
        gdb("monitor bookmark early")
        gdb("monitor checkpoint")
        gdb("monitor bookmark wrong")
        gdb("monitor delete-bookmark wrong")
        self.assertIn("Error: bookmark NAME", gdb("monitor bookmark 12"))
        gdb("kill")
        vmm.wait()
        _, again = self.replay(path)
        self.assertEqual(again("monitor bookmarks"), "checkpoint 1: icount 5000\nbookmark early: icount 5000\nbookmark before it breaks: icount 70000")
        self.assertEqual(self.icount(again("monitor restart before it breaks")), 70000)
        self.assertEqual(self.icount(again("monitor restart 1")), 5000)
        # The recording itself is as good as it was.
        self.assertIn("No more reverse-execution history", again("continue"))
        self.assertIn(b"ended by quit", subprocess.run([VMM, "rr", "info", path], capture_output=True, check=True).stdout)

    def test_bookmarks_of_a_recording_being_made(self):
        path = self.directory / "live.rr"
        vmm, gdb = self.at_main("--rr", "record", "--rrfile", str(path))
        at = self.icount(gdb("monitor bookmark main"))
        gdb("kill")
        vmm.wait()
        _, again = self.replay(path)
        self.assertEqual(self.icount(again("monitor restart main")), at)
        self.assertIn("No more reverse-execution history", again("continue"))

    def test_a_file_that_cannot_be_written_keeps_its_bookmarks_for_the_session(self):
        path = self.recording()
        with open(path, "r+b") as file:
            file.truncate(path.stat().st_size - 3)       # inside its last chunk
        _, gdb = self.replay(path)
        self.assertRegex(gdb("monitor bookmark here"), "kept until the program ends: .*is cut inside a chunk")
        self.assertIn("bookmark here: icount 0", gdb("monitor bookmarks"))

    def test_registers_are_those_of_the_new_position_with_the_macros(self):
        _, gdb = self.replay(self.recording())
        first = gdb.value("$eip")
        gdb(f"source {MACROS}")
        gdb("monitor when")
        self.assertEqual(gdb.value("$eip"), first)
        where = int(re.search(r"eip (0x[0-9a-f]+)", gdb("monitor seek 70000")).group(1), 16)
        self.assertNotEqual(where, first)
        self.assertEqual(gdb.value("$eip"), where)
        self.assertRegex(gdb("x/i $pc"), rf"=> {where:#x}")
        gdb("monitor seek start")
        self.assertEqual(gdb.value("$eip"), first)

    def test_checkpoints_are_come_back_to(self):
        _, gdb = self.replay(self.recording())
        gdb("monitor seek 5000")
        self.assertIn("checkpoint 1: icount 5000, ", gdb("monitor checkpoint"))
        gdb("monitor seek 70000")
        gdb("monitor checkpoint")
        self.assertEqual(self.icount(gdb("monitor restart 1")), 5000)
        self.assertEqual(gdb("monitor checkpoints"), "checkpoint 1: icount 5000\ncheckpoint 2: icount 70000")
        self.assertIn("Error: restart N", gdb("monitor restart 3"))

    def test_who_wrote_last_and_next(self):
        _, gdb = self.replay(self.recording())
        gdb("monitor seek end")
        gdb("maintenance flush register-cache")
        gdb("maintenance flush dcache")
        last = gdb.value(f"*(int*){RARELY}")
        writer = gdb.value("&main_rarely")
        said = gdb(f"monitor last-write {RARELY:#x}")
        self.assertRegex(said, rf"^icount \d+, eip {writer:#010x}: {last - 1:#010x} -> {last:#010x}$")
        before = self.icount(said)
        self.assertEqual(gdb(f"monitor next-write {RARELY:#x} 4"), said)
        self.assertEqual(self.icount(gdb("monitor when")), before + 1)
        self.assertEqual(gdb(f"monitor last-write {RARELY:#x} 4 phys"), said)
        self.assertRegex(gdb("monitor next-write 0x80000"), "^not written up to the end of the recording, at icount")
        self.assertRegex(gdb("monitor last-write 0x80000"), "^not written since the beginning of what is held, at icount 0")

    def test_a_write_in_a_replay_opens_a_branch_that_can_be_left(self):
        _, gdb = self.replay(self.recording())
        gdb("monitor seek 70000")
        gdb("maintenance flush register-cache")
        seen = gdb.value(f"*(int*){COUNTER}")
        gdb(f"set *(int*){COUNTER} = 0x77000000")
        gdb("stepi 1000")
        self.assertGreaterEqual(gdb.value(f"*(int*){COUNTER}"), 0x77000000)
        self.assertIn("on a branch that left the recording at 70000", gdb("monitor when"))
        self.assertEqual(self.icount(gdb("monitor rejoin")), 70000)
        gdb("maintenance flush register-cache")
        gdb("maintenance flush dcache")
        self.assertEqual(gdb.value(f"*(int*){COUNTER}"), seen)

    def test_breakpoints_of_the_monitor_and_of_one_cr3(self):
        _, gdb = self.replay(self.recording())
        gdb(f"source {MACROS}")
        look = gdb.value("&look")
        self.assertRegex(gdb(f"monitor break {gdb.value('&bump'):#x} cr3 0x1000"), r"^point \d+: break 0x\w+ cr3 0x00001000$")
        number = int(re.search(r"point (\d+): ", gdb(f"monitor break {look:#x} cr3")).group(1))
        gdb("continue")
        self.assertEqual(gdb.value("$eip"), look)
        count = gdb.value(f"*(int*){COUNTER}")
        gdb("continue")
        self.assertEqual((gdb.value("$eip"), gdb.value(f"*(int*){COUNTER}")), (look, count + 1))
        gdb("reverse-continue")
        self.assertEqual((gdb.value("$eip"), gdb.value(f"*(int*){COUNTER}")), (look, count))
        gdb(f"monitor delete {number}")
        self.assertIn("Error: there is no point", gdb(f"monitor delete {number}"))
        self.assertIn("No more reverse-execution history", gdb("continue"))
        gdb("monitor delete all")
        self.assertEqual(gdb("monitor points"), "no points")

    def test_a_port_is_caught_in_both_directions(self):
        _, gdb = self.replay(self.recording())
        gdb(f"source {MACROS}")
        gdb("monitor seek rarely B")
        self.assertIn("catch port 0x03f8", gdb("monitor catch port 0x3f8"))
        self.assertIn("caught an access to port 0x03f8", gdb("continue"))
        # The line feed went out; back again it is before it does.
        self.assertEqual((gdb.value("$eip"), gdb.value("$al")), (gdb.value("&printed") + 3, 10))
        gdb("stepi")
        self.assertIn("caught an access to port 0x03f8", gdb("reverse-continue"))
        self.assertEqual((gdb.value("$eip"), gdb.value("$al")), (gdb.value("&printed") + 2, 10))
        self.assertIn("caught", gdb("reverse-continue"))
        self.assertEqual(gdb.value("$al"), ord("B"))
        self.assertRegex(gdb("monitor points"), r"^\d+ catch port 0x03f8$")
        gdb("monitor delete all")
        self.assertEqual(gdb("monitor points"), "no points")
        self.assertIn("No more reverse-execution history", gdb("reverse-continue"))

    def test_modes_are_caught(self):
        _, gdb = self.replay(self.recording())
        gdb("monitor catch mode")
        self.assertIn("caught protected mode begins", gdb("continue"))
        self.assertEqual(gdb.value("$cr0") & 1, 1)
        self.assertIn("caught", gdb("reverse-continue"))
        self.assertEqual(gdb.value("$cr0") & 1, 0)

    def test_a_triple_fault_is_caught_before_it(self):
        _, gdb = self.at_main("-no-reboot")
        gdb("monitor catch triple-fault")
        gdb("set $eip = &crash")
        self.assertIn("caught a triple fault", gdb("continue"))
        self.assertEqual(gdb.value("$eip"), gdb.value("&crashes"))
        # Going on it happens.
        self.assertIn("the guest reset", gdb("continue"))
        self.assertIn("caught a triple fault", gdb("reverse-continue"))
        self.assertEqual(gdb.value("$eip"), gdb.value("&crashes"))

    def test_breakpoints_of_one_cr3(self):
        _, gdb = self.at_main()
        gdb("monitor break 0xf0000 cr3 0x1000")
        self.assertIn("under CR3 0x00005000", gdb("monitor limit-cr3 0x5000"))
        gdb("break *bump")
        gdb("break *look")
        gdb.start("continue")
        time.sleep(0.5)
        gdb.interrupt()
        self.assertIn("SIGINT", gdb.finish())
        self.assertIn("under CR3 0x00000000", gdb("monitor limit-cr3"))
        self.assertRegex(gdb("continue"), "Breakpoint [23], ")
        self.assertIn("under any CR3", gdb("monitor limit-cr3 off"))

    def test_what_entered_from_outside_is_listed(self):
        _, gdb = self.replay(self.recording())
        self.assertEqual(gdb("monitor events 0"), "nothing entered from outside")
        self.assertIn("Error: catch irq", gdb("monitor catch fire"))
        self.assertIn("Error: '256' is too large", gdb("monitor catch irq 256"))
        self.assertEqual(gdb("monitor step-irq off"), "steps leave out interrupts")

    def test_steps_leave_out_interrupts_in_both_directions(self):
        # The firmware's waiting for a disk to boot from: its timer interrupts come back to where they came.
        path = self.directory / "firmware.rr"
        vmm = self.closing(Vmm(VMM, "-icount", f"shift=0,rr=record,rrfile={path}", "-nographic", "-serial", "null", "-monitor", "none", "-net", "none",
                               paused=False))
        time.sleep(2)
        vmm.process.send_signal(signal.SIGTERM)
        self.assertEqual(vmm.wait(), 0)
        gdb = self.gdb(self.closing(Vmm(VMM, "-icount", f"shift=0,rr=replay,rrfile={path}")), None)
        gdb(f"source {MACROS}")
        gdb("monitor catch irq 8")
        for _ in range(3):
            self.assertIn("caught interrupt 0x08", gdb("continue"))
            after = self.icount(gdb("monitor when"))
            gdb("monitor seek -1")
            place = [gdb.value(r) for r in ("$eip", "$cs", "$esp")]
            linear = gdb.value("$cs_base") + place[0]
            gdb("monitor seek +1")
            gdb("monitor delete all")
            # Where it returns to, by a breakpoint.
            gdb(f"monitor break {linear}")
            gdb("continue")
            back = self.icount(gdb("monitor when"))
            self.assertEqual([gdb.value(r) for r in ("$eip", "$cs", "$esp")], place)
            gdb("monitor delete all")
            # A step into it, and one that leaves it out.
            gdb(f"monitor seek {after - 1}")
            gdb("stepi")
            self.assertEqual(self.icount(gdb("monitor when")), after)
            gdb("reverse-stepi")
            self.assertEqual(self.icount(gdb("monitor when")), after - 1)
            gdb("monitor step-irq off")
            gdb("stepi")
            self.assertEqual(self.icount(gdb("monitor when")), back + 1)
            gdb("reverse-stepi")
            self.assertEqual(self.icount(gdb("monitor when")), after - 1)
            gdb("monitor step-irq on")
            gdb(f"monitor seek {back}")
            gdb("monitor catch irq 8")

    def test_memory_and_registers_are_printed(self):
        _, gdb = self.at_main()
        self.assertIn("EIP=000f", gdb("monitor info registers"))
        self.assertRegex(gdb("monitor x/2i $eip"), r"(?i)^0x000f\w+: +dbe3 +fninit\n0x000f\w+: +d9e8 +fld1")
        self.assertEqual(gdb("monitor xp/1xw 0xfffffff0"), "fffffff0: 0x000000ea")


class Backwards(Debugged):
    def walk(self, gdb):
        gdb("break *main")
        gdb("continue")
        gdb("delete")
        seen = []
        for _ in range(20):
            seen.append(gdb.value("$eip"))
            gdb("stepi")
        for eip in reversed(seen):
            gdb("reverse-stepi")
            self.assertEqual(gdb.value("$eip"), eip)

    def test_steps_go_back_in_a_replay(self):
        _, gdb = self.replay(self.recording())
        self.walk(gdb)

    def test_steps_go_back_in_a_live_run(self):
        self.walk(self.gdb(self.vmm()))

    def test_both_ends_of_the_past_are_named(self):
        _, gdb = self.replay(self.recording())
        self.assertIn("No more reverse-execution history", gdb("reverse-stepi"))
        self.assertIn("No more reverse-execution history", gdb("reverse-continue"))
        self.assertIn("No more reverse-execution history", gdb("continue"))
        self.assertIn("No more reverse-execution history", gdb("continue"))
        self.assertIn("No more reverse-execution history", gdb("reverse-continue"))
        self.assertEqual(gdb.value("$eip"), 0xfff0)

    def test_a_watch_backwards_finds_who_wrote(self):
        _, gdb = self.replay(self.recording())
        gdb("continue")
        last = gdb.value(f"*(int*){RARELY}")
        self.assertGreater(last, 0)
        gdb(f"watch *(int*){RARELY}")
        text = gdb("reverse-continue")
        self.assertRegex(text, rf"(?s)Old value = {last}\nNew value = {last - 1}\n")
        # Before the write: the instruction is what comes next.
        self.assertIn("incl", gdb("x/i $eip"))

    def test_breakpoints_backwards(self):
        _, gdb = self.replay(self.recording())
        gdb("continue")
        count = gdb.value(f"*(int*){COUNTER}")
        gdb("break *change")
        for back in range(3):
            self.assertIn("Breakpoint 1, ", gdb("reverse-continue"))
            self.assertIn(gdb.value(f"*(int*){COUNTER}"), (count - back, count - back - 1))

    def test_ctrl_c_ends_a_long_search_backwards(self):
        _, gdb = self.replay(self.recording())
        gdb("monitor seek end")
        gdb("maintenance flush register-cache")
        gdb("watch *(int*)0x80000")
        gdb.start("reverse-continue")
        time.sleep(0.05)
        gdb.interrupt()
        self.assertRegex(gdb.finish(), "SIGINT|No more reverse-execution history")


class Differing(Debugged):
    """gdb wrote a word at icount 20000000 while a run was recorded; a copy of the recording tells of another word. The guest has it in EDX
    most of the time, and nowhere else but where it was written. Devices and registers are compared every 2^24 steps."""
    WROTE, END, EQUAL, SHOWS = 20_000_000, 40_000_000, 1 << 24, 2 << 24
    WORD, OTHER = 0x11223344, 0x11223345

    def recorded(self, *arguments):
        """The recording, and its copy."""
        path, other = self.directory / "run.rr", self.directory / "other.rr"
        vmm, gdb = self.at_main("--rr", "record", "--rrfile", path, *arguments)
        gdb(f"monitor replay_break {self.WROTE}")
        gdb("continue")
        gdb(f"set *(int*){LOOKED_AT} = {self.WORD:#x}")
        gdb(f"monitor replay_break {self.END}")
        gdb("continue")
        gdb("kill")
        self.assertEqual(vmm.wait(), 0)
        self.alter(path, other, struct.pack("<QI", LOOKED_AT, self.WORD), struct.pack("<QI", LOOKED_AT, self.OTHER))
        return path, other

    def alter(self, path, to, before, after):
        """As docs/recording-format.md has it."""
        data = path.read_bytes()
        out, at, found = data[:16], 16, 0
        while at < len(data):
            kind, stored, _, raw, valid = struct.unpack_from("<IIIIQ", data, at)
            payload = data[at + 24:at + 24 + stored]
            at += 24 + stored
            if kind == 2:
                events = zlib.decompress(payload)
                found += events.count(before)
                payload = zlib.compress(events.replace(before, after))
            head, tail = struct.pack("<II", kind, len(payload)), struct.pack("<IQ", raw, valid)
            out += head + struct.pack("<I", zlib.crc32(payload, zlib.crc32(tail, zlib.crc32(head)))) + tail + payload
        self.assertEqual(found, 1)
        to.write_bytes(out)

    def state(self, gdb):
        return gdb("monitor info registers"), gdb("monitor xp/8xw 0x20000")

    def test_gdb_stands_where_the_two_were_still_equal(self):
        path, other = self.recorded()
        _, right = self.replay(path)
        vmm, gdb = self.replay(other)
        gdb(f"source {MACROS}")
        said = gdb("continue")
        self.assertIn(f"differs between icount {self.EQUAL} and {self.SHOWS}: cpu differs", said)
        self.assertIn(f"the machine is at {self.EQUAL} again", said)
        self.assertIn("SIGINT", said)
        self.assertEqual(self.icount(gdb("monitor when")), self.EQUAL)
        self.assertIn("VM status: paused (internal-error)", gdb("monitor info status"))
        # As a replay of the right recording is there; and from there in both directions.
        right(f"monitor seek {self.EQUAL}")
        self.assertEqual(self.state(gdb), self.state(right))
        gdb("reverse-stepi")
        self.assertEqual(self.icount(gdb("monitor when")), self.EQUAL - 1)
        gdb("stepi 2")
        self.assertEqual(self.icount(gdb("monitor when")), self.EQUAL + 1)
        # What comes in between, by itself.
        self.assertRegex(gdb(f"monitor events {self.EQUAL} {self.SHOWS}"), rf"^ *{self.WROTE}  .*$")
        gdb(f"monitor seek {self.WROTE}")
        self.assertEqual(gdb.value(f"*(int*){LOOKED_AT}"), self.OTHER)
        said = gdb("monitor difference", 120)
        self.assertIn(f"the replay differs between icount {self.EQUAL} and {self.SHOWS}", said)
        self.assertIn("it is the recording that tells of another run", said)
        self.assertRegex(said, rf"(?s)the recording's last events up to there:.* {self.WROTE}  ")
        # Knowing that, it stops where it shows.
        said = gdb("continue")
        self.assertIn(f"differs between icount {self.EQUAL} and {self.SHOWS}", said)
        self.assertIn("No more reverse-execution history", said)
        self.assertEqual(self.icount(gdb("monitor when")), self.SHOWS)
        self.assertEqual(gdb.value("$edx"), self.OTHER)
        gdb(f"monitor seek {self.EQUAL}")
        gdb(f"monitor seek {self.SHOWS}")
        self.assertEqual(self.icount(gdb("monitor when")), self.SHOWS)
        gdb("monitor seek start")
        gdb("kill")
        self.assertEqual(vmm.wait(), 3)
        self.assertRegex(vmm.err.text, rf"\nvmm: replay: differs between icount {self.EQUAL} and {self.SHOWS}: cpu differs")

    def test_a_seek_that_meets_it_stands_there_as_well_and_a_checkpoint_names_the_field(self):
        _, other = self.recorded("--rr-checkpoint-every", "10M")
        _, gdb = self.replay(other)
        gdb(f"source {MACROS}")
        said = gdb("monitor seek end")
        # The state at 20000000 is that before the word was written; the one behind it is another one.
        self.assertIn(f"Error: differs between icount {self.WROTE} and 30000000: ", said)
        self.assertEqual(self.icount(gdb("monitor when")), self.WROTE - 1)
        said = gdb("monitor difference", 120)
        self.assertIn(f"cpu.gpr.2 = {self.WORD:#x} != {self.OTHER:#x}", said)       # EDX
        self.assertRegex(said, r"memory page 0x20 offset 0x4: (0x)?44 != (0x)?45")

    def test_with_nobody_there_a_debugger_can_come(self):
        _, other = self.recorded()
        vmm = self.closing(Vmm(VMM, "--rr", "replay", "--rrfile", other, paused=False))
        vmm.err.wait_for(rf"the machine is paused: differs between icount {self.EQUAL} and {self.SHOWS}")
        gdb = self.gdb(vmm)
        self.assertEqual(self.icount(gdb("monitor when")), self.EQUAL)
        gdb("kill")
        self.assertEqual(vmm.wait(), 3)

    def test_whoever_is_at_a_monitor_can_look_at_it(self):
        _, other = self.recorded()
        vmm = subprocess.Popen([VMM, "--rr", "replay", "--rrfile", other, "-S", "-monitor", "stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, bufsize=0)
        self.addCleanup(lambda: (vmm.kill(), vmm.wait(), [end.close() for end in (vmm.stdin, vmm.stdout, vmm.stderr)]))
        out, err = Lines(vmm.stdout), Lines(vmm.stderr)
        vmm.stdin.write(b"cont\n")
        err.wait_for("the machine is paused: differs")
        vmm.stdin.write(b"when\n")
        out.wait_for(f"icount {self.EQUAL}, ")
        vmm.stdin.write(b"quit\n")
        self.assertEqual(vmm.wait(WAIT), 3)

    def test_paused_at_its_end_it_stands_before_the_difference(self):
        _, other = self.recorded()
        vmm = subprocess.Popen([VMM, "--rr", "replay", "--rrfile", other, "--rr-end", "pause"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0)
        self.addCleanup(lambda: (vmm.kill(), vmm.wait(), vmm.stderr.close()))
        Lines(vmm.stderr).wait_for(f"the machine is paused: differs .* the machine is at {self.EQUAL} again")
        vmm.send_signal(signal.SIGTERM)
        self.assertEqual(vmm.wait(WAIT), 3)


class Hostile(Debugged):
    def attacked(self, vmm, attack):
        before = vmm.memory_kib()
        attack()
        self.assertIsNone(vmm.process.poll(), "the program is gone")
        self.assertLess(vmm.memory_kib() - before, 120_000)
        # A debugger can still come and work.
        gdb = self.gdb(vmm)
        gdb("stepi")
        self.assertRegex(gdb("info registers eip"), r"eip +0x")

    def test_bytes_of_no_meaning(self):
        vmm = self.vmm()

        def attack():
            for seed in range(60):
                noise = random.Random(seed)
                client = Packets(vmm.remote)
                try:
                    for _ in range(20):
                        client.socket.sendall(noise.choices([noise.randbytes(noise.randrange(2000)), b"$" * noise.randrange(50),
                                                             b"\x03" * noise.randrange(50), b"$a" + b"*~" * 5000 + b"#00"])[0])
                except OSError:
                    pass
                client.close()

        self.attacked(vmm, attack)

    def test_packets_with_wrong_contents(self):
        vmm = self.vmm()
        verbs = [b"g", b"G", b"p", b"P", b"m", b"M", b"X", b"x", b"Z", b"z", b"vCont", b"vCont?", b"H", b"T", b"qSupported", b"qXfer:features:read:",
                 b"qRcmd,", b"Qqemu.PhyMemMode:", b"Qqemu.sstep=", b"qC", b"qThreadExtraInfo,", b"?", b"!", b"s", b"bs", b"vKil", b"Q", b"q", b"_"]
        tails = [b"", b"0", b"ffffffff", b",", b":", b";", b"=", b"ffffffffffffffffff", b"-1", b"target.xml", b"2,", b"4,20000,", b"1,f0000,1", b"0,4", b"00", b"\xff"]

        def attack():
            for seed in range(40):
                noise = random.Random(seed)
                client = Packets(vmm.remote)
                try:
                    for _ in range(100):
                        client.send(noise.choice(verbs) + b"".join(noise.choices(tails, k=noise.randrange(5))))
                        client.socket.sendall(b"\x03+")
                except OSError:
                    pass
                client.close()

        self.attacked(vmm, attack)

    def test_a_client_that_does_not_read(self):
        vmm = self.vmm()

        def attack():
            client = Packets(vmm.remote)
            client.socket.settimeout(3)
            client.send(b"QStartNoAckMode")
            request = b"$m0,1ffc#" + b"%02x" % (sum(b"m0,1ffc") & 255)
            try:
                for _ in range(3000):
                    client.socket.sendall(request)
            except OSError:
                pass
            self.assertIsNone(vmm.process.poll())
            client.close()

        self.attacked(vmm, attack)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[4:]])
