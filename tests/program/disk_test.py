# SPDX-License-Identifier: Apache-2.0
"""Disks in the whole program: images that cannot be used, locks held against and by QEMU's tools, and a Debian kernel whose
root directory is on an image: run, recorded and replayed; what it wrote is read back with the host's own tools.

disk_test.py VMM GUESTS [--slow]: what takes seconds; with --slow: the kernel (suite `slow`).
"""
import hashlib
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "guests"))
import disk_images

VMM, GUESTS = sys.argv[1], pathlib.Path(sys.argv[2])


def run(*arguments, wait=240):
    return subprocess.run([VMM, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, timeout=wait)


def sha(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def read_to(stream, text):
    seen = b""
    while text not in seen:
        seen += (byte := stream.read(1))
        if not byte:
            return False
    return True


class Files(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="vmm-disk-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def image(self, name="disk.img", size=1 << 20):
        path = self.dir / name
        with open(path, "wb") as f:
            f.truncate(size)
        return path


class Images(Files):
    def wait_for_monitor(self, path):
        until = time.monotonic() + 20
        while True:
            with socket.socket(socket.AF_UNIX) as s:
                try:
                    s.settimeout(20)
                    s.connect(str(path))
                    s.sendall(b"info version\n")
                    self.assertIn(b"(", s.recv(100))
                    return
                except OSError:
                    self.assertLess(time.monotonic(), until)
            time.sleep(0.05)

    def refused(self, text, *arguments):
        r = run("-display", "none", "-monitor", "none", *arguments, wait=20)
        self.assertEqual(r.returncode, 1, r.stderr)
        self.assertEqual(r.stderr.decode(), f"vmm: {text}\n")

    def test_files_that_are_no_images_are_refused_by_name(self):
        self.refused("-drive ide0-hd0: cannot open /nowhere.img: No such file or directory", "-hda", "/nowhere.img")
        empty = self.image("empty.img", 0)
        self.refused(f"-drive ide0-hd1: {empty} is empty: a disk image has at least one sector of 512 bytes", "-hdb", empty)
        self.refused(f"-drive ide1-cd0: {self.dir} is a directory, not a disk image", "-cdrom", self.dir)
        vmdk = self.dir / "disk.vmdk"
        subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", vmdk, "1M"], check=True)
        self.refused(f"-drive ide0-hd0: {vmdk} is a vmdk image, which is not available; 'qemu-img convert -O qcow2' makes one that is "
                     "(format=raw takes it as it is)", "-hda", vmdk)
        qcow = self.dir / "disk.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "gone.raw", "-F", "raw", qcow, "1M"], check=True)
        self.refused(f"-drive ide0-hd0: {qcow}: its backing file: cannot open {self.dir}/gone.raw: No such file or directory", "-hda", qcow)

    def test_an_image_without_the_right_to_write_names_the_ways_out(self):
        if os.geteuid() == 0:
            self.skipTest("root may write everything")
        image = self.image()
        image.chmod(0o444)
        self.refused(f"-drive ide0-hd0: cannot open {image} for writing: Permission denied; readonly=on or snapshot=on leaves it as it is", "-hda", image)

    def test_drives_that_contradict_each_other_are_refused(self):
        a, b = self.image("a.img"), self.image("b.img")
        self.refused("-drive: two drives at one place (ide.1, unit 0)", "-hdc", a, "-cdrom", b)
        self.refused("-device: there is no -drive with id=nobody", "-device", "ide-hd,drive=nobody")
        self.refused("-drive: file= is missing", "-drive", "if=ide")

    # QEMU holds an image, then we do.
    def test_locks_are_qemus_locks(self):
        image = self.image()
        qemu = subprocess.Popen(["qemu-system-i386", "-S", "-display", "none", "-monitor", "stdio", "-nodefaults", "-drive", f"file={image},format=raw"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            qemu.stdin.write(b"info status\n")
            qemu.stdin.flush()
            self.assertTrue(read_to(qemu.stdout, b"VM status"))          # it answers when its drives are open
            self.refused(f"-drive ide0-hd0: {image} is in use by another program, and cannot be written as well", "-hda", image)
            self.refused(f"-drive ide0-hd0: {image} is being written by another program, and cannot be read meanwhile",
                         "-drive", f"file={image},snapshot=on")
        finally:
            qemu.communicate(b"quit\n", timeout=20)
        vm = subprocess.Popen([VMM, "-hda", image, "-S", "-display", "none", "-serial", "null", "-monitor", f"unix:{self.dir}/mon,server,nowait"],
                              stdin=subprocess.DEVNULL)
        try:
            self.wait_for_monitor(self.dir / "mon")                     # it answers when its drives are open
            convert = ["qemu-img", "convert", "-f", "raw", "-O", "raw", image, self.dir / "copy.img"]
            other = subprocess.run(convert, capture_output=True, text=True)
            self.assertNotEqual(other.returncode, 0)
            self.assertIn("lock", other.stderr)
        finally:
            vm.terminate()
            vm.wait(20)
        self.assertEqual(subprocess.run(convert, capture_output=True).returncode, 0)

    def test_a_replay_wants_the_image_that_was_recorded(self):
        image, rr = self.image(), self.dir / "r.rr"
        image.write_bytes(b"\xeb\xfe" + bytes(508) + b"\x55\xaa" + bytes(1 << 20))      # jmp to itself
        vm = subprocess.Popen([VMM, "--rr", "record", "--rrfile", rr, "-hda", image, "-display", "none", "-serial", "null", "-monitor", "none"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(3)
        vm.terminate()
        said = vm.communicate(timeout=20)[1]
        self.assertIn(b"the disk images are as they were", said)
        again = run("--rr", "replay", "--rrfile", rr)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn(b"identical up to icount", again.stderr)
        moved = self.dir / "elsewhere"
        moved.mkdir()
        image.rename(moved / "moved.img")
        lost = run("--rr", "replay", "--rrfile", rr)
        self.assertEqual(lost.returncode, 1)
        self.assertRegex(lost.stderr.decode(), r"^vmm: the recorded image:ide0-hd0 is not there: cannot open .*disk.img: No such file or directory.*"
                         r"\(--image ide0-hd0=PATH says where it is\)\n$")
        found = run("--rr", "replay", "--rrfile", rr, "--image", f"ide0-hd0={moved}/moved.img")
        self.assertIn(b"identical up to icount", found.stderr)
        with open(moved / "moved.img", "r+b") as f:
            f.write(b"\x90")
        other = run("--rr", "replay", "--rrfile", rr, "--image", f"ide0-hd0={moved}/moved.img")
        self.assertEqual(other.returncode, 1)
        self.assertIn(b"has another content than when it was recorded", other.stderr)


class Errors(Files):
    """A boot sector that reads or writes the disk's second sector through the BIOS, says Y or N to the serial port and leaves."""

    def boot(self, ah, drive, *options, **popen):
        code = (b"\x31\xc0\x8e\xd8\x8e\xd0\xbc\x00\x7c"              # xor ax, ax; mov ds, ax; mov ss, ax; mov sp, 7c00
                b"\xbe\x40\x7c\xb8\x00" + bytes([ah]) +                # mov si, 7c40; mov ax, ah << 8
                b"\xb2\x80\xcd\x13\xb0Y\x73\x02\xb0N"                 # mov dl, 80; int 13; mov al, 'Y'; jnc 1f; mov al, 'N'; 1:
                b"\xba\xf8\x03\xee\xba\x01\x05\xb0\x03\xee\xf4")      # mov dx, 3f8; out dx, al; mov dx, 501; mov al, 3; out dx, al; hlt
        packet = b"\x10\x00\x01\x00\x00\x7e\x00\x00" + (1).to_bytes(8, "little")       # one sector, 0000:7e00, sector 1
        self.disk = self.image()
        self.disk.write_bytes((code.ljust(0x40, b"\x90") + packet).ljust(510, b"\x00") + b"\x55\xaa" + bytes((1 << 20) - 512))
        vm = subprocess.Popen([VMM, "-drive", f"file={self.disk},format=raw{drive}", "-display", "none", "-monitor", "none", "-serial", "stdio",
                               "-device", "isa-debug-exit", *map(str, options)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **popen)
        self.addCleanup(lambda: (vm.kill(), vm.wait(), vm.stdout.close(), vm.stderr.close()))
        return vm

    def expect(self, answer, vm):
        out, said = vm.communicate(timeout=60)
        self.assertEqual((vm.returncode, out), (7, answer), said)
        return said.decode()

    READ, WRITE = 0x42, 0x43

    def test_errors_are_reported_to_the_guest(self):
        self.assertNotIn("cannot be", self.expect(b"N", self.boot(self.READ, ",fault=read:1")))
        self.assertNotIn("cannot be", self.expect(b"N", self.boot(self.WRITE, ",fault=write:1:eio")))
        self.expect(b"N", self.boot(self.WRITE, ",fault=write:1:enospc,werror=report"))
        self.expect(b"Y", self.boot(self.WRITE, ",fault=write:2"))

    def test_errors_can_be_ignored(self):
        self.expect(b"Y", self.boot(self.WRITE, ",fault=write:1,werror=ignore"))
        self.expect(b"Y", self.boot(self.READ, ",fault=read:1,rerror=ignore"))

    def test_the_machine_pauses_until_there_is_room(self):
        said = self.expect(b"Y", self.boot(self.WRITE, ",fault=write:1:enospc:2"))
        self.assertIn(f"{self.disk} cannot be written: No space left on device", said)
        said = self.expect(b"Y", self.boot(self.READ, ",fault=read:1:eio:1,rerror=stop"))
        self.assertIn(f"{self.disk} cannot be read: Input/output error", said)

    def test_a_host_without_room_pauses_it_until_there_is_some(self):
        vm = self.boot(self.WRITE, "", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (512, resource.RLIM_INFINITY)))
        line = vm.stderr.readline()
        self.assertIn(f"{self.disk} cannot be written: File too large".encode(), line)
        resource.prlimit(vm.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.expect(b"Y", vm)

    def test_a_recorded_error_is_replayed_without_the_fault(self):
        rr = self.dir / "fault.rr"
        self.expect(b"N", self.boot(self.READ, ",fault=read:1", "--rr", "record", "--rrfile", rr))
        again = run("--rr", "replay", "--rrfile", rr)
        self.assertEqual((again.returncode, again.stdout), (0, b"N"), again.stderr)
        self.assertIn(b"identical up to icount", again.stderr)

    def test_an_image_that_became_shorter_is_a_bad_disk(self):
        vm = self.boot(self.READ, "", "-S", "-qmp", f"unix:{self.dir}/qmp,server,nowait")
        with socket.socket(socket.AF_UNIX) as s:
            until = time.monotonic() + 20
            while True:
                try:
                    s.connect(f"{self.dir}/qmp")
                    break
                except OSError:
                    self.assertLess(time.monotonic(), until)
                    time.sleep(0.05)
            s.settimeout(20)
            s.sendall(b'{"execute":"qmp_capabilities"}{"execute":"query-status"}')
            seen = b""
            while b"status" not in seen:
                seen += s.recv(4096)
            with open(self.disk, "r+b") as f:
                f.truncate(512)
            s.sendall(b'{"execute":"cont"}')
            self.expect(b"N", vm)


class Guest(Files):
    """Debian's kernel with its root directory on the first disk; it checks sums, writes, and powers off."""

    @classmethod
    def setUpClass(cls):
        cls.images = pathlib.Path(tempfile.mkdtemp(prefix="vmm-disk-images-"))
        cls.addClassCleanup(shutil.rmtree, cls.images)
        cls.initramfs = disk_images.initramfs(GUESTS, cls.images / "initramfs")
        cls.root = disk_images.root_image(GUESTS, cls.images / "root.img")
        cls.cd = disk_images.data_cd(cls.images / "cd.iso")

    def setUp(self):
        super().setUp()
        self.disk = self.dir / "disk.img"
        shutil.copy(self.root, self.disk)

    def machine(self, drive=""):
        return ["-kernel", GUESTS / "vmlinuz-686", "-initrd", self.initramfs, "-append", "console=ttyS0 quiet vmm.disk=root", "-display", "none",
                "-monitor", "none", "-serial", "stdio", "-no-reboot", "-rtc", "base=2026-11-21T12:00:00", "-icount", "sleep=off",
                "-drive", f"file={self.disk},format=raw{drive}", "-cdrom", self.cd]

    def expect_guest_content(self, out):
        text = out.decode()
        for line in ("DISK root /dev/sda ext4", "DISK random: OK", "DISK removed: OK", "DISK cd random: OK", "DISK end"):
            self.assertIn(line, text)
        written = "".join(f"{i}\n" for i in range(1, 200001)).encode()
        self.assertIn("DISK wrote " + hashlib.sha256(written).hexdigest(), text)
        return written

    def expect_host_sees(self, image, written):
        check = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True)
        self.assertEqual(check.returncode, 0, check.stdout)
        read = lambda name: subprocess.run(["debugfs", "-R", f"cat {name}", image], capture_output=True, check=True).stdout
        self.assertEqual(read("/data/written"), written)
        self.assertEqual(read("/data/direct"), read("/data/random"))
        self.assertEqual(read("/data/many/200"), b"file 200\n")
        self.assertIn(b"", read("/data/removed"))
        listing = subprocess.run(["debugfs", "-R", "ls -p /data", image], capture_output=True, text=True, check=True).stdout
        self.assertNotIn("removed", listing)

    def test_what_the_guest_writes_the_host_reads(self):
        ran = run(*self.machine())
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.expect_host_sees(self.disk, self.expect_guest_content(ran.stdout))

    def test_threads_do_as_io_uring_does(self):
        ran = run(*self.machine(",aio=threads,cache=none"), "--disk-timing", "exact")
        self.expect_host_sees(self.disk, self.expect_guest_content(ran.stdout))
        uring = self.dir / "uring.img"
        self.disk.rename(uring)
        shutil.copy(self.root, self.disk)
        again = run(*self.machine(",aio=io_uring"), "--disk-timing", "exact")
        if b"io_uring" in again.stderr:
            self.skipTest("this host forbids io_uring")
        self.assertEqual(ran.stdout, again.stdout)
        # No outside input: the same bytes on the disk, time stamps and all.
        same = subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", "raw", uring, self.disk], capture_output=True, text=True)
        self.assertEqual(same.returncode, 0, same.stdout)

    def test_a_recording_leaves_the_image_and_replays_with_it(self):
        before, rr = sha(self.disk), self.dir / "disk.rr"
        recorded = run("--rr", "record", "--rrfile", rr, *self.machine())
        self.assertEqual(recorded.returncode, 0, recorded.stderr)
        self.expect_guest_content(recorded.stdout)
        self.assertIn(b"the disk images are as they were; what the guest wrote to them is in the recording", recorded.stderr)
        self.assertEqual(sha(self.disk), before)
        self.assertLess(rr.stat().st_size, 200_000, "data in the recording")
        info = subprocess.run([VMM, "rr", "info", rr], capture_output=True, text=True, check=True).stdout
        self.assertGreater(int(re.search(r"(\d+) disk request", info)[1]), 200)
        replayed = run("--rr", "replay", "--rrfile", rr)
        self.assertEqual(replayed.returncode, 0, replayed.stderr)
        self.assertEqual(replayed.stdout, recorded.stdout)
        self.assertRegex(replayed.stderr, rb"identical up to icount \d+ \(\d+ hashes\)")
        self.assertEqual(sha(self.disk), before)
        # A changed byte of a file that the guest reads, where no sample was taken.
        content = bytearray(self.disk.read_bytes())
        random = subprocess.run(["debugfs", "-R", "bmap /data/random 300", self.disk], capture_output=True, text=True, check=True).stdout
        content[int(random.split()[-1]) * 1024 + 17] ^= 1
        self.disk.write_bytes(content)
        other = run("--rr", "replay", "--rrfile", rr)
        self.assertNotEqual(other.returncode, 0)
        self.assertRegex(other.stderr, rb"differs between icount|another content")

    def chain(self):
        """The disk as a qcow2 image over a compressed one over a raw file; its format for -drive."""
        tool = lambda *words: subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True)
        raw = self.dir / "raw.img"
        self.disk.rename(raw)
        size = raw.stat().st_size
        tool("create", "-f", "qcow2", "-b", "raw.img", "-F", "raw", "-o", "cluster_size=4096", self.dir / "middle.qcow2")
        tool("convert", "-c", "-O", "qcow2", self.dir / "middle.qcow2", self.dir / "packed.qcow2")
        tool("create", "-f", "qcow2", "-b", "packed.qcow2", "-F", "qcow2", "-o", "cluster_size=16k,lazy_refcounts=on", self.dir / "top.qcow2", size)
        self.disk = self.dir / "top.qcow2"
        return [w.replace("format=raw", "format=qcow2") if isinstance(w, str) else w for w in self.machine()]

    def test_a_qcow2_chain_is_the_same_disk_as_the_raw_file(self):
        ran = run(*self.machine(), "--disk-timing", "exact")
        plain = self.dir / "plain.img"
        self.disk.rename(plain)
        shutil.copy(self.root, self.disk)
        machine = self.chain()
        below = sha(self.dir / "packed.qcow2")
        again = run(*machine, "--disk-timing", "exact")
        self.assertEqual(again.stdout, ran.stdout, again.stderr)
        self.assertEqual(sha(self.dir / "packed.qcow2"), below)
        check = subprocess.run(["qemu-img", "check", self.disk], capture_output=True, text=True)
        self.assertEqual(check.returncode, 0, check.stdout)
        same = subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", "qcow2", plain, self.disk], capture_output=True, text=True)
        self.assertEqual(same.returncode, 0, same.stdout)

    def test_a_recording_over_a_qcow2_chain_replays_and_leaves_it(self):
        machine, rr = self.chain(), self.dir / "disk.rr"
        before = {f: sha(self.dir / f) for f in ("top.qcow2", "packed.qcow2")}
        recorded = run("--rr", "record", "--rrfile", rr, *machine)
        self.assertEqual(recorded.returncode, 0, recorded.stderr)
        written = self.expect_guest_content(recorded.stdout)
        replayed = run("--rr", "replay", "--rrfile", rr)
        self.assertEqual((replayed.returncode, replayed.stdout), (0, recorded.stdout), replayed.stderr)
        self.assertRegex(replayed.stderr, rb"identical up to icount \d+ \(\d+ hashes\)")
        self.assertEqual({f: sha(self.dir / f) for f in before}, before)
        out = self.dir / "end.img"
        subprocess.run([VMM, "rr", "disk", rr, "-o", out], check=True, capture_output=True)
        self.expect_host_sees(out, written)

    def test_snapshot_drops_what_was_written(self):
        before = sha(self.disk)
        self.expect_guest_content(run(*self.machine(",snapshot=on")).stdout)
        self.assertEqual(sha(self.disk), before)


if __name__ == "__main__":
    slow = "--slow" in sys.argv
    if slow and not (GUESTS / "vmlinuz-686").exists():
        print(f"no guests in {GUESTS}; tools/guests makes them")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1] + (["Guest"] if slow else ["Images", "Errors"]) + sys.argv[3 + slow:], verbosity=2)
