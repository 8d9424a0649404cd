// SPDX-License-Identifier: Apache-2.0
// MemoryDump: the guest's memory and registers as an ELF core file, which gdb, readelf and crash read.
//
// In the file: RAM, video RAM and ROMs where the processor sees them, each once; device registers are left out. Its segments
// name physical addresses (linear equal to physical), or, with `paging`, the linear addresses of the page tables in use, each
// pointing into the same memory. Notes: registers as Linux' core files have them, and as QEMU's dumps have them ("QEMU").
// Always 32-bit ELF. Missing: kdump's formats; x87 and SSE registers.
// Documents: System V ABI, "Object files", with its i386 supplement; docs/monitor.md.
#pragma once

#include <functional>

#include "vmm/machine.h"

namespace vmm::monitor {

struct DumpWish {
    bool paging = false;
    std::optional<std::pair<u64, u64>> range;            // physical: from, how many bytes
};

class MemoryDump {
  public:
    MemoryDump(Machine& machine, const DumpWish& wish);

    u64 bytes() const { return bytes_; }                 // of memory; 0: nothing is there
    // `progress`: so many bytes of memory are written.
    Result<void> write(int fd, const std::function<void(u64)>& progress) const;

  private:
    struct Segment {                                     // of physical memory, in the file
        u64 physical = 0, bytes = 0, offset = 0;         // offset: behind the file's head
    };
    struct Window {                                      // a program header
        u32 linear = 0, physical = 0;
        u64 bytes = 0, offset = 0;
    };
    void find_memory(const DumpWish& wish);
    void find_windows(bool paging);
    void add_window(u32 linear, u64 physical, u64 bytes);
    std::string head() const;
    std::string notes() const;

    Machine& machine_;
    std::vector<Segment> segments_;                      // upwards
    std::vector<Window> windows_;
    u64 bytes_ = 0;
};

}  // namespace vmm::monitor
