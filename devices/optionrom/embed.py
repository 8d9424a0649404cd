#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns a file into a C++ source with one array. With --option-rom the file is completed as an option ROM first:
padded to 512 bytes, its size, its PnP header's checksum and its own checksum filled in."""
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--option-rom", action="store_true")
parser.add_argument("input")
parser.add_argument("output")
parser.add_argument("name", help="of the std::span<const vmm::u8> that is defined, in namespace vmm")
args = parser.parse_args()

data = bytearray(open(args.input, "rb").read())
if args.option_rom:
    data += bytes(-(len(data) + 1) % 512 + 1)       # at least one byte, for the checksum
    data[2] = len(data) // 512
    pnp = int.from_bytes(data[0x1A:0x1C], "little")
    assert data[:2] == b"\x55\xaa" and data[pnp:pnp + 4] == b"$PnP"
    data[pnp + 9] = -sum(data[pnp:pnp + 16 * data[pnp + 5]]) & 0xFF
    data[-1] = -sum(data) & 0xFF

with open(args.output, "w") as out:
    out.write('// Generated from %s\n#include <span>\n#include "vmm/types.h"\n' % args.input.split("/")[-1])
    out.write("namespace vmm {\nnamespace {\nconstexpr u8 kBytes[] = {\n")
    for i in range(0, len(data), 32):
        out.write(",".join(str(b) for b in data[i:i + 32]) + ",\n")
    out.write("};\n}  // namespace\nextern const std::span<const u8> %s;\nconst std::span<const u8> %s(kBytes);\n"
              "}  // namespace vmm\n" % (args.name, args.name))
