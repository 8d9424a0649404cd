// SPDX-License-Identifier: Apache-2.0
// Compressed clusters of qcow2: raw deflate streams, or zstd frames. Whatever the bytes, no more than one cluster comes out.
#pragma once

#include <span>
#include <vector>

#include "block/qcow2_header.h"

namespace vmm::block {

// False: not a whole cluster. What follows the compressed bytes in `in` is ignored.
bool decompress_cluster(Compression how, std::span<const u8> in, std::span<u8> cluster);
// Empty: it would not become smaller.
std::vector<u8> compress_cluster(Compression how, std::span<const u8> cluster);

}  // namespace vmm::block
