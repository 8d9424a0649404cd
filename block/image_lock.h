// SPDX-License-Identifier: Apache-2.0
// Keeps two programs from one image, in the way of QEMU, so that each of the two sees the other's locks.
//
// Locks of the open file description on single bytes, all of them shared: byte 100 + p says "I use p", byte 200 + p says
// "nobody else may use p"; p is 0 to read consistently, 1 to write, 3 to change the size. After taking its own a program
// looks whether anybody holds one that speaks against it. They vanish with the file descriptor.
// Where the file system has no locks the image is used without. Document: docs/disks.md, "Two programs, one image".
#pragma once

#include <string>

#include "vmm/result.h"

namespace vmm::block {

Result<void> lock_image(int fd, const std::string& path, bool writes);

}  // namespace vmm::block
