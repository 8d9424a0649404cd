// SPDX-License-Identifier: Apache-2.0
// What a guest does to reach PCI configuration space through CF8h/CFCh.
#pragma once

#include "devices/pci.h"

namespace vmm {

struct PciConfigPorts {
    IoBus& ports;

    void select(u8 devfn, u8 offset) { ports.write(0xcf8, 4, 0x8000'0000u | u32{devfn} << 8 | (offset & 0xfcu)); }
    u32 read(u8 devfn, u8 offset, unsigned size) {
        select(devfn, offset);
        return ports.read(0xcfc + (offset & 3u), size);
    }
    void write(u8 devfn, u8 offset, unsigned size, u32 value) {
        select(devfn, offset);
        ports.write(0xcfc + (offset & 3u), size, value);
    }
};

}  // namespace vmm
