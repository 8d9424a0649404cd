// SPDX-License-Identifier: Apache-2.0
// What one step is, by two witnesses: the host's processor, which stops after each instruction and each iteration of a REP
// when it is single-stepped, and QEMU's -icount, where one instruction is one ns of guest time. Document: "Time is one integer" of the design.
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <sstream>

#include "tests/machine/lane.h"

namespace vmm::testing {
namespace {

MachineConfig rom_config(const std::string& rom) {
    MachineConfig config = firmware_config();
    config.bios = rom;
    config.debug_exit = true;
    return config;
}

// Steps of count_work on this host, or what went wrong.
struct NativeCount {
    u64 steps = 0;
    u32 bytes = 0;
    std::string error;
};

NativeCount count_on_host() {
    const pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        execl(COUNT_NATIVE, COUNT_NATIVE, nullptr);
        _exit(127);
    }
    int status = 0;
    auto stopped_at_trap = [&] { return waitpid(child, &status, 0) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP; };
    auto give_up = [&](const char* why) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return NativeCount{0, 0, why};
    };
    if (!stopped_at_trap()) return give_up("the native program did not start");
    ptrace(PTRACE_CONT, child, nullptr, nullptr);
    if (!stopped_at_trap()) return give_up("the native program did not reach its mark");
    user_regs_struct regs{};
    ptrace(PTRACE_GETREGS, child, nullptr, &regs);
    const u64 begin = regs.rax, end = regs.rbx;
    if (regs.rip != begin) return give_up("the mark is not where the work begins");
    NativeCount count{0, static_cast<u32>(end - begin), ""};
    while (regs.rip != end) {
        ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr);
        if (!stopped_at_trap()) return give_up("the native program faulted");
        ptrace(PTRACE_GETREGS, child, nullptr, &regs);
        ++count.steps;
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return count;
}

constexpr u32 kWork = 0x100000;   // where count_guest.S copies it

u32 eip(Lane& lane) { return lane.machine().translator().state().eip; }

TEST(StepCount, a_step_is_what_the_host_processor_single_steps) {
    const NativeCount host = count_on_host();
    ASSERT_EQ(host.error, "");
    ASSERT_GT(host.steps, 20'000u);
    Lane lane(rom_config(COUNT_GUEST), {"steps", 32, false, 1});
    ASSERT_EQ(lane.error(), "");
    while (eip(lane) != kWork && lane.icount().v < 200'000) lane.run_to(lane.icount() + 1);
    const Icount begin = lane.icount();
    while (eip(lane) != kWork + host.bytes && lane.icount() < begin + 2 * host.steps) lane.run_to(lane.icount() + 1);
    EXPECT_EQ(lane.icount() - begin, host.steps);

    // And at one go.
    Lane blocks(rom_config(COUNT_GUEST), {"blocks"});
    blocks.run_to(begin);
    EXPECT_EQ(eip(blocks), kWork);
    blocks.run_to(begin + (host.steps - 1));
    EXPECT_NE(eip(blocks), kWork + host.bytes);
    blocks.run_to(begin + host.steps);
    EXPECT_EQ(eip(blocks), kWork + host.bytes);
}

// "NAME HEX" lines.
std::map<std::string, u64> read_counts(const std::string& text) {
    std::map<std::string, u64> counts;
    std::istringstream in(text);
    std::string name, hex;
    while (in >> name >> hex) counts[name] = std::strtoull(hex.c_str(), nullptr, 16);
    return counts;
}

std::string output_of(const std::string& command) {
    std::string out;
    FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return out;
    char buffer[256];
    while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) out += buffer;
    pclose(pipe);
    return out;
}

TEST(StepCount, guest_time_between_two_rdtsc_is_as_under_qemus_icount) {
    Lane lane(rom_config(COUNT_TSC), {"tsc"});
    ASSERT_EQ(lane.error(), "");
    lane.run_to({50'000'000});
    ASSERT_TRUE(lane.ended()) << lane.serial();
    const auto ours = read_counts(lane.serial());
    ASSERT_GT(ours.size(), 15u) << lane.serial();

    const std::string said = output_of("timeout 60 qemu-system-i386 -accel tcg -icount shift=0,sleep=off -m 16 -nodefaults -display none "
                                       "-serial stdio -device isa-debug-exit,iobase=0x501,iosize=2 -bios " COUNT_TSC " 2>&1");
    if (said.find("not found") != std::string::npos || said.empty()) GTEST_SKIP() << "no qemu-system-i386 here: " << said;
    auto qemu = read_counts(said);
    ASSERT_EQ(qemu.size(), ours.size()) << said;

    // Where QEMU (7.2) counts in another way:
    // A REP that ends by its count costs it one more: with -icount it comes back to the instruction to see that ECX is 0. The host's
    //   processor (test above) makes no such stop.
    for (const char* name : {"repmovs1", "repmovs1000", "repstos9000", "repescas_all"}) qemu[name] -= 1;
    EXPECT_EQ(ours, qemu);
}

}  // namespace
}  // namespace vmm::testing
