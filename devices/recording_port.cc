// SPDX-License-Identifier: Apache-2.0
#include "devices/recording_port.h"

#include <utility>

namespace vmm {

RecordingPort::RecordingPort(IoBus& ports, u16 iobase, std::function<void(GuestCall, u32)> call) {
    ports.map("vmm-rr", iobase, kPorts, {[](u32 offset, unsigned) { return offset == 0 ? u32{'v'} : 0u; },
        [call = std::move(call)](u32 offset, unsigned, u32 value) {
            const u32 what = value & 0xff;
            if (call && offset == 0 && what >= static_cast<u32>(GuestCall::Mark) && what <= static_cast<u32>(GuestCall::Panic)) call(GuestCall(what), value >> 8);
        }, 4});
}

}  // namespace vmm
