// SPDX-License-Identifier: Apache-2.0
// What packets mean, against a machine that runs in its own loop: replies to the byte, as "Debugging with GDB", appendix E, and
// QEMU's answers have them. The guest is debugged.S.
#include "gdbstub/session.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>
#include <thread>

#include "gdbstub/packet.h"
#include "gdbstub/target_xml.h"
#include "vmm/monitor/debug_commands.h"
#include "vmm/register_table.h"
#include "vmm/runner.h"

namespace vmm::gdb {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);

class SessionTest : public ::testing::Test {
  protected:
    void SetUp() override {
        MachineConfig config;
        config.ram_bytes = 4u << 20;
        config.bios = DEBUGGED_ROM;
        config.debug_exit = true;
        auto made = Machine::create(config, {});
        ASSERT_TRUE(made) << made.error().text;
        machine_ = std::move(*made);
        control_ = std::make_unique<Control>(*machine_, RrMode::None, "");
        monitor::add_debug_commands(commands_);
        options_.start_paused = true;
        thread_ = std::thread([this] { status_ = run_machine(*control_, options_, journal_); });
        attach();
    }
    void TearDown() override {
        if (!control_) return;
        control_->post([this] { control_->quit(); });
        if (thread_.joinable()) thread_.join();
    }
    void attach() {
        SessionHost host;
        host.send = [this](std::string payload) {
            const std::lock_guard lock(mutex_);
            replies_.push_back(std::move(payload));
            arrived_.notify_all();
        };
        host.hang_up = [this] { hung_up_ = true; };
        session_ = std::make_shared<Session>(*control_, commands_, std::move(host));
        control_->post([s = session_] { s->attach(); });
    }
    void give(std::string payload) {
        control_->post([s = session_, payload = std::move(payload)] { s->packet(payload); });
    }
    std::string reply() {
        std::unique_lock lock(mutex_);
        if (!arrived_.wait_for(lock, kPatience, [this] { return !replies_.empty(); })) return "(no reply)";
        std::string first = std::move(replies_.front());
        replies_.pop_front();
        return first;
    }
    std::string ask(std::string payload) {
        give(std::move(payload));
        return reply();
    }
    void interrupt() {
        control_->interrupt();
        control_->post([s = session_] { s->interrupt(); });
    }
    // The stepping machine is past the mode switch, at `main`.
    void to_main() {
        while (le(ask("p" + hex_number(number("cr0")))) % 2 == 0 || le(ask("p" + hex_number(number("esp")))) != 0x80000) ask("s");
    }
    static u64 number(std::string_view name) { return static_cast<u64>(find_register(name) - register_table().data()); }
    static u64 le(std::string_view hex) {
        const auto bytes = from_hex(hex).value_or(std::vector<u8>{});
        u64 value = 0;
        for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | bytes[i];
        return value;
    }

    std::unique_ptr<Machine> machine_;
    std::unique_ptr<Control> control_;
    monitor::CommandTable commands_;
    PlainJournal journal_;
    RunnerOptions options_;
    std::thread thread_;
    std::shared_ptr<Session> session_;
    std::atomic<bool> hung_up_{false};
    std::atomic<int> status_{-1};
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<std::string> replies_;
};

TEST_F(SessionTest, what_is_offered_and_what_is_not) {
    const std::string offered = ask("qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+");
    for (const char* part : {"PacketSize=4000;", "QStartNoAckMode+", "qXfer:features:read+", "vContSupported+", "swbreak+", "hwbreak+", "multiprocess-"})
        EXPECT_NE(offered.find(part), std::string::npos) << part;
    EXPECT_EQ(offered.find("Reverse"), std::string::npos);     // this run holds no past
    EXPECT_EQ(ask("bs"), "E." + control_->why_not_back());
    EXPECT_EQ(ask("bc"), "E." + control_->why_not_back());
    EXPECT_EQ(ask("vCont?"), "vCont;c;C;s;S;r");
    EXPECT_EQ(ask("vMustReplyEmpty"), "");
    EXPECT_EQ(ask("qNonsense"), "");
    EXPECT_EQ(ask("vFile:open:00,0,0"), "");
}

TEST_F(SessionTest, one_thread) {
    EXPECT_EQ(ask("?"), "T05thread:01;");
    EXPECT_EQ(ask("qC"), "QC01");
    EXPECT_EQ(ask("qfThreadInfo"), "m01");
    EXPECT_EQ(ask("qsThreadInfo"), "l");
    EXPECT_EQ(ask("Hg0"), "OK");
    EXPECT_EQ(ask("T1"), "OK");
    EXPECT_EQ(ask("qAttached"), "1");
    EXPECT_EQ(ask("qSymbol::"), "OK");
    EXPECT_EQ(ask("!"), "OK");
    EXPECT_EQ(ask("qThreadExtraInfo,1"), to_hex(std::string_view("CPU 0 [running]")));
}

TEST_F(SessionTest, the_description_is_read_in_pieces_and_names_every_register) {
    std::string xml;
    for (std::string piece; piece.empty() || piece[0] == 'm';) {
        piece = ask("qXfer:features:read:target.xml:" + hex_number(xml.size()) + ",1f0");
        ASSERT_TRUE(piece[0] == 'm' || piece[0] == 'l');
        xml += piece.substr(1);
    }
    EXPECT_EQ(xml, target_xml());
    std::size_t digits = 0;
    for (const Register& r : register_table()) {
        EXPECT_NE(xml.find("<reg name=\"" + std::string(r.name) + "\" bitsize=\"" + std::to_string(8 * r.bytes) + "\""), std::string::npos) << r.name;
        digits += 2 * r.bytes;
    }
    EXPECT_EQ(ask("g").size(), digits);
    EXPECT_EQ(ask("qXfer:features:read:other.xml:0,100"), "E00");
    EXPECT_EQ(ask("qXfer:features:read:target.xml:fffff,100"), "E.beyond the end of the target description");
}

TEST_F(SessionTest, registers_one_by_one_and_all_at_once) {
    to_main();
    EXPECT_EQ(ask("P" + hex_number(number("ecx")) + "=78563412"), "OK");
    EXPECT_EQ(ask("p" + hex_number(number("ecx"))), "78563412");
    std::string all = ask("g");
    EXPECT_EQ(all.substr(8, 8), "78563412");
    all.replace(16, 8, "efbeadde");
    EXPECT_EQ(ask("G" + all), "OK");
    EXPECT_EQ(ask("p" + hex_number(number("edx"))), "efbeadde");
    EXPECT_EQ(ask("g"), all);
    EXPECT_EQ(ask("pff"), "E.there is no such register");
    EXPECT_EQ(ask("P0=12"), "E.the register eax has 4 bytes");
    EXPECT_EQ(ask("P" + hex_number(number("gdt_base")) + "=00000000"), "E.the register gdt_base cannot be written");
    EXPECT_EQ(ask("Pzz"), "E.malformed packet");
}

TEST_F(SessionTest, memory_in_digits_and_in_bytes) {
    EXPECT_EQ(ask("M30000,4:01020304"), "OK");
    EXPECT_EQ(ask("m30000,4"), "01020304");
    EXPECT_EQ(ask(std::string("X30004,4:") + "\x05\x06$#"), "OK");
    EXPECT_EQ(ask("m30000,8"), "0102030405062423");
    EXPECT_EQ(ask("x30000,8"), std::string("b\x01\x02\x03\x04\x05\x06$#"));
    EXPECT_EQ(ask("X30000,0:"), "OK");
    EXPECT_EQ(ask("mffffffff00030000,2"), "E14");             // no extended sign
    EXPECT_EQ(ask("mfffffffffffffff0,1"), "ea");              // of FFFFFFF0, and that is one
    EXPECT_EQ(ask("me0000000,4"), "E14");
    EXPECT_EQ(ask("Me0000000,1:00"), "E.no memory is mapped at that address");
    EXPECT_EQ(ask("M30000,3:0102"), "E.malformed packet");
    EXPECT_EQ(ask("m30000"), "E.malformed packet");
    // Up to where there is none.
    EXPECT_EQ(ask("m3ffffe,4").size(), 4u);
    EXPECT_EQ(ask("m0,ffffffff").size(), kPacketSize);
}

TEST_F(SessionTest, stops_say_why) {
    to_main();
    EXPECT_EQ(ask("s"), "T05thread:01;");
    EXPECT_EQ(ask("Z2,20000,4"), "OK");
    ask("vCont;c");                                           // main clears the counter
    EXPECT_EQ(ask("vCont;c"), "T05thread:01;watch:20000;");
    EXPECT_EQ(ask("z2,20000,4"), "OK");
    EXPECT_EQ(ask("Z3,20004,4"), "OK");
    EXPECT_EQ(ask("c"), "T05thread:01;rwatch:20004;");
    EXPECT_EQ(ask("z3,20004,4"), "OK");
    EXPECT_EQ(ask("Z4,20006,8"), "OK");                       // any byte of it
    EXPECT_EQ(ask("c"), "T05thread:01;awatch:20008;");
    EXPECT_EQ(ask("z4,20006,8"), "OK");
    const u64 eip = le(ask("p8"));
    EXPECT_EQ(ask("Z0," + hex_number(eip) + ",1"), "OK");
    EXPECT_EQ(ask("c"), "T05thread:01;");                     // nobody asked for swbreak
    ask("qSupported:swbreak+;hwbreak+");
    EXPECT_EQ(ask("c"), "T05thread:01;swbreak:;");
    EXPECT_EQ(ask("z0," + hex_number(eip) + ",1"), "OK");
    EXPECT_EQ(ask("Z1," + hex_number(eip) + ",1"), "OK");
    EXPECT_EQ(ask("c"), "T05thread:01;hwbreak:;");
    EXPECT_EQ(le(ask("p8")), eip);
}

TEST_F(SessionTest, a_point_twice_is_once_and_taking_away_what_is_not_there_is_no_fault) {
    to_main();
    EXPECT_EQ(ask("Z2,20000,4"), "OK");
    EXPECT_EQ(ask("Z2,20000,4"), "OK");
    EXPECT_EQ(ask("z2,20000,4"), "OK");
    EXPECT_EQ(ask("z2,20000,4"), "OK");
    give("c");
    interrupt();
    EXPECT_EQ(reply(), "T02thread:01;");
    EXPECT_EQ(ask("Z5,0,1"), "");
    EXPECT_EQ(ask("Z2,0,fffffff"), "E.at most 1 MiB can be watched at once");
    EXPECT_EQ(ask("Z0"), "E.malformed packet");
}

TEST_F(SessionTest, physical_watches_are_for_writes) {
    to_main();
    EXPECT_EQ(ask("Qqemu.PhyMemMode:1"), "OK");
    EXPECT_EQ(ask("qqemu.PhyMemMode"), "1");
    EXPECT_EQ(ask("Z3,20004,4"), "E.by physical address only writes can be watched");
    EXPECT_EQ(ask("Z2,20000,4"), "OK");
    EXPECT_EQ(ask("c"), "T05thread:01;watch:20000;");
    EXPECT_EQ(ask("Qqemu.PhyMemMode:2"), "E.Qqemu.PhyMemMode is 0 or 1");
}

TEST_F(SessionTest, actions_are_for_threads_and_ranges_are_stepped_through) {
    to_main();
    EXPECT_EQ(ask("vCont;s:1;c"), "T05thread:01;");
    EXPECT_EQ(ask("vCont;c:2;s"), "T05thread:01;");
    EXPECT_EQ(ask("vCont;s:p1.1"), "E.malformed packet");
    EXPECT_EQ(ask("vCont;c:2"), "E.no action is for thread 1");
    const u64 from = le(ask("p8"));
    EXPECT_EQ(ask("vCont;r" + hex_number(from) + "," + hex_number(from + 16) + ":1"), "T05thread:01;");
    const u64 now = le(ask("p8"));
    EXPECT_TRUE(now < from || now >= from + 16) << std::hex << now;
    EXPECT_EQ(ask("s" + hex_number(from)), "T05thread:01;");  // from another address
    EXPECT_NE(le(ask("p8")), now);
}

TEST_F(SessionTest, an_interrupt_that_comes_with_the_order_to_go_is_not_lost) {
    to_main();
    for (unsigned i = 0; i < 200; ++i) {
        give("vCont;c");
        interrupt();
        ASSERT_EQ(reply(), "T02thread:01;") << i;
    }
}

TEST_F(SessionTest, detaching_takes_the_points_away_and_goes_on) {
    to_main();
    EXPECT_EQ(ask("Z2,20000,4"), "OK");
    EXPECT_EQ(ask("D"), "OK");
    const Icount at = control_->position();
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (control_->position() < at + 1'000'000 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_GE(control_->position(), at + 1'000'000);
    EXPECT_TRUE(hung_up_);
    attach();
    EXPECT_EQ(ask("?"), "T05thread:01;");
    control_->post([this] { EXPECT_TRUE(control_->points().empty()); });
    EXPECT_EQ(ask("?"), "T05thread:01;");
}

TEST_F(SessionTest, a_monitor_command_streams_its_output) {
    const std::string text = "print 6*7";
    EXPECT_EQ(ask("qRcmd," + to_hex(std::string_view(text))), "O" + to_hex(std::string_view("0x2a\n")));
    EXPECT_EQ(reply(), "OK");
    EXPECT_EQ(ask("qRcmd,xx"), "E.malformed packet");
}

TEST_F(SessionTest, the_guests_end_and_then_the_programs) {
    to_main();
    // isa-debug-exit with 3: mov $3, %al; mov $0x501, %dx; out %al, %dx.
    EXPECT_EQ(ask("M30000,7:b00366ba0105ee"), "OK");
    give("c30000");
    EXPECT_EQ(reply(), "O" + to_hex(std::string_view("vmm: the guest exited\n")));
    EXPECT_EQ(reply(), "T05thread:01;");
    EXPECT_EQ(ask("c"), "W07");
    thread_.join();
    EXPECT_EQ(status_, 7);
}

TEST_F(SessionTest, killing) {
    EXPECT_EQ(ask("vKill;1"), "OK");
    thread_.join();
    EXPECT_EQ(status_, 0);
}

// Anything may come: the machine and the session stay whole.
TEST_F(SessionTest, packets_of_any_content) {
    const std::vector<std::string> parts = {"g", "G", "p", "P", "m", "M", "x", "X", "Z", "z", "vCont", "vCont;", "c", "s", "C05", "S05;", "bs", "bc", "H", "T",
        "qSupported:", "qXfer:features:read:", "target.xml:", "qRcmd,", "Qqemu.PhyMemMode:", "Qqemu.sstep=", "q", "Q", "v", "?", "!", ",", ";", ":", "=",
        "0", "1", "2", "4", "f0000", "20000", "7fffffff", "ffffffff", "ffffffffffffffff", "00112233", "r", "-1", "p1.1", "\xff\x80", "}"};
    std::mt19937 random(7);
    for (unsigned i = 0; i < 20'000; ++i) {
        std::string payload;
        for (u64 n = 1 + random() % 6; n-- > 0;) payload += parts[random() % parts.size()];
        give(payload);
        if (i % 8 == 0) interrupt();
    }
    interrupt();
    for (bool moving = true; moving;) {
        // A question is answered unless the machine still moves, which an interrupt ends.
        interrupt();
        give("qC");
        std::unique_lock lock(mutex_);
        moving = !arrived_.wait_for(lock, std::chrono::seconds(5), [this] { return !replies_.empty() && replies_.back() == "QC01"; });
    }
    {
        const std::lock_guard lock(mutex_);
        replies_.clear();
    }
    EXPECT_EQ(ask("?").substr(0, 1), "T");
}

}  // namespace
}  // namespace vmm::gdb
