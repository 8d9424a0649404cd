// SPDX-License-Identifier: Apache-2.0
// A new qcow2 image: header, refcounts, an L1 table with nothing in it.
#pragma once

#include <string>

#include "block/qcow2_header.h"

namespace vmm::block {

// Of the header: version, cluster_bits, size, refcount_order, compatible, compression, backing_file and backing_format; the rest is
// found here. A file that is there is replaced.
Result<void> create_qcow2(const std::string& path, Qcow2Header header);

}  // namespace vmm::block
