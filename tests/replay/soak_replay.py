#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boots recorded and replayed under random circumstances, for `tools/soak replay`: typing at random times, random load on the host, some
programs killed at a random moment. A replay has to be identical and to print the same bytes. Argument: the program; VMM_SOAK_SEED, _FIRST and
_CASES say which cases. A recording that fails is kept, and its name printed."""
import os, random, shutil, signal, subprocess, sys, tempfile, threading, time
from pathlib import Path

VMM = sys.argv[1]
ROOT = Path(__file__).resolve().parent.parent.parent
WORDS = ["echo $((6*7))", "ls /", "cat /proc/interrupts", "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; echo $i", "sleep 0.3", "date", "ps",
         "sha1sum /bin/busybox", "dmesg | tail -n 3", "cat /proc/meminfo | head -n 5"]


def load(pace, over):
    """Other work on this host, now and then."""
    while not over.is_set():
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        over.wait(pace.random() * 2)
        busy.kill()
        busy.wait()
        over.wait(pace.random() * 3)


def case(seed, n, guests, directory):
    """None, or what went wrong."""
    pace = random.Random(f"{seed} {n}")
    rr, out = directory / "case.rr", directory / "out"
    over = threading.Event()
    other = threading.Thread(target=load, args=(random.Random(pace.random()), over))
    killed = pace.random() < 0.4
    with open(out, "wb") as sink:
        vm = subprocess.Popen([VMM, "--rr", "record", "--rrfile", rr, "-kernel", guests / "vmlinuz-686", "-initrd", guests / "busybox.cpio.gz",
                               "-append", "console=ttyS0 vmm.run=shell quiet", "-serial", "stdio", "-monitor", "none", "-display", "none"],
                              stdin=subprocess.PIPE, stdout=sink, stderr=subprocess.DEVNULL, bufsize=0)
        other.start()
        try:
            end = time.monotonic() + (pace.random() * 40 if killed else 300)
            began = time.monotonic()
            while time.monotonic() - began < 120 and b"GUEST shell begin" not in out.read_bytes():
                if vm.poll() is not None or (killed and time.monotonic() > end):
                    break
                if pace.random() < 0.2:
                    vm.stdin.write(bytes([pace.randrange(32, 127)]))       # typed ahead, while the kernel starts
                time.sleep(pace.random() * 0.2)
            for line in pace.sample(WORDS, pace.randrange(1, len(WORDS))) + ["", "exit"]:
                for c in line + "\n":
                    if vm.poll() is not None or (killed and time.monotonic() > end):
                        break
                    vm.stdin.write(c.encode())
                    time.sleep(pace.random() ** 3 * 0.08)
            if killed:
                time.sleep(max(0, min(end - time.monotonic(), 5)))
                vm.kill()
            vm.wait(300)
        except BrokenPipeError:
            vm.wait(60)
        except subprocess.TimeoutExpired:
            vm.send_signal(signal.SIGTERM)                                 # the shell hangs on a quote: end it as a user would
            vm.wait(60)
        finally:
            over.set()
            other.join()
            vm.kill()
            vm.wait()
    again = subprocess.run([VMM, "--rr", "replay", "--rrfile", rr, "-serial", "stdio", "-monitor", "none", "-display", "none"], stdin=subprocess.DEVNULL, capture_output=True, timeout=900)
    printed = out.read_bytes()
    if again.returncode != 0 or b"identical up to icount" not in again.stderr:
        return f"status {again.returncode}: {again.stderr.decode(errors='replace')}"
    if again.stdout != printed and not (killed and printed.startswith(again.stdout)):
        return f"other output: {len(printed)} bytes recorded, {len(again.stdout)} replayed"
    print(f"case {n}: {'killed, ' if killed else ''}{rr.stat().st_size} bytes, {again.stderr.decode().strip().splitlines()[-1]}")
    return None


def main():
    guests = Path(subprocess.run([ROOT / "tools" / "guests", "--path"], check=True, capture_output=True, text=True).stdout.split("\n")[0])
    seed, first, cases = (int(os.environ.get(f"VMM_SOAK_{name}", otherwise)) for name, otherwise in (("SEED", 1), ("FIRST", 0), ("CASES", 1)))
    failed = 0
    for n in range(first, first + cases):
        with tempfile.TemporaryDirectory(prefix="vmm-soak.") as directory:
            wrong = case(seed, n, guests, Path(directory))
            if wrong:
                failed += 1
                kept = Path(tempfile.gettempdir()) / f"vmm-soak-{seed}-{n}.rr"
                shutil.copy(Path(directory) / "case.rr", kept)
                print(f"case {n} of seed {seed} FAILED, recording kept as {kept}: {wrong}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
