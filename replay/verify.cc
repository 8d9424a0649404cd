// SPDX-License-Identifier: Apache-2.0
#include "replay/verify.h"

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "replay/explain.h"
#include "replay/rewrite.h"
#include "replay/stored_state.h"

namespace vmm::replay {
namespace {

// One part of a recording: from a checkpoint, or power-on, to the next, or the end.
struct Part {
    std::optional<std::size_t> from, to;
};

struct Found {
    Part part;
    std::unique_ptr<Execution> execution;
};

}  // namespace

Result<Verdict> verify(const Recording& recording, const MachineConfig& config, unsigned jobs) {
    std::vector<Part> parts(1);
    for (std::size_t n = recording.header.begins.v != 0 ? 1 : 0; jobs > 1 && n < recording.checkpoints.size(); ++n) {
        parts.back().to = n;
        parts.push_back({n, std::nullopt});
    }
    std::atomic<std::size_t> next{0}, worst{parts.size()};
    std::atomic<u64> hashes{0};
    std::mutex mutex;
    std::optional<Error> error;
    std::optional<Found> found;              // the earliest part that differs
    const auto work = [&] {
        // A later part is of no interest once an earlier one differs.
        for (std::size_t n; (n = next++) < parts.size() && n < worst;) {
            const Part& part = parts[n];
            auto made = Execution::create(recording, config, part.from);
            if (!made) {
                const std::lock_guard lock(mutex);
                if (!error) error = made.error();
                return;
            }
            Replayer& replayer = (*made)->replayer();
            const u64 before = replayer.compared();
            if (part.to) replayer.set_goal(recording.checkpoints[*part.to].at);
            (*made)->run();
            hashes += replayer.compared() - before;
            if (replayer.outcome() != Replayer::Outcome::Different) continue;
            const std::lock_guard lock(mutex);
            if (n >= worst) continue;
            worst = n;
            found = Found{part, std::move(*made)};
        }
    };
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < std::min<std::size_t>(jobs, parts.size()); ++i) threads.emplace_back(work);
    work();
    for (std::thread& thread : threads) thread.join();
    if (error) return *error;
    if (found) {
        const Replayer& replayer = found->execution->replayer();
        return Verdict{false, replayer.report(), explain(recording, config, replayer.difference(), &found->execution->machine()).lines};
    }
    Verdict verdict{true, "identical up to icount " + std::to_string((recording.end ? recording.end->at : recording.valid_to).v) + " (" + std::to_string(hashes.load()) + " hashes", {}};
    if (parts.size() > 1) verdict.text += ", in " + std::to_string(parts.size()) + " parts";
    verdict.text += ")";
    if (!recording.end) verdict.text += ", where the recording was cut";
    return verdict;
}

Result<std::size_t> add_checkpoints(const Recording& recording, const MachineConfig& config, const std::string& path, const std::string& to, u64 every) {
    const bool late = recording.header.begins.v != 0;
    auto made = Execution::create(recording, config);
    if (!made) return made.error();
    Execution& run = **made;
    // What checkpoints tell the difference from: a machine as it is made.
    auto fresh = late ? Machine::create(config, {}) : Result<std::unique_ptr<Machine>>(std::unique_ptr<Machine>());
    if (!fresh) return fresh.error();
    StateWriter writer(run.machine(), late ? **fresh : run.machine());
    // The state that the recording begins with stays as it is.
    std::set<u64> beginning;
    if (late) {
        beginning.insert(recording.checkpoints[0].state.offset);
        for (const Packed& chunk : recording.checkpoints[0].pages) beginning.insert(chunk.offset);
    }
    auto rewrite = Rewrite::begin(path, recording, to);
    if (!rewrite) return rewrite.error();
    if (auto ok = (*rewrite)->copy([&](const Packed& c) { return !of_checkpoints(ChunkType{c.frame.type}) || beginning.contains(c.offset); }); !ok) return ok.error();
    std::size_t count = 0;
    const Icount end = run.replayer().end_position();
    for (Icount at{(recording.header.begins.v / every + 1) * every}; at < end; at += every) {
        run.run_to(at);
        if (run.position() != at || run.replayer().outcome() != Replayer::Outcome::Running) break;
        writer.take([&](ChunkType type, std::string payload) { (*rewrite)->add(type, payload); });
        ++count;
    }
    run.run();
    if (run.replayer().outcome() == Replayer::Outcome::Different) return Error{path + ": " + run.replayer().report()};
    if (auto done = (*rewrite)->finish(); !done) return done.error();
    return count;
}

}  // namespace vmm::replay
