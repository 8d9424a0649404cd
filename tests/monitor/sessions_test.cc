// SPDX-License-Identifier: Apache-2.0
// Sessions of QMP and of the human monitor on a machine, without sockets: what is answered, in which order, what is announced;
// and hostile input. docs/monitor.md holds the table of commands as the program has it.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <list>
#include <random>
#include <sstream>
#include <thread>

#include "vmm/io_thread.h"
#include "vmm/monitor/client.h"
#include "vmm/monitor/debug_commands.h"
#include "vmm/monitor/machine_commands.h"
#include "vmm/runner.h"

namespace vmm::monitor {
namespace {

// A machine that spins in place, on a thread of its own; it starts paused.
class Sessions : public ::testing::Test {
  protected:
    void SetUp() override {
        MachineConfig config;
        config.ram_bytes = 1 << 20;
        auto made = Machine::create(config, {});
        ASSERT_TRUE(made) << made.error().text;
        machine_ = std::move(*made);
        control_ = std::make_unique<Control>(*machine_, RrMode::None, "");
        add_debug_commands(commands_);
        op_ = std::make_unique<Operator>(*control_, true, [this](const std::string& name, const Json& data) {
            Json event{{"event", name}};
            if (!data.is_null()) event["data"] = data;
            io_.run([this, line = to_line(event)] {
                for (const auto& client : clients_) client->event(line);
            });
        });
        host_ = std::make_unique<Host>(Host{io_, *op_, commands_, {}});
        add_machine_commands(commands_, *op_, host_->around);
        thread_ = std::thread([this] {
            RunnerOptions options;
            options.start_paused = true;
            run_machine(*control_, options, journal_);
        });
    }
    void TearDown() override {
        control_->post([this] { control_->quit(); });
        thread_.join();
        io_.run_wait([this] { clients_.clear(); });
        io_.run_wait([] {});
    }

    std::shared_ptr<Client> client(Mode mode, std::string* out, bool terminal = false) {
        auto made = make_client(mode, *host_, {[out](const std::string& text) { *out += text; }, [] {}, terminal});
        io_.run_wait([&] {
            clients_.push_back(made);
            made->begin();
        });
        return made;
    }
    void settle() {                                      // what was sent has been answered
        for (int i = 0; i < 3; ++i) {
            io_.run_wait([] {});
            std::promise<void> done;
            control_->post([&] { done.set_value(); });
            done.get_future().wait();
        }
        io_.run_wait([] {});
    }
    void send(const std::shared_ptr<Client>& to, const std::string& bytes) {
        io_.run_wait([&] { to->bytes(bytes); });
        settle();
    }
    // What a client of QMP is answered, a line each.
    std::vector<std::string> ask(const std::string& bytes) {
        std::string& out = outs_.emplace_back();
        const auto c = client(Mode::Control, &out);
        send(c, R"({"execute":"qmp_capabilities"})");
        out.clear();
        send(c, bytes);
        for (int i = 0; i < 20; ++i) settle();
        std::vector<std::string> lines;
        std::stringstream text(out);
        for (std::string line; std::getline(text, line);) lines.push_back(line.substr(0, line.find('\r')));
        return lines;
    }
    std::string desc(const std::string& bytes) {
        const auto lines = ask(bytes);
        return lines.size() == 1 ? Json::parse(lines[0])["error"].value("desc", "") : "not one answer";
    }
    std::string person(const std::string& typed, bool terminal = false) {
        std::string& out = outs_.emplace_back();
        const auto c = client(Mode::Readline, &out, terminal);
        out.clear();
        send(c, typed);
        for (int i = 0; i < 20; ++i) settle();
        return out;
    }

    std::list<std::string> outs_;                        // what clients were sent; outlives them
    IoThread io_;
    std::unique_ptr<Machine> machine_;
    std::unique_ptr<Control> control_;
    CommandTable commands_;
    std::unique_ptr<Operator> op_;
    std::unique_ptr<Host> host_;
    std::vector<std::shared_ptr<Client>> clients_;       // I/O thread
    PlainJournal journal_;
    std::thread thread_;
};

using Lines = std::vector<std::string>;

TEST_F(Sessions, answers_come_in_the_order_of_commands_with_their_ids) {
    EXPECT_EQ(ask(R"({"execute":"stop","id":1}{"execute":"query-kvm","id":2}{"execute":"nope","id":3}{"execute":"query-status","id":{"a":[null]}})"),
              (Lines{R"({"return": {}, "id": 1})", R"({"return": {"enabled": false, "present": false}, "id": 2})",
                     R"({"id": 3, "error": {"class": "CommandNotFound", "desc": "The command nope has not been found"}})",
                     R"({"return": {"status": "prelaunch", "singlestep": false, "running": false}, "id": {"a": [null]}})"}));
}

TEST_F(Sessions, nothing_but_the_negotiation_goes_before_it) {
    std::string& out = outs_.emplace_back();
    const auto c = client(Mode::Control, &out);
    out.clear();
    send(c, R"({"execute":"query-status"}{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}{"execute":"qmp_capabilities"}{"execute":"qmp_capabilities"})");
    EXPECT_NE(out.find("Expecting capabilities negotiation with 'qmp_capabilities'"), std::string::npos);
    EXPECT_NE(out.find("Capability oob not available"), std::string::npos);
    EXPECT_NE(out.find("{\"return\": {}}\r\n"), std::string::npos);
    EXPECT_NE(out.find("Capabilities negotiation is already complete, command ignored"), std::string::npos);
}

TEST_F(Sessions, events_reach_every_client_that_has_negotiated) {
    std::string &one = outs_.emplace_back(), &two = outs_.emplace_back(), &three = outs_.emplace_back();
    const auto a = client(Mode::Control, &one), b = client(Mode::Control, &two), deaf = client(Mode::Control, &three);
    send(a, R"({"execute":"qmp_capabilities"})");
    send(b, R"({"execute":"qmp_capabilities"})");
    one.clear();
    two.clear();
    three.clear();
    send(a, R"({"execute":"cont"}{"execute":"stop"})");
    settle();
    EXPECT_EQ(one, "{\"event\": \"RESUME\"}\r\n{\"return\": {}}\r\n{\"event\": \"STOP\"}\r\n{\"return\": {}}\r\n");
    EXPECT_EQ(two, "{\"event\": \"RESUME\"}\r\n{\"event\": \"STOP\"}\r\n");
    EXPECT_EQ(three, "");
}

TEST_F(Sessions, a_reset_of_a_paused_machine_happens_at_once) {
    const auto lines = ask(R"({"execute":"system_reset"})");
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0], R"({"return": {}})");
    EXPECT_EQ(lines[1], R"({"event": "RESET", "data": {"guest": false, "reason": "host-qmp-system-reset"}})");
}

// QEMU 7.2's words.
TEST_F(Sessions, wrong_arguments_are_named) {
    EXPECT_EQ(desc(R"({"execute":"query-status","arguments":{"a":1}})"), "Parameter 'a' is unexpected");
    EXPECT_EQ(desc(R"({"execute":"query-status","arguments":3})"), "QMP input member 'arguments' must be an object");
    EXPECT_EQ(desc(R"({"execute":"query-status","foo":3})"), "QMP input member 'foo' is unexpected");
    EXPECT_EQ(desc(R"({"execute":3})"), "QMP input member 'execute' must be a string");
    EXPECT_EQ(desc("[1]"), "QMP input must be a JSON object");
    EXPECT_EQ(desc(R"({"execute":"replay-break","arguments":{"icount":5.5}})"), "Invalid parameter type for 'icount', expected: integer");
    EXPECT_EQ(desc(R"({"execute":"replay-break","arguments":{"icount":18446744073709551615}})"), "Invalid parameter type for 'icount', expected: integer");
    EXPECT_EQ(desc(R"({"execute":"replay-break"})"), "Parameter 'icount' is missing");
    EXPECT_EQ(desc(R"({"execute":"replay-break","arguments":{"icount":5}})"), "setting the breakpoint is allowed only in play mode");
    EXPECT_EQ(desc(R"({"execute":"replay-delete-break"})"), "replay breakpoints are allowed only in play mode");
    EXPECT_EQ(desc(R"({"execute":"replay-seek","arguments":{"icount":5}})"), "replay must be enabled to seek");
    EXPECT_EQ(desc(R"({"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"nokey"}]}})"), "Parameter 'data' does not accept value 'nokey'");
    EXPECT_EQ(desc(R"({"execute":"send-key","arguments":{"keys":[{"type":"foo","data":"a"}]}})"), "Parameter 'type' does not accept value 'foo'");
    EXPECT_EQ(desc(R"({"execute":"send-key","arguments":{"keys":[{"data":"a"}]}})"), "Parameter 'keys[0].type' is missing");
    EXPECT_EQ(desc(R"({"execute":"send-key","arguments":{"keys":{}}})"), "Invalid parameter type for 'keys', expected: array");
    EXPECT_EQ(desc(R"({"execute":"input-send-event","arguments":{"events":[{"type":"key","data":{"down":1,"key":{"type":"qcode","data":"a"}}}]}})"),
              "Invalid parameter type for 'events[0].data.down', expected: boolean");
    EXPECT_EQ(desc(R"({"execute":"input-send-event","arguments":{"events":[]}})"), "VM not running");
    EXPECT_EQ(desc(R"({"execute":"memsave","arguments":{"val":0,"size":10,"filename":"/nonesuch/mem"}})"), "Could not open '/nonesuch/mem': No such file or directory");
    EXPECT_EQ(desc(R"({"execute":"screendump","arguments":{"filename":"x","format":"gif"}})"), "Parameter 'format' does not accept value 'gif'");
}

TEST_F(Sessions, the_human_monitor_is_there_in_qmp) {
    EXPECT_EQ(ask(R"({"execute":"human-monitor-command","arguments":{"command-line":"info status"}})"),
              Lines{R"({"return": "VM status: paused (prelaunch)\r\n"})"});
    EXPECT_EQ(ask(R"({"execute":"human-monitor-command","arguments":{"command-line":"info replay"}})"),
              Lines{R"({"return": "Record/replay is not active\r\n"})"});
    EXPECT_EQ(ask(R"({"execute":"human-monitor-command","arguments":{"command-line":"replay_break 5"}})"),
              Lines{R"({"return": "setting the breakpoint is allowed only in play mode\r\n"})"});
}

TEST_F(Sessions, a_script_at_the_human_monitor_gets_plain_lines) {
    EXPECT_EQ(person("info status\nstop\n\ninfo replay\n"), "VM status: paused (prelaunch)\n(vmm) (vmm) (vmm) Record/replay is not active\n(vmm) ");
}

TEST_F(Sessions, a_person_edits_completes_and_recalls) {
    EXPECT_EQ(person("info stax\x7f\t\r", true).substr(0, 9), "info stax");
    EXPECT_NE(person("info stax\x7f\t\r", true).find("VM status: paused (prelaunch)\r\n"), std::string::npos);
    EXPECT_NE(person("xinfo replay\x01\x1b[3~\r", true).find("Record/replay is not active"), std::string::npos);
    const std::string twice = person("info replay\r\x1b[A\r", true);
    EXPECT_NE(twice.find("not active"), twice.rfind("not active"));
}

TEST_F(Sessions, hostile_clients_do_no_harm) {
    std::mt19937 random(8);
    std::string& out = outs_.emplace_back();
    Lines seeds;
    for (const QmpCommand& c : qmp_commands())
        if (c.name != "quit" && c.name != "memsave" && c.name != "pmemsave" && c.name != "screendump" && c.name != "human-monitor-command")
            seeds.push_back(R"({"execute":")" + std::string(c.name) + R"(","arguments":{"icount":1,"keys":[{"type":"number","data":30}]},"id":1})");
    seeds.push_back(R"({"execute":"human-monitor-command","arguments":{"command-line":"sendkey ctrl-alt-delete"}})");
    seeds.push_back(R"({"execute":"input-send-event","arguments":{"events":[{"type":"rel","data":{"axis":"x","value":5}},{"type":"btn","data":{"button":"left","down":true}}]}})");
    const auto mutate = [&random](std::string s) {
        for (auto n = random() % 4; n-- > 0 && !s.empty();) {
            const std::size_t at = random() % s.size();
            if (random() % 2 == 0) s[at] = static_cast<char>(random());
            else s.erase(at, random() % 5);
        }
        return s;
    };
    const auto qmp = client(Mode::Control, &out);
    send(qmp, R"({"execute":"qmp_capabilities"})");
    for (int round = 0; round < 3000; ++round) {
        const std::string bytes = mutate(seeds[random() % seeds.size()]) + "\xff\n";
        io_.run_wait([&] { qmp->bytes(bytes); });
        if (round % 100 == 0) settle();
        if (out.size() > 1'000'000) io_.run_wait([&] { out.clear(); });
    }
    const auto human = client(Mode::Readline, &out, true);
    const Lines lines{"info status", "x/4xw 0xfffff0", "sendkey ctrl-alt-f1 50", "mouse_move 1 2", "seek +5", "info registers", "help", "replay_seek 7", "print $eax+1", "cont", "stop"};
    for (int round = 0; round < 1500; ++round) {
        const std::string bytes = mutate(lines[random() % lines.size()]) + (random() % 5 == 0 ? "\t" : "\r");
        if (bytes.starts_with("q") || bytes.find("save") != std::string::npos) continue;
        io_.run_wait([&] { human->bytes(bytes); });
        if (round % 50 == 0) settle();
        if (out.size() > 1'000'000) io_.run_wait([&] { out.clear(); });
    }
    const auto answers = ask(R"({"execute":"query-kvm"})");   // events may come as well
    EXPECT_EQ(std::count(answers.begin(), answers.end(), R"({"return": {"enabled": false, "present": false}})"), 1);
}

TEST(QmpReference, is_the_one_in_the_document) {
    std::ifstream file(MONITOR_DOCUMENT);
    std::stringstream text;
    text << file.rdbuf();
    EXPECT_NE(text.str().find(qmp_reference()), std::string::npos) << "docs/monitor.md should have:\n" << qmp_reference();
}

}  // namespace
}  // namespace vmm::monitor
