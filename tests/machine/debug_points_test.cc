// SPDX-License-Identifier: Apache-2.0
// Break- and watchpoints stop where a machine that is stepped one instruction at a time passes by, and the guest never sees
// them. The oracle is a second machine without any point, looked at after every step.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <set>

#include "tests/machine/lane.h"

namespace vmm::testing {
namespace {

constexpr u64 kSteps = 60'000;

// Where each seed looks: a kernel that unpacks itself, then starts.
Icount from_of(unsigned seed) { return Icount{u64{seed} * 127'182'818}; }

#define NEEDS_GUESTS() \
    if (!std::filesystem::exists(guest_file("vmlinuz-686"))) GTEST_SKIP() << "no guests; tools/guests makes them"

struct Seen {
    Icount at;
    u32 address;
    auto operator<=>(const Seen&) const = default;
};

std::unique_ptr<Machine> busy_machine_at(Icount position) {
    Lane lane(kernel_config("686"), {"oracle"});
    lane.run_to(position);
    auto fresh = Machine::create(kernel_config("686"), {});
    EXPECT_TRUE((*fresh)->load(lane.machine().save()));
    return std::move(*fresh);
}

void step(Machine& m) {
    const Icount next = m.icount() + 1;
    while (m.icount() < next)
        if (m.run(next) == Stop::Idle) m.idle_jump();
}

u32 linear_pc(Machine& m) {
    const CpuState& s = m.translator().state();
    return s.seg[kCs].base + s.eip;
}

// All stops of a machine with points, up to `end`.
std::vector<std::pair<Seen, Point>> stops(Machine& m, const DebugPoints& points, Icount end, u64 slice) {
    std::vector<std::pair<Seen, Point>> out;
    Icount seen = m.icount();
    while (m.icount() < end) {
        m.translator().set_debug_points(&points, seen);
        switch (m.run(std::min(end, m.icount() + slice))) {
            case Stop::DebugPoint:
                seen = m.icount();
                out.push_back({{m.icount(), m.translator().hit()->address}, m.translator().hit()->point});
                break;
            case Stop::Idle: m.idle_jump(); break;
            default: break;
        }
    }
    m.translator().set_debug_points(nullptr, {});
    return out;
}

class DebugPointsAt : public ::testing::TestWithParam<unsigned> {};

TEST_P(DebugPointsAt, breakpoints_stop_where_stepping_passes) {
    NEEDS_GUESTS();
    const Icount from = from_of(GetParam());
    std::mt19937 random(GetParam());
    const auto oracle = busy_machine_at(from);
    std::vector<Seen> path;
    for (u64 i = 0; i < kSteps; ++i) {
        const bool first = (oracle->translator().state().eflags & kRf) == 0;   // not between the iterations of a REP
        const u32 pc = linear_pc(*oracle), length = 15;
        const Icount at = oracle->icount();
        step(*oracle);
        // What follows at once is the instruction; a delivery would have gone elsewhere. Only such instructions are chosen.
        const u32 next = linear_pc(*oracle);
        if (first && at > from && next - pc <= length) path.push_back({at, pc});
    }
    const u64 hash = oracle->state_hash();
    ASSERT_FALSE(path.empty());
    std::set<u32> chosen;
    DebugPoints points;
    for (unsigned i = 0; i < 5; ++i) {
        const u32 address = path[random() % path.size()].address;
        if (chosen.insert(address).second) points.add({PointKind::Execute, address, 1, false, {}});
    }
    std::set<Seen> expected;
    for (const Seen& s : path)
        if (chosen.contains(s.address)) expected.insert(s);

    for (const unsigned blocks : {32u, 1u, 7u}) {
        const auto m = busy_machine_at(from);
        m->translator().set_block_limit(blocks);
        // Code translated before there were points must not run past them.
        if (blocks == 32) {
            const auto image = m->save();
            m->run(from + kSteps / 2);
            ASSERT_TRUE(m->load(image));
        }
        std::set<Seen> found;
        for (const auto& [seen, point] : stops(*m, points, from + kSteps, 997 + random() % 100'000)) found.insert(seen);
        // Branches that went far were left out above, but stop as well.
        for (const Seen& s : expected) EXPECT_TRUE(found.contains(s)) << "no stop at icount " << s.at.v << " address " << s.address;
        for (const Seen& s : found) EXPECT_TRUE(chosen.contains(s.address));
        EXPECT_EQ(m->state_hash(), hash) << "blocks of " << blocks;
    }
}

TEST_P(DebugPointsAt, watchpoints_stop_after_every_change) {
    NEEDS_GUESTS();
    const Icount from = from_of(GetParam());
    std::mt19937 random(GetParam());
    // Which bytes change: found by running ahead once.
    const auto scout = busy_machine_at(from);
    const auto before = std::vector<u8>(scout->memory().base(), scout->memory().base() + scout->memory().ram_size());
    scout->run(from + kSteps);
    std::vector<u32> changed;
    for (u32 i = 0; i < before.size(); ++i)
        if (scout->memory().base()[i] != before[i]) changed.push_back(i);
    ASSERT_FALSE(changed.empty());
    const u32 address = changed[random() % changed.size()] & ~1u;

    const auto oracle = busy_machine_at(from);
    std::vector<Icount> changes;
    u16 value = 0;
    std::memcpy(&value, oracle->memory().base() + address, 2);
    for (u64 i = 0; i < kSteps; ++i) {
        step(*oracle);
        u16 now = 0;
        std::memcpy(&now, oracle->memory().base() + address, 2);
        if (now != value) changes.push_back(oracle->icount());
        value = now;
    }
    ASSERT_FALSE(changes.empty());
    // With paging a byte has several linear addresses: only the physical watch sees them all.
    const bool paging = (oracle->translator().state().cr0 & kCr0Pg) != 0;
    for (const bool physical : {false, true}) {
        if (paging && !physical) continue;
        DebugPoints points;
        points.add({PointKind::Write, address, 2, physical, {}});
        const auto m = busy_machine_at(from);
        std::set<Icount> found;
        for (const auto& [seen, point] : stops(*m, points, from + kSteps, 50'021)) {
            found.insert(seen.at);
            EXPECT_EQ(seen.address & ~1u, address);
        }
        for (const Icount at : changes) EXPECT_TRUE(found.contains(at)) << (physical ? "physical" : "linear") << " watch, icount " << at.v;
        EXPECT_EQ(m->state_hash(), oracle->state_hash());
    }
}

TEST(DebugPointsTest, a_watch_of_another_kind_of_access_does_not_stop) {
    NEEDS_GUESTS();
    const Icount from = from_of(1);
    const auto m = busy_machine_at(from);
    DebugPoints points;
    // The kernel's image is read and unpacked from here: never written.
    points.add({PointKind::Write, 0x200000, 4096, false, {}});
    EXPECT_TRUE(stops(*m, points, from + kSteps, 100'000).empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, DebugPointsAt, ::testing::Range(1u, 5u));

}  // namespace
}  // namespace vmm::testing
