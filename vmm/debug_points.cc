// SPDX-License-Identifier: Apache-2.0
#include "vmm/debug_points.h"

#include <cstdio>

namespace vmm {

std::string describe(const Hit& hit) {
    const auto text = [&hit](const char* format) {
        char out[80];
        std::snprintf(out, sizeof out, format, hit.address);
        return std::string(out);
    };
    switch (hit.point.kind) {
        case PointKind::Execute: return text("the instruction at 0x%08x");
        case PointKind::Write: return text("a write to 0x%08x");
        case PointKind::Read: return text("a read of 0x%08x");
        case PointKind::Access: return text("an access to 0x%08x");
        case PointKind::Interrupt: return text("interrupt 0x%02x");
        case PointKind::Exception: return text("exception 0x%02x");
        case PointKind::Port: return text("an access to port 0x%04x");
        case PointKind::Device: return text("an access to the device at physical address 0x%08x");
        case PointKind::Cr3: return text("CR3 becomes 0x%08x");
        case PointKind::Mode:
            return hit.address == kRealMode ? "real mode begins" : hit.address == kProtectedMode ? "protected mode begins" : "virtual-8086 mode begins";
        case PointKind::TripleFault: return "a triple fault";
    }
    return {};
}

}  // namespace vmm
