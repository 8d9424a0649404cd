// SPDX-License-Identifier: Apache-2.0
// state_hashes GUEST EVERY UNTIL: prints "ICOUNT HASH" every EVERY steps up to UNTIL, and at the end of the guest. Two
// builds of the program, whatever their compiler and options, print the same lines.
// GUEST: firmware, or a kernel of the guest cache: 686, 686-pae.
#include <cinttypes>
#include <cstdio>

#include "tests/machine/lane.h"

int main(int argc, char** argv) {
    using namespace vmm;
    if (argc != 4) {
        std::fprintf(stderr, "usage: state_hashes firmware|686|686-pae EVERY UNTIL\n");
        return 2;
    }
    const std::string guest = argv[1];
    const u64 every = std::strtoull(argv[2], nullptr, 0), until = std::strtoull(argv[3], nullptr, 0);
    if (every == 0) {
        std::fprintf(stderr, "state_hashes: EVERY is a number of steps\n");
        return 2;
    }
    testing::Lane lane(guest == "firmware" ? testing::firmware_config() : testing::kernel_config(guest), {"hashes"});
    if (!lane.error().empty()) {
        std::fprintf(stderr, "state_hashes: %s\n", lane.error().c_str());
        return 1;
    }
    while (!lane.ended() && lane.icount().v < until) {
        lane.run_to({std::min(until, lane.icount().v + every)});
        std::printf("%" PRIu64 " %016" PRIx64 "\n", lane.icount().v, lane.machine().state_hash());
        std::fflush(stdout);
    }
    return 0;
}
