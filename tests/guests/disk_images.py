# SPDX-License-Identifier: Apache-2.0
"""Images for tests that run Debian's kernel from a disk: an initramfs with the drivers, an ext4 root, a CD."""
import gzip
import hashlib
import os
import pathlib
import random
import shutil
import subprocess

HERE = pathlib.Path(__file__).parent
MODULES = ("scsi_common scsi_mod libata ata_piix crc64 crc64-rocksoft crct10dif_common crct10dif_generic crc-t10dif "
           "crc64_rocksoft_generic t10-pi sd_mod cdrom sr_mod isofs crc16 mbcache crc32c_generic jbd2 ext4").split()


def cpio(tree):
    names = sorted(str(p.relative_to(tree)) for p in tree.rglob("*"))
    return subprocess.run(["cpio", "--quiet", "-0", "-o", "-H", "newc", "--owner=0:0", "--reproducible"], cwd=tree,
                          input="\0".join(names).encode(), stdout=subprocess.PIPE, check=True).stdout


def initramfs(guests, out, flavour="686"):
    """Busybox, and over it our own /init and the modules."""
    tree = out.parent / (out.name + ".tree")
    (tree / "modules").mkdir(parents=True)
    shutil.copy(HERE / "disk" / "init", tree / "init")
    for name in MODULES:
        found = list((guests / f"modules-{flavour}").rglob(name + ".ko"))
        assert found, f"no module {name}"
        shutil.copy(found[0], tree / "modules")
    (tree / "bin").mkdir()
    subprocess.run(["gcc", "-m32", "-O2", "-ffreestanding", "-fno-stack-protector", "-fno-pic", "-nostdlib", "-static", "-Wl,--build-id=none",
                    HERE / "disk" / "diskio.c", "-o", tree / "bin" / "diskio"], check=True)
    out.write_bytes((guests / "busybox.cpio.gz").read_bytes() + gzip.compress(cpio(tree), 1))
    shutil.rmtree(tree)
    return out


def write_sums(directory, names):
    (directory / "sums").write_text("".join(f"{hashlib.sha256((directory / n).read_bytes()).hexdigest()}  {n}\n" for n in names))


def root_image(guests, out, megabytes=48):
    """An ext4 file system on a whole disk, with busybox and the test's files."""
    tree = out.parent / (out.name + ".tree")
    for name in "bin sbin dev proc sys tmp data cd".split():
        (tree / name).mkdir(parents=True)
    shutil.copy(guests / "busybox", tree / "bin" / "busybox")
    for applet in subprocess.run([guests / "busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            os.symlink("busybox", tree / "bin" / applet)
    shutil.copy(HERE / "disk" / "disk-test", tree / "sbin" / "disk-test")
    noise = random.Random(4)
    (tree / "data" / "random").write_bytes(noise.randbytes(3 << 20))
    (tree / "data" / "removed").write_text("not for long\n")
    write_sums(tree / "data", ["random", "removed"])
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, "-L", "root", out, f"{megabytes}M"], check=True)
    shutil.rmtree(tree)
    return out


def data_cd(out):
    tree = out.parent / (out.name + ".tree")
    tree.mkdir()
    (tree / "random").write_bytes(random.Random(5).randbytes(2 << 20))
    write_sums(tree, ["random"])
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", out, tree], check=True, stderr=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return out
