// SPDX-License-Identifier: Apache-2.0
// Faults planted into replays and recordings: each is found within 2^27 steps and named: the device, the part of memory, the
// fields with both values where a second execution or a stored state has the other side. Document: docs/divergence.md.
#include <gtest/gtest.h>

#include <algorithm>

#include "replay/explain.h"
#include "replay/stored_state.h"
#include "replay/verify.h"
#include "tests/replay/recorded.h"

namespace vmm::replay {
namespace {

using vmm::testing::busy_config;
using vmm::testing::record;
using vmm::testing::Temp;

constexpr u64 kSteps = 2 * kPartsEvery + 1'000'000;

std::string joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const std::string& line : lines) out += line + "\n";
    return out;
}

bool has(const std::vector<std::string>& parts, const std::string& part) { return std::find(parts.begin(), parts.end(), part) != parts.end(); }

class Divergence : public ::testing::Test {
  protected:
    static void SetUpTestSuite() { recording_ = new Recording(record(11, kSteps, busy_config(KEPT_ROM), false, ~u64{0})); }
    static void TearDownTestSuite() {
        delete recording_;
        recording_ = nullptr;
    }
    static const Recording& recording() { return *recording_; }
    static MachineConfig config() {
        auto c = config_from_text(recording().header.config);
        EXPECT_TRUE(c);
        return *c;
    }
    static std::unique_ptr<Execution> execution(const Recording& r) {
        auto made = Execution::create(r, config());
        EXPECT_TRUE(made) << (made ? "" : made.error().text);
        return std::move(*made);
    }
    static Difference difference(const Recording& r) {
        const auto e = execution(r);
        e->run();
        EXPECT_EQ(e->replayer().outcome(), Replayer::Outcome::Different) << e->replayer().report();
        return e->replayer().difference();
    }
    // The first single serial byte at or behind a position: without a FIFO, more at once are an overrun, of which the last shows.
    static std::size_t serial_event(const Recording& r, u64 from) {
        for (std::size_t i = 0; i < r.events.size(); ++i)
            if (r.events[i].at.v >= from && r.events[i].kind == EventKind::Input && r.events[i].input.kind == InputKind::Serial && r.events[i].input.data.size() == 1) return i;
        ADD_FAILURE() << "no serial input";
        return 0;
    }
    static Recording* recording_;
};

Recording* Divergence::recording_ = nullptr;

// One byte in the middle of each section of the state: the section is named at the next hash.
TEST_F(Divergence, a_field_of_each_device_is_named) {
    const auto run = execution(recording());
    run->run_to(Icount{kPartsEvery - 1});
    const auto mark = run->mark();
    SectionArchive ar;
    run->machine().serialize(ar);
    const auto sections = ar.sections();
    const auto state = ar.take();
    unsigned named = 0;
    for (std::size_t i = 0; i < sections.size(); ++i) {
        const std::size_t begin = sections[i].begin, end = i + 1 < sections.size() ? sections[i + 1].begin : state.size();
        if (begin == end || sections[i].name == "clock") continue;      // a position is what the machine counts, not what it has
        if (sections[i].name == "typist") continue;                     // with nothing to type, any other state of it is refused
        bool found = false;
        // Not every bit survives loading (reserved ones), nor every wrong one the next step: some bit of each device does.
        for (std::size_t at = begin; at < end && !found; at += std::max<std::size_t>(1, (end - begin) / 8)) {
            run->restore(mark);
            auto bad = state;
            bad[at] ^= 1;
            if (!run->machine().load_state(bad)) continue;
            run->run_to(Icount{kPartsEvery + 1});
            if (run->replayer().outcome() != Replayer::Outcome::Different) continue;
            const Difference& d = run->replayer().difference();
            EXPECT_EQ(d.bad.v, kPartsEvery) << sections[i].name;
            found = has(d.parts, sections[i].name);
        }
        EXPECT_TRUE(found) << sections[i].name;
        named += found;
    }
    EXPECT_GT(named, 15u);
}

TEST_F(Divergence, of_one_execution_is_explained_by_a_second) {
    const auto run = execution(recording());
    run->run_to(Icount{5'000'000});
    SectionArchive ar;
    run->machine().serialize(ar);
    auto state = ar.take();
    for (const auto& section : ar.sections())
        if (section.name == "serial0") state[section.begin + 4] ^= 1;   // the scratch register, which nobody reads
    ASSERT_TRUE(run->machine().load_state(state));
    run->run();
    ASSERT_EQ(run->replayer().outcome(), Replayer::Outcome::Different);
    const Difference d = run->replayer().difference();
    EXPECT_EQ(d.bad.v, kPartsEvery);
    const std::string text = joined(explain(recording(), config(), d, &run->machine()).lines);
    EXPECT_NE(text.find("a second execution, from power-on, agrees with the recording"), std::string::npos) << text;
    EXPECT_NE(text.find("serial0."), std::string::npos) << text;
    EXPECT_NE(text.find(" != "), std::string::npos) << text;
}

TEST_F(Divergence, events_dropped_moved_and_altered_are_found) {
    // Near the end: the guest overwrites what it kept of its input after 15 million steps.
    const std::size_t n = serial_event(recording(), 2 * kPartsEvery - 8'000'000);
    Recording dropped = recording(), moved = recording(), altered = recording();
    dropped.events.erase(dropped.events.begin() + static_cast<long>(n));
    for (std::size_t i = n; i < moved.events.size() && moved.events[i].at == recording().events[n].at; ++i) moved.events[i].at += 999;
    std::stable_sort(moved.events.begin(), moved.events.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
    altered.events[n].input.data[0] = static_cast<char>(altered.events[n].input.data[0] ^ 1);
    for (const Recording* r : {&dropped, &moved, &altered}) {
        const auto e = execution(*r);
        e->run();
        ASSERT_EQ(e->replayer().outcome(), Replayer::Outcome::Different) << (r == &dropped ? "dropped" : r == &moved ? "moved" : "altered");
        EXPECT_LE(e->replayer().difference().bad - recording().events[n].at, kHashEvery);
    }
    const Difference d = difference(dropped);
    const std::string text = joined(explain(dropped, config(), d, nullptr).lines);
    EXPECT_NE(text.find("a second execution, from power-on, gives the same"), std::string::npos) << text;
    EXPECT_NE(text.find("gives the same as translated code"), std::string::npos) << text;
    EXPECT_NE(text.find("the recording's last events"), std::string::npos) << text;
}

TEST_F(Divergence, of_a_recording_with_checkpoints_names_the_fields) {
    const Temp from, with;
    std::filesystem::remove(with.path);
    const Recording r = record(11, kSteps, busy_config(KEPT_ROM), false, ~u64{0}, from.path);
    const auto count = add_checkpoints(r, config(), from.path, with.path, kPartsEvery);
    ASSERT_TRUE(count) << count.error().text;
    auto indexed = read_recording(with.path);
    ASSERT_TRUE(indexed);
    ASSERT_EQ(indexed->checkpoints.size(), *count);
    // Behind the first checkpoint and before the second.
    const std::size_t n = serial_event(*indexed, kPartsEvery + 1);
    ASSERT_LT(indexed->events[n].at.v, 2 * kPartsEvery);
    indexed->events.erase(indexed->events.begin() + static_cast<long>(n));
    const Difference d = difference(*indexed);
    const std::string text = joined(explain(*indexed, config(), d, nullptr).lines);
    EXPECT_NE(text.find("a second execution, from icount 16777216, gives the same"), std::string::npos) << text;
    EXPECT_NE(text.find("where the recording has a checkpoint, recorded != replayed:\n  "), std::string::npos) << text;
}

TEST_F(Divergence, between_two_executions_is_narrowed_down_to_the_step) {
    const auto a = execution(recording()), b = execution(recording());
    constexpr Icount kFault{3'456'789};
    constexpr u64 kByte = 0x12345;
    a->run_to({1'000'000});
    b->run_to({1'000'000});
    const auto lines = narrow(*a, *b, {4'000'000}, [&](Machine& m) {
        if (m.icount() < kFault) return;
        const u8 wrong = 0xa5;
        m.memory().write(GuestPhys{kByte}, std::span(&wrong, 1));
    });
    ASSERT_FALSE(lines.empty());
    EXPECT_TRUE(lines[0].starts_with("alike up to icount 3456788, different at 3456789; the next instruction is at cs:eip ")) << lines[0];
    EXPECT_NE(joined(lines).find("memory page 0x12 offset 0x345: 0x00 != 0xa5"), std::string::npos) << joined(lines);
}

TEST(DivergenceOfMemory, a_bit_of_ram_is_named_by_its_part) {
    const MachineConfig config = busy_config(KEPT_ROM);
    const Recording r = record(12, kHashEvery + 100'000, config, false, ~u64{0});
    ASSERT_GT(r.end->at.v, kHashEvery);
    auto run = Execution::create(r, config);
    ASSERT_TRUE(run);
    (*run)->run_to(Icount{kHashEvery - 1000});
    Memory& memory = (*run)->machine().memory();
    constexpr u64 kAddress = 0x5a0'1234;     // nobody uses it
    const u8 bit = static_cast<u8>(memory.load(GuestPhys{kAddress}, 1) ^ 4);
    memory.write(GuestPhys{kAddress}, std::span(&bit, 1));
    (*run)->run();
    const Difference& d = (*run)->replayer().difference();
    EXPECT_EQ(d.bad.v, kHashEvery);
    EXPECT_EQ(d.parts, std::vector<std::string>{"RAM 05a00000-05bfffff"});
    const std::string text = joined(explain(r, config, d, &(*run)->machine()).lines);
    EXPECT_NE(text.find("memory page 0x5a01 offset 0x234: 0x00 != 0x04"), std::string::npos) << text;
}

}  // namespace
}  // namespace vmm::replay
