// SPDX-License-Identifier: Apache-2.0
#include "block/host_io.h"

namespace vmm::block {

Result<std::unique_ptr<HostIo>> HostIo::create(Aio aio) {
    if (aio == Aio::Threads) return make_thread_io();
    auto ring = make_uring_io();
    if (!ring && aio == Aio::Auto) return make_thread_io();
    return ring;
}

}  // namespace vmm::block
