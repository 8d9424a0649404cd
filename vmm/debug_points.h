// SPDX-License-Identifier: Apache-2.0
// DebugPoints: where a debugger wants the machine to stop: break- and watchpoints of any number. They are no part of the
// machine's state, and the guest cannot see them. Machine thread only.
//
// A breakpoint stops at the boundary before its instruction, when that instruction is what comes next (not an interrupt, not
// the next iteration of a REP). A watchpoint stops at the boundary after the step that touched one of its bytes; so does
// whatever else can be caught, after the step in which it happened. Only a triple fault stops before its step, where the run
// can go back, since behind it everything is reset.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "vmm/types.h"

namespace vmm {

enum class PointKind : u8 {
    Execute, Write, Read, Access,
    Interrupt,       // one from outside, or an NMI, is delivered; by vector
    Exception,       // is delivered, INT3 and INTO among them; by vector
    Port,            // IN, OUT, INS, OUTS; by port
    Device,          // an access where a device is rather than memory; by physical address
    Cr3,             // is written, by MOV or by a task switch; by value
    Mode,            // real, protected, virtual-8086: changes
    TripleFault,
};
// From here on `address` and `length` are of what the kind says.
constexpr bool is_event(PointKind kind) { return kind >= PointKind::Interrupt; }
inline constexpr u32 kRealMode = 0, kProtectedMode = 1, kV86Mode = 2;    // Hit::address of Mode

struct Point {
    PointKind kind = PointKind::Execute;
    u32 address = 0;                 // linear; physical if so said (data only)
    u32 length = 1;                  // bytes; data only
    bool physical = false;           // stops for writes of the CPU and of devices (kind Write only)
    std::optional<u32> cr3;          // only while CR3 has this value
    bool any = false;                // of an event: whatever its number
    bool between = false;            // Execute: between the iterations of a REP as well
};

struct Hit {
    u32 id = 0;                      // of the point
    Point point;
    u32 address = 0;                 // of the first watched byte that was touched; Execute: the instruction's; events: the number
};
std::string describe(const Hit& hit);

class DebugPoints {
  public:
    using Id = u32;

    Id add(const Point& point) {
        points_.emplace(++last_, point);
        ++version_;
        return last_;
    }
    void remove(Id id) {
        points_.erase(id);
        ++version_;
    }
    bool empty() const { return points_.empty(); }
    u64 version() const { return version_; }       // changes with every change
    const std::map<Id, Point>& all() const { return points_; }

  private:
    std::map<Id, Point> points_;
    Id last_ = 0;
    u64 version_ = 0;
};

}  // namespace vmm
