// SPDX-License-Identifier: Apache-2.0
#include "block/node.h"

#include <cerrno>

namespace vmm::block {

int Node::refused(const Request& r) const {
    if (r.op == Op::Flush) return 0;
    const u64 length = r.op == Op::Write ? r.data.size() : r.length;
    if (r.offset % kSector != 0 || length % kSector != 0 || length > size() || r.offset > size() - length) return EINVAL;
    if (r.op != Op::Read && read_only()) return EROFS;
    return 0;
}

}  // namespace vmm::block
