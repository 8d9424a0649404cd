// SPDX-License-Identifier: Apache-2.0
// Faults of every category, as a user meets them: the program replays, and verifies, a recording that tells of another run; it says
// where they part and in what, and ends with status 3. Document: docs/divergence.md.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>

#include "tests/replay/witness.h"

namespace vmm::replay {
namespace {

using vmm::testing::busy_config;
using vmm::testing::record_run;
using vmm::testing::Temp;

constexpr u64 kSteps = 20'000'000, kFaultAt = 17'500'000, kCheckpoints = 3'000'000;

struct Said {
    int status;
    std::string text;
};

Said program(const std::string& arguments) {
    FILE* pipe = popen((std::string(VMM_PROGRAM) + " " + arguments + " 2>&1 </dev/null").c_str(), "r");
    std::string text;
    char buffer[4096];
    for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
    const int status = pclose(pipe);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text};
}

void expect_told(const std::string& recording, const std::vector<std::string>& what) {
    for (const std::string& command : {"rr verify " + recording, "--rr replay --rrfile " + recording + " -display none -serial none -monitor none"}) {
        const Said said = program(command);
        EXPECT_EQ(said.status, 3) << command << "\n" << said.text;
        for (const std::string& part : what) EXPECT_NE(said.text.find(part), std::string::npos) << command << "\nlacks: " << part << "\n" << said.text;
    }
}

// A recorded run of kept.S in which something happened to the machine, once.
void record_disturbed(const std::string& to, const std::function<void(Machine&)>& disturb) {
    bool done = false;
    unsigned n = 0;
    record_run(busy_config(KEPT_ROM), [&](Machine& machine, Control& control) {
        if (++n % 8 == 0) machine.inbox().post({InputKind::Serial, 0, "x"});
        if (machine.icount().v > kFaultAt && !std::exchange(done, true) && disturb) disturb(machine);
        if (machine.icount().v > kSteps) control.quit();
    }, to, kCheckpoints);
}

void change_section(Machine& machine, const std::string& name, const std::string& field) {
    DumpArchive before;
    machine.serialize(before);
    SectionArchive ar;
    machine.serialize(ar);
    const auto sections = ar.sections();
    const auto state = ar.take();
    const auto section = std::find_if(sections.begin(), sections.end(), [&](const auto& s) { return s.name == name; });
    const std::size_t end = section + 1 == sections.end() ? state.size() : (section + 1)->begin;
    for (std::size_t at = section->begin; at < end; ++at) {
        auto bad = state;
        bad[at] ^= 1;
        if (!machine.load_state(bad)) continue;
        DumpArchive now;
        machine.serialize(now);
        const auto lines = diff_dumps(before, now);
        if (lines.size() == 1 && lines[0].starts_with(field + " = ")) return;
    }
    FAIL() << "no byte of " << name << " is " << field;
}

TEST(PlantedProgram, a_field_of_a_device) {
    const Temp file;
    record_disturbed(file.path, [](Machine& m) { change_section(m, "serial0", "serial0.scr"); });
    expect_told(file.path, {"differs between icount 1", "the recording has a checkpoint, recorded != replayed", "serial0.scr = 0x01 != 0x00"});
}

TEST(PlantedProgram, a_register) {
    const Temp file;
    record_disturbed(file.path, [](Machine& m) { change_section(m, "cpu", "cpu.xmm.7.lo"); });
    expect_told(file.path, {"differs between icount 1", "cpu.xmm.7.lo = 0x0000000000000001 != 0x0000000000000000"});
}

TEST(PlantedProgram, a_bit_of_ram) {
    const Temp file;
    record_disturbed(file.path, [](Machine& m) {
        const u8 bit = 4;
        m.memory().write(GuestPhys{0x5a0'1234}, std::span(&bit, 1));
    });
    expect_told(file.path, {"differs between icount 1", "memory page 0x5a01 offset 0x234: 0x04 != 0x00"});
}

TEST(PlantedProgram, events_dropped_moved_and_altered) {
    const Temp file;
    record_disturbed(file.path, {});
    const auto r = read_recording(file.path);
    ASSERT_TRUE(r);
    const auto last = std::find_if(r->events.rbegin(), r->events.rend(), [&](const Event& e) { return e.at.v + 2'000'000 < r->end->at.v; });
    ASSERT_NE(last, r->events.rend());
    const auto n = r->events.rend() - last - 1;
    Recording dropped = *r, moved = *r, altered = *r;
    dropped.events.erase(dropped.events.begin() + n);
    moved.events[static_cast<std::size_t>(n)].at += 100'000;
    altered.events[static_cast<std::size_t>(n)].input.data[0] ^= 1;
    std::stable_sort(moved.events.begin(), moved.events.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
    EXPECT_EQ(program("rr verify " + file.path).status, 0);
    for (const Recording* bad : {&dropped, &moved, &altered}) {
        const Temp changed;
        vmm::testing::write_recording(changed.path, *bad);
        expect_told(changed.path, {"differs between icount", "it is the recording that tells of another run", "the recording's last events up to there"});
    }
}

TEST(PlantedProgram, a_block_of_an_image) {
    const Temp file;
    const vmm::testing::WitnessDisk disk;
    vmm::testing::record_witness(vmm::testing::witness_config(disk.path), 2'000'000, false, file.path);
    std::fstream image(disk.path, std::ios::binary | std::ios::in | std::ios::out);
    image.seekp((disk.kFirst + 2) * 512 + 100);      // of the second sector that the guest reads; it does not look at this byte
    image << 'x' << std::flush;
    expect_told(file.path, {disk.path + " has other bytes in sectors 65538 to 65538 than were read there when it was recorded"});
}

}  // namespace
}  // namespace vmm::replay
