// SPDX-License-Identifier: Apache-2.0
// The table of monitor commands: how a line finds its command, and what is said when it does not.
#include "vmm/monitor/command.h"

#include <gtest/gtest.h>

namespace vmm::monitor {
namespace {

class CommandTest : public ::testing::Test {
  protected:
    void SetUp() override {
        auto made = Machine::create(config(), {});
        ASSERT_TRUE(made) << made.error().text;
        machine_ = std::move(*made);
        control_ = std::make_unique<Control>(*machine_, RrMode::None, "");
        table_.add({"echo|e", "WORDS", "says them", [](const Context& c, Args args) -> Result<Outcome> {
                        for (const std::string& a : args) c.print("<" + a + ">");
                        return Outcome::Done;
                    }});
        table_.add({"info moon", "", "its phase", [](const Context& c, Args) -> Result<Outcome> {
                        c.print("full");
                        return Outcome::Done;
                    }});
        table_.add({"fail", "", "does", [](const Context&, Args) -> Result<Outcome> { return Error{"as asked"}; }});
        table_.add({"wait", "", "goes on", [this](const Context& c, Args) -> Result<Outcome> {
                        later_.emplace(c);
                        return Outcome::Later;
                    }});
    }
    static MachineConfig config() {
        MachineConfig c;
        c.ram_bytes = 1 << 20;
        return c;
    }
    std::string run(std::string_view line) {
        std::string out;
        finished_ = 0;
        table_.run(line, {*control_, [&](std::string_view t) { out += t; }, [this] { ++finished_; }});
        return out;
    }
    std::unique_ptr<Machine> machine_;
    std::unique_ptr<Control> control_;
    CommandTable table_;
    std::optional<Context> later_;
    int finished_ = 0;
};

TEST_F(CommandTest, words_reach_the_command_and_quotes_hold_them_together) {
    EXPECT_EQ(run("echo a  'b c' \"d\"e"), "<a><b c><de>");
    EXPECT_EQ(finished_, 1);
}

TEST_F(CommandTest, another_spelling_and_a_format_at_the_name) { EXPECT_EQ(run("e/8xw 1"), "</8xw><1>"); }

TEST_F(CommandTest, info_is_a_group_and_has_a_short_form) {
    EXPECT_EQ(run("info moon"), "full");
    EXPECT_EQ(run("i moon"), "full");
    EXPECT_EQ(run("info"), "info moon -- its phase\n");
}

TEST_F(CommandTest, unknown_commands_are_named_with_the_nearest) {
    EXPECT_EQ(run("ehco x"), "Error: unknown command 'ehco'; did you mean echo?\n");
    EXPECT_EQ(run("info mooon"), "Error: unknown command 'info mooon'; did you mean info moon?\n");
    EXPECT_EQ(run("zzzzzzzzz"), "Error: unknown command 'zzzzzzzzz'; 'help' lists the commands\n");
    EXPECT_EQ(finished_, 1);
}

TEST_F(CommandTest, errors_are_printed_and_end_the_command) {
    EXPECT_EQ(run("fail"), "Error: as asked\n");
    EXPECT_EQ(finished_, 1);
}

TEST_F(CommandTest, a_command_that_goes_on_ends_itself) {
    run("wait");
    EXPECT_EQ(finished_, 0);
    later_->finished();
    EXPECT_EQ(finished_, 1);
}

TEST_F(CommandTest, an_empty_line_is_no_command) {
    EXPECT_EQ(run("  \t"), "");
    EXPECT_EQ(finished_, 1);
}

TEST_F(CommandTest, help_and_completion_list_names) {
    EXPECT_EQ(run("help echo"), "echo|e WORDS -- says them\n");
    EXPECT_NE(run("help").find("help|? [COMMAND]"), std::string::npos);
    EXPECT_EQ(table_.complete("e"), (std::vector<std::string>{"e", "echo"}));
    EXPECT_EQ(table_.complete("info "), (std::vector<std::string>{"info moon"}));
}

}  // namespace
}  // namespace vmm::monitor
