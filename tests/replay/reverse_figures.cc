// SPDX-License-Identifier: Apache-2.0
// reverse_figures RECORDING [BUDGET-MB [SEED]]: how long going back takes, in milliseconds of the thread's CPU time (a shared
// machine's wall clock says little): single steps back from the end, seeks to anywhere and the first step back after each, and
// a reverse-continue over everything against one replay forward. One "name value" a line; tools/bench reads them.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>

#include "replay/session.h"
#include "replay/timeline.h"
#include "vmm/host_clock.h"

namespace {

using namespace vmm;

double ms(u64 ns) { return static_cast<double>(ns) / 1e6; }

void print(const std::string& name, std::vector<u64> ns) {
    std::sort(ns.begin(), ns.end());
    std::printf("%s_median_ms %.3f\n%s_p99_ms %.3f\n%s_max_ms %.3f\n", name.c_str(), ms(ns[ns.size() / 2]), name.c_str(),
                ms(ns[(ns.size() * 99 - 1) / 100]), name.c_str(), ms(ns.back()));
}

u64 resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    u64 total = 0, resident = 0;
    statm >> total >> resident;
    return resident * 4096;
}

int fail(const std::string& text) {
    std::fprintf(stderr, "reverse_figures: %s\n", text.c_str());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 4) return fail("usage: reverse_figures RECORDING [BUDGET-MB [SEED]]");
    const auto recording = replay::read_recording(argv[1]);
    if (!recording) return fail(recording.error().text);
    const auto config = replay::replay_config(*recording, argv[1], {});
    if (!config) return fail(config.error().text);
    auto machine = Machine::create(*config, {});
    if (!machine) return fail(machine.error().text);
    replay::Replayer replayer(*recording);
    replay::Timeline::Options options;
    if (argc > 2) options.budget = std::strtoull(argv[2], nullptr, 10) << 20;
    replay::Timeline line(**machine, replayer, options);
    std::mt19937_64 random(argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1);
    const Icount end = replayer.end_position();

    auto timed = [](auto what) {
        const u64 before = thread_cpu_ns();
        what();
        return thread_cpu_ns() - before;
    };
    auto seek = [&](Icount at) {
        if (const auto done = line.seek(at); !done) std::exit(fail(done.error().text));
    };
    const u64 forward = timed([&] { seek(end); });
    std::printf("steps %" PRIu64 "\nforward_ms %.3f\ncheckpoints %zu\ncheckpoint_mb %.1f\n", end.v, ms(forward), line.checkpoints(),
                static_cast<double>(line.checkpoint_bytes()) / 1048576.0);
    std::fflush(stdout);

    std::vector<u64> steps;
    for (unsigned i = 0; i < 1000; ++i) steps.push_back(timed([&] { line.back({Direction::Backward, true, {}, {}}, {}); }));
    print("step", steps);

    std::vector<u64> seeks, firsts, walks;
    for (unsigned i = 0; i < 40; ++i) {
        const Icount at{1 + random() % (end.v - 1)};
        seeks.push_back(timed([&] { seek(at); }));
        firsts.push_back(timed([&] { line.back({Direction::Backward, true, {}, {}}, {}); }));
        for (unsigned k = 0; k < 25 && (*machine)->icount().v > 0; ++k)
            walks.push_back(timed([&] { line.back({Direction::Backward, true, {}, {}}, {}); }));
    }
    print("seek", seeks);
    print("first_step", firsts);
    print("walk_step", walks);

    seek(end);
    DebugPoints points;
    points.add({PointKind::Execute, 0xfffffff0, 1, false, {}});        // where the reset vector is not once the machine runs
    const u64 back = timed([&] { line.back({Direction::Backward, false, {}, {}}, points); });
    std::printf("reverse_continue_ms %.3f\nreverse_continue_over_forward %.3f\ncheckpoints_after %zu\nresident_mb %.1f\n", ms(back),
                static_cast<double>(back) / static_cast<double>(forward), line.checkpoints(), static_cast<double>(resident_bytes()) / 1048576.0);
    return 0;
}
