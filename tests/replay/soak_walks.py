#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random walks over a recording of a Debian boot, for `tools/soak walks` and in CI. soak_walks.py VMM WALKS GUESTS [RECORDING]

RECORDING is made if it is not there, and kept: a walk that failed can be walked again. VMM_WALK_SEED, _FIRST and _CASES say which walks."""
import pathlib
import subprocess
import sys
import tempfile

VMM, WALKS, GUESTS = sys.argv[1:4]


def record(path):
    """A boot, a little shell work with a key typed here and there, and the way down."""
    words = ["ls /", "cat /proc/interrupts", "i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; echo $i", "sha1sum /init", "poweroff -f"]
    vm = subprocess.Popen([VMM, "--rr", "record", "--rrfile", path, "-m", "128", "-kernel", f"{GUESTS}/vmlinuz-686", "-initrd", f"{GUESTS}/busybox.cpio.gz",
                           "-append", "console=ttyS0 vmm.run=shell quiet", "-serial", "stdio", "-monitor", "none", "-display", "none", "-net", "none",
                           "-no-reboot"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
    seen = b""
    while b"GUEST shell begin" not in seen:
        piece = vm.stdout.read(4096)
        if not piece:
            sys.exit(f"soak_walks: the guest did not come up: {seen[-500:]!r}")
        seen += piece
    for word in words:
        vm.stdin.write(word.encode() + b"\n")
    vm.stdout.read()
    if vm.wait() != 0:
        sys.exit(f"soak_walks: the recorder ended with status {vm.returncode}")


with tempfile.TemporaryDirectory(prefix="vmm-walks.") as directory:
    path = pathlib.Path(sys.argv[4] if len(sys.argv) > 4 else directory + "/boot.rr")
    if not path.exists():
        made = path.with_suffix(".new")
        record(made)
        made.replace(path)
    sys.exit(subprocess.run([WALKS, path]).returncode)
