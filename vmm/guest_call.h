// SPDX-License-Identifier: Apache-2.0
// What a guest says about its own recording, by the port vmm-rr or by what becomes of it. None of it is seen by the guest again.
#pragma once

#include "vmm/types.h"

namespace vmm {

// 1 to 4: as written to the port.
enum class GuestCall : u8 { Mark = 1, RecordStart = 2, RecordStop = 3, Panic = 4, TripleFault = 5 };

}  // namespace vmm
