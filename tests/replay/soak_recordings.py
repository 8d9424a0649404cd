#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Guests recorded and replayed under random circumstances, for `tools/soak recordings`: keys and serial input at random times, random load on
the host, some programs killed at a random moment. A replay has to be identical (every hash, and the state at the end: memory, registers,
devices, screen) and to print the same bytes. A failed case's recording is kept, and its name printed.

    soak_recordings.py VMM [--other VMM] [--guest firmware|kernel|busybox|disk|installer] [--cases N] [--first N] [--seed N] [--longest SECONDS]

Case n has guest n modulo their number, where --guest does not name one. VMM_SOAK_SEED, _FIRST, _CASES, _GUEST, _OTHER and _LONGEST say the same.
--other: another build, in which each recording is replayed as well. `disk` is Debian on its disk (whose image stays as it is), and where it gets as
far as the login, somebody works there; `installer` is Debian's, with an empty disk. Both end, or are killed, at a random moment within --longest
(60 s of host time): a boot to the login takes about 20 s of a quiet host, an hour's run would take as long to replay."""
import argparse, json, os, random, shutil, signal, socket, subprocess, sys, tempfile, threading, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
GUESTS = ["firmware", "kernel", "busybox", "disk", "installer"]
KEYS = ["a", "x", "1", "esc", "ret", "spc", "f12", "up", "shift-a", "ctrl-c", "alt-f1"]
WORDS = ["echo $((6*7))", "ls /", "cat /proc/interrupts", "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; echo $i", "sleep 0.3", "date", "ps",
         "sha1sum /bin/busybox", "dmesg | tail -n 3", "cat /proc/meminfo | head -n 5"]
WORK = ["dd if=/dev/urandom of=noise bs=64k count=40; sync", "sha256sum noise; date", "cp -r /etc copy && rm -r copy; sync", "find /usr -name '*.gz' | wc -l", "df; mount | head -n 3"]
QUIET = ["-monitor", "none", "-display", "none"]


class Over(Exception):
    """The program ended, or its time is up."""


def load(pace, over):
    """Other work on this host, now and then."""
    while not over.is_set():
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        over.wait(pace.random() * 2)
        busy.kill()
        busy.wait()
        over.wait(pace.random() * 3)


class Recorded:
    """A run that is being recorded, with hands on its keyboard and its serial line."""

    def __init__(self, vmm, options, directory, pace, seconds):
        self.rr, self.out, self.errors, self.pace = directory / "case.rr", directory / "out", directory / "errors", pace
        self.until = time.monotonic() + 120                # to start, on a host that has much else to do
        monitor = directory / "qmp"
        self.vm = subprocess.Popen([vmm, "--rr", "record", "--rrfile", self.rr, *options, "-serial", "stdio", *QUIET, "-qmp", f"unix:{monitor},server=on,wait=off"],
                                   stdin=subprocess.PIPE, stdout=open(self.out, "wb"), stderr=open(self.errors, "wb"), bufsize=0)
        self.qmp = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.qmp.connect(str(monitor))
                break
            except OSError:
                self.wait(0.05)
        self.qmp.settimeout(60)
        self.answers = self.qmp.makefile("rb")
        self.answers.readline()                            # the greeting
        self.command("qmp_capabilities")
        self.until = time.monotonic() + seconds

    def wait(self, seconds):
        left = self.until - time.monotonic()
        if self.vm.poll() is not None or left <= 0:
            raise Over
        time.sleep(min(seconds, left))

    def command(self, name, **arguments):
        try:
            self.qmp.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
            while line := self.answers.readline():
                answer = json.loads(line)
                if "error" in answer:
                    raise RuntimeError(f"{name}: {answer['error']}")
                if "return" in answer:
                    return answer["return"]
        except OSError:
            pass
        raise Over

    def key(self):
        self.command("send-key", keys=[{"type": "qcode", "data": code} for code in self.pace.choice(KEYS).split("-")])

    def type(self, text):
        for c in text.encode():
            self.wait(self.pace.random() ** 3 * 0.08)
            try:
                self.vm.stdin.write(bytes([c]))
            except BrokenPipeError:
                raise Over from None
            if self.pace.random() < 0.03:
                self.key()

    def fidget(self):
        """A key or a byte, or neither, and a pause."""
        what = self.pace.random()
        if what < 0.3:
            self.key()
        elif what < 0.5:
            self.type(chr(self.pace.randrange(32, 127)))
        self.wait(self.pace.random() * 0.3)

    def printed(self):
        return self.out.read_bytes()


def firmware(run):
    for _ in range(run.pace.randrange(5, 40)):
        run.fidget()
        if run.pace.random() < 0.05:
            run.command("system_reset")
    run.command("quit")


def kernel(run):
    while True:                                            # until it finds no root file system, and resets
        run.fidget()


def busybox(run):
    while b"GUEST shell begin" not in run.printed():
        run.fidget()
    for line in run.pace.sample(WORDS, run.pace.randrange(1, len(WORDS))):
        run.type(line + "\n")
    run.type("\x03\nexit\n")
    run.wait(10)                                           # it may hang on a quote that was typed ahead
    while True:
        run.wait(0.5)


def disk(run):
    said = 0
    while b"login: " not in run.printed():                 # the end comes by itself: the time that a case has
        if b"kernel without PAE" in run.printed() and not said:
            said = 1
            run.type("\r")
        run.fidget()
    run.type("\nroot\n")
    run.wait(1)
    run.type("vmm\n")
    while True:
        run.type(run.pace.choice(WORK) + "\n")
        run.wait(run.pace.random() * 3)


def installer(run):
    while True:                                            # through its menus: arrows, tab, enter
        run.fidget()
        run.type(run.pace.choice(["\r", "\t", "\x1b[A", "\x1b[B", "\r"]))
        run.wait(run.pace.random() * 2)


def options(guest, guests, directory):
    if guest == "firmware":
        return ["-m", "64"]
    if guest == "disk":
        return ["-m", "256", "-no-reboot", "-drive", f"file={guests}/debian.img,format=raw,snapshot=on"]
    if guest == "installer":
        empty = directory / "empty.img"
        empty.touch()
        os.truncate(empty, 1 << 30)
        return ["-m", "256", "-no-reboot", "-drive", f"file={empty},format=raw,snapshot=on", "-kernel", guests / "installer-linux", "-initrd", guests / "installer-initrd.gz",
                "-append", "console=ttyS0 priority=low"]
    linux = ["-no-reboot", "-kernel", guests / "vmlinuz-686", "-append"]
    if guest == "kernel":
        return [*linux, "console=ttyS0 panic=-1 quiet"]
    return [*linux, "console=ttyS0 vmm.run=shell quiet", "-initrd", guests / "busybox.cpio.gz"]


def replayed(vmm, rr, printed, cut):
    """(what went wrong or None, the program's last words)"""
    again = subprocess.run([vmm, "--rr", "replay", "--rrfile", rr, "-serial", "stdio", *QUIET], stdin=subprocess.DEVNULL, capture_output=True, timeout=1800)
    words = again.stderr.decode(errors="replace").strip()
    if again.returncode != 0 or "identical up to icount" not in words:
        return f"{vmm}, status {again.returncode}: {words}", words
    if again.stdout != printed and not (cut and printed.startswith(again.stdout)):
        return f"{vmm}, other output: {len(printed)} bytes recorded, {len(again.stdout)} replayed", words
    return None, words.splitlines()[-1]


def case(arguments, n, guests, directory):
    """None, or what went wrong."""
    pace = random.Random(f"{arguments.seed} {n}")
    guest = arguments.guest or GUESTS[n % len(GUESTS)]
    if guest == "disk" and not (guests / "debian.img").exists():
        print(f"case {n}: SKIPPED: " + (guests / "debian.skipped").read_text().strip(), flush=True)
        return None
    endless = guest in ("disk", "installer")               # quit at a random moment where they are not killed
    killed = pace.random() < 0.4
    longest = {"firmware": 8, "kernel": 20, "busybox": 40}.get(guest, arguments.longest)
    seconds = 0.5 + pace.random() * longest if killed or endless else 300
    over = threading.Event()
    other = threading.Thread(target=load, args=(random.Random(pace.random()), over))
    other.start()
    run = None
    try:
        run = Recorded(arguments.vmm, options(guest, guests, directory), directory, pace, seconds)
        globals()[guest](run)
    except Over:
        if run is None:
            return "it did not start: " + (directory / "errors").read_text(errors="replace")
        if killed or run.vm.poll() is not None:
            run.vm.kill()
        elif endless:
            run.qmp.sendall(b'{"execute": "quit"}\n')
        else:
            run.vm.terminate()                             # as a user would end what hangs
    finally:
        over.set()
        other.join()
        if run is not None:
            try:
                run.vm.wait(120)
            finally:
                run.vm.kill()
                run.vm.wait()
    killed = run.vm.returncode == -9
    if not killed and run.vm.returncode not in (0, -signal.SIGTERM):       # ours, when it was leaving anyhow
        return f"recording ended with status {run.vm.returncode}: {run.errors.read_text(errors='replace')}"
    printed = run.printed()
    for vmm in [arguments.vmm] + ([arguments.other] if arguments.other else []):
        wrong, words = replayed(vmm, run.rr, printed, killed)
        if wrong:
            return wrong
    print(f"case {n}: {guest}{', killed' if killed else ''}, {run.rr.stat().st_size} bytes, {words}", flush=True)
    return None


def main():
    said = lambda name, otherwise=None: os.environ.get(f"VMM_SOAK_{name}", otherwise)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vmm")
    parser.add_argument("--other", default=said("OTHER"))
    parser.add_argument("--guest", choices=GUESTS, default=said("GUEST"))
    parser.add_argument("--seed", type=int, default=int(said("SEED", 1)))
    parser.add_argument("--first", type=int, default=int(said("FIRST", 0)))
    parser.add_argument("--longest", type=int, default=int(said("LONGEST", 60)))
    parser.add_argument("--cases", type=int, default=int(said("CASES", 1)))
    arguments = parser.parse_args()
    guests = Path(subprocess.run([ROOT / "tools" / "guests", "--path"], check=True, capture_output=True, text=True).stdout.split("\n")[0])
    failed = 0
    for n in range(arguments.first, arguments.first + arguments.cases):
        with tempfile.TemporaryDirectory(prefix="vmm-soak.") as directory:
            wrong = case(arguments, n, guests, Path(directory))
            if wrong:
                failed += 1
                kept = Path(tempfile.gettempdir()) / f"vmm-soak-{arguments.seed}-{n}.rr"
                if (made := Path(directory) / "case.rr").exists():
                    shutil.copy(made, kept)
                print(f"case {n} of seed {arguments.seed} FAILED, recording kept as {kept}: {wrong}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
