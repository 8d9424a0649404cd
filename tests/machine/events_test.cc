// SPDX-License-Identifier: Apache-2.0
// Events of the processor stop exactly where they happen. The oracle is a second machine, stepped, that is looked at after every
// step: which gate EIP stands at, which port the instruction named, what the control registers are.
#include <gtest/gtest.h>

#include <map>

#include "tests/machine/lane.h"
#include "vmm/tcg/mmu.h"
#include "vmm/tcg/translator.h"

namespace vmm::testing {
namespace {

constexpr u64 kSteps = 400'000;

std::vector<u8> saved_at(const MachineConfig& config, Icount position) {
    Lane lane(config, {"oracle"});
    lane.run_to(position);
    return lane.machine().save();
}

std::unique_ptr<Machine> machine_of(const MachineConfig& config, const std::vector<u8>& image) {
    auto made = Machine::create(config, {});
    EXPECT_TRUE((*made)->load(image));
    return std::move(*made);
}

void step(Machine& m) {
    const Icount next = m.icount() + 1;
    while (m.icount() < next)
        if (m.run(next) == Stop::Idle) m.idle_jump();
}

u32 word(Machine& m, u32 linear, unsigned size) {
    u32 value = 0;
    for (unsigned i = 0; i < size; ++i) {
        GuestPhys at{};
        u8 byte = 0;
        if (!m.translator().cpu().mmu().probe(linear + i, at)) return 0;
        m.memory().read_ram(at, {&byte, 1});
        value |= u32{byte} << (8 * i);
    }
    return value;
}

// Where the machine with this point stops, with the number that it says.
std::map<Icount, u32> stops(Machine& m, const Point& point, Icount end) {
    DebugPoints points;
    points.add(point);
    std::map<Icount, u32> out;
    while (m.icount() < end) {
        m.translator().set_debug_points(&points, m.icount());
        switch (m.run(end)) {
            case Stop::DebugPoint: out[m.icount()] = m.translator().hit()->address; break;
            case Stop::Idle: m.idle_jump(); break;
            default: break;
        }
    }
    return out;
}

struct Seen {
    std::map<Icount, u32> irq, exception, port, cr3, mode;
};

Seen watch(Machine& m, Icount end) {
    Seen seen;
    while (m.icount() < end) {
        const CpuState before = m.translator().state();
        const u32 pc = before.seg[kCs].base + before.eip;
        u32 at = pc;
        bool repeated = false;
        u32 op = word(m, at, 1);
        for (; op == 0x66 || op == 0x67 || op == 0xf2 || op == 0xf3; op = word(m, ++at, 1)) repeated |= op >= 0xf2;
        const u32 operand = word(m, at + 1, 1);
        step(m);
        const CpuState& now = m.translator().state();
        if ((before.cr0 & 1) != (now.cr0 & 1)) seen.mode[m.icount()] = now.cr0 & 1;
        if (before.cr3 != now.cr3) seen.cr3[m.icount()] = now.cr3;
        // The kernel's entries are one for each gate, and nothing jumps there.
        bool delivered = false;
        if ((now.cr0 & 1) != 0 && (before.cr0 & 1) != 0 && op != 0xcd && now.eip != before.eip) {
            for (u32 vector = 0; vector < 256 && vector * 8 < now.idtr.limit; ++vector) {
                const u32 low = word(m, now.idtr.base + vector * 8, 4), high = word(m, now.idtr.base + vector * 8 + 4, 4);
                if ((high & 0x8000) == 0 || (high & 0xffff0000) + (low & 0xffff) != now.eip || now.idtr.limit < 0x7ff) continue;
                (vector < 32 ? seen.exception : seen.irq)[m.icount()] = vector;
                delivered = true;
                break;
            }
        }
        if (delivered) continue;
        if (op == 0xe4 || op == 0xe5 || op == 0xe6 || op == 0xe7) seen.port[m.icount()] = operand;
        const bool string = op >= 0x6c && op <= 0x6f && (!repeated || before.gpr[kEcx] != 0);
        if ((op >= 0xec && op <= 0xef) || string) seen.port[m.icount()] = before.gpr[kEdx] & 0xffff;
    }
    return seen;
}

Point any(PointKind kind) { return {kind, 0, 1, false, {}, true}; }

TEST(Events, firmware_changes_modes_and_talks_to_ports) {
    const MachineConfig config = firmware_config();
    const auto image = saved_at(config, Icount{0});
    const Icount end{kSteps};
    const Seen seen = watch(*machine_of(config, image), end);
    ASSERT_FALSE(seen.mode.empty());
    ASSERT_FALSE(seen.port.empty());
    EXPECT_EQ(stops(*machine_of(config, image), any(PointKind::Mode), end), seen.mode);
    EXPECT_EQ(stops(*machine_of(config, image), any(PointKind::Port), end), seen.port);
    // One port only.
    const u32 first = seen.port.begin()->second;
    std::map<Icount, u32> one;
    for (const auto& [at, port] : seen.port)
        if (port == first) one.emplace(at, port);
    EXPECT_EQ(stops(*machine_of(config, image), {PointKind::Port, first, 1, false, {}}, end), one);
}

TEST(Events, stopping_for_them_changes_nothing) {
    const MachineConfig config = firmware_config();
    const auto image = saved_at(config, Icount{0});
    const Icount end{kSteps};
    const auto plain = machine_of(config, image), stopped = machine_of(config, image);
    while (plain->icount() < end)
        if (plain->run(end) == Stop::Idle) plain->idle_jump();
    EXPECT_FALSE(stops(*stopped, any(PointKind::Port), end).empty());
    EXPECT_EQ(stopped->state_hash(), plain->state_hash());
}

}  // namespace
}  // namespace vmm::testing
