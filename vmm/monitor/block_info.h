// SPDX-License-Identifier: Apache-2.0
// What monitors tell of drives and their images. Missing: whether a CD drive's tray is open or locked; statistics, throttling.
// Document: QEMU's QMP reference, query-block.
#pragma once

#include "vmm/config.h"
#include "vmm/machine.h"
#include "vmm/monitor/json_stream.h"

namespace vmm::monitor {

// The drives that the guest sees, with what is in them.
Json blocks(Machine& machine, const std::vector<DriveConfig>& drives);
// The images, each as a node.
Json block_nodes(Machine& machine);
// "ide0-hd0 (#block0): disk.img (raw)" and more.
std::string block_text(Machine& machine, const std::vector<DriveConfig>& drives);

}  // namespace vmm::monitor
