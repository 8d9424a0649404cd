#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""-display curses on a real terminal emulator (tmux): what the guest's screen shows is there, and what is typed reaches the guest.

Usage: curses_test.py VMM GUESTS MODES_GUEST
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

VMM, GUESTS, MODES = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]


class Terminal:
    """A terminal of the given size that runs one command."""

    def __init__(self, command, columns=100, lines=30):
        self.directory = tempfile.TemporaryDirectory()
        self.socket = os.path.join(self.directory.name, "tmux")
        self.status = os.path.join(self.directory.name, "status")
        script = f"LC_ALL=C.UTF-8 {command}; echo $? > {self.status}; sleep 1000"
        environment = {k: v for k, v in os.environ.items() if k != "TMUX"}
        subprocess.run(["tmux", "-u", "-f", "/dev/null", "-S", self.socket, "new-session", "-d", "-x", str(columns), "-y", str(lines), script],
                       check=True, env=environment)

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-u", "-S", self.socket, *arguments], check=True, capture_output=True, text=True).stdout

    def screen(self, *arguments):
        return self.tmux("capture-pane", "-p", *arguments)

    def type(self, *keys):
        self.tmux("send-keys", *keys)

    def wait(self, text, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if text in self.screen():
                return
            time.sleep(0.1)
        raise AssertionError(f"{text!r} did not appear:\n{self.screen()}")

    def exit_status(self, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if os.path.exists(self.status) and (text := pathlib.Path(self.status).read_text().strip()):
                return int(text)
            time.sleep(0.1)
        raise AssertionError("the program does not end:\n" + self.screen())

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False)
        self.directory.cleanup()


class Curses(unittest.TestCase):
    def terminal(self, command, **size):
        terminal = Terminal(command, **size)
        self.addCleanup(terminal.close)
        return terminal

    def test_firmware_is_on_the_screen_and_ctrl_a_x_leaves(self):
        t = self.terminal(f"{VMM} -display curses -m 32")
        t.wait("No bootable device")
        self.assertIn("SeaBIOS (version", t.screen())
        t.type("C-a", "h")
        t.wait("Ctrl-A: x quit")
        t.type("C-a", "x")
        self.assertEqual(t.exit_status(), 0)
        self.assertNotIn("bootable", t.screen())           # the terminal is as it was

    def test_every_character_of_the_code_page_and_its_colours(self):
        t = self.terminal(f"{VMM} -display curses -m 32 -kernel {MODES} -append 0003")
        t.wait("≡")
        # What the guest writes at B8000h + i: tests/display/modes.S, fill, in mode 3.
        byte = lambda i: (((i + 7 * (i >> 8)) ^ (i >> 6)) + 3) & 255
        low = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
        expected = ["".join(low[c] if c < 32 else "⌂" if c == 127 else bytes([c]).decode("cp437")
                            for c in (byte(160 * row + 2 * column) for column in range(80))) for row in range(25)]
        shown = lambda row: t.screen("-N").split("\n")[row][:80].ljust(80).replace("\xa0", " ")
        expected = [line.replace("\xa0", " ") for line in expected]
        end = time.monotonic() + 20
        while shown(24) != expected[24] and time.monotonic() < end:
            time.sleep(0.1)                                # the guest is not done yet
        for row in range(25):
            self.assertEqual(shown(row), expected[row], row)

    def test_a_small_terminal_shows_the_part_with_the_cursor(self):
        t = self.terminal(f"{VMM} -display curses -m 32", columns=40, lines=5)
        t.wait("No bootable device")

    def test_keys_reach_a_shell(self):
        t = self.terminal(f"{VMM} -display curses -m 128 -no-reboot -kernel {GUESTS}/vmlinuz-686 -initrd {GUESTS}/busybox.cpio.gz "
                          "-append 'console=tty0 quiet'")
        t.wait("#", 120)
        t.type("echo Hello{1,2}_$((6*7)) | tr a-z A-Z", "Enter")
        t.wait("HELLO{1,2}_42")
        t.type("Up", "Home", "echo ", "End", "BSpace", "x", "Enter")
        t.wait("ECHO HELLO{1,2}_42")
        t.type("poweroff -f", "Enter")
        self.assertEqual(t.exit_status(60), 0)

    def test_what_was_typed_is_recorded_and_replayed(self):
        with tempfile.TemporaryDirectory() as directory:
            file = os.path.join(directory, "run.rr")
            t = self.terminal(f"{VMM} -display curses -m 32 --rr record --rrfile {file}")
            t.wait("No bootable device")
            t.type("a", "B", "Up", "C-a", "d")             # the last reboots
            time.sleep(0.5)
            t.wait("No bootable device")
            t.type("C-a", "x")
            self.assertEqual(t.exit_status(), 0)
            dump = subprocess.run([VMM, "rr", "dump", file], capture_output=True, text=True, check=True).stdout
            for chord in ("a for", "shift-b for", "up for", "ctrl-alt-delete for"):
                self.assertIn(chord, dump)
            done = subprocess.run([VMM, "--rr", "replay", "--rrfile", file, "-display", "none"], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("identical", done.stderr)
            again = self.terminal(f"{VMM} --rr replay --rrfile {file}")    # as recorded: on the terminal
            self.assertEqual(again.exit_status(60), 0)
            self.assertIn("identical", again.screen())

    def test_without_a_terminal(self):
        done = subprocess.run([VMM, "-display", "curses", "-m", "32"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "vmm: -display curses: input and output are no terminal\n")
        done = subprocess.run(["env", "TERM=no-such-terminal", "script", "-qec", f"{VMM} -display curses -m 32", "/dev/null"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
        self.assertIn("the terminal 'no-such-terminal' is not known here", done.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
