// SPDX-License-Identifier: Apache-2.0
// A VGA on its buses, with memory that the processor's accesses go through.
#pragma once

#include <vector>

#include "devices/vga.h"
#include "tests/devices/generic_device_test.h"

namespace vmm {

inline constexpr u32 kVgaRam = 2u << 20, kVgaExtra = Vga::kVramBytes + (1u << 20);
inline constexpr Vga::Hole kVgaHole{0x200, 0x100000 - 0x40};

// Video memory as a device of the bench, so that it is saved, loaded and hashed as a machine does. Only what was written.
class VideoMemory final : public Device {
  public:
    explicit VideoMemory(Memory& memory) : memory_(memory) {}
    std::string_view name() const override { return "video_memory"; }
    void serialize(Archive& ar) override {
        std::vector<u8> pages;                              // number (3 bytes) and content of each page that is not zero
        static constexpr u8 kZero[kPageSize] = {};
        for (u32 p = 0; p < memory_.store_pages(); ++p) {
            if (std::memcmp(memory_.page(p), kZero, kPageSize) == 0) continue;
            for (unsigned i = 0; i < 3; ++i) pages.push_back(static_cast<u8>(p >> 8 * i));
            pages.insert(pages.end(), memory_.page(p), memory_.page(p) + kPageSize);
            if (ar.loading()) std::memset(memory_.page(p), 0, kPageSize);
        }
        ar.field("pages", pages);
        if (!ar.loading()) return;
        for (std::size_t at = 0; at + 3 + kPageSize <= pages.size(); at += 3 + kPageSize) {
            const u32 p = pages[at] | u32{pages[at + 1]} << 8 | u32{pages[at + 2]} << 16;
            if (p < memory_.store_pages()) std::memcpy(memory_.page(p), &pages[at + 3], kPageSize);
        }
    }
    void reset() override {}

  private:
    Memory& memory_;
};

}  // namespace vmm
