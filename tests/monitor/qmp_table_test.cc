// SPDX-License-Identifier: Apache-2.0
// docs/monitor.md lists the commands that there are: it holds the table as the program prints it. And the framing of JSON.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "vmm/monitor/json_stream.h"
#include "vmm/monitor/qmp_commands.h"

namespace vmm::monitor {
namespace {

TEST(QmpTable, is_the_one_in_the_document) {
    const CommandTable human;
    const QmpTable table(human);
    std::ifstream file(MONITOR_DOCUMENT);
    std::stringstream text;
    text << file.rdbuf();
    EXPECT_NE(text.str().find(table.markdown()), std::string::npos) << "docs/monitor.md should have:\n" << table.markdown();
}

std::vector<std::string> values(std::string_view bytes, std::size_t piece) {
    JsonStream stream;
    std::vector<std::string> out;
    for (std::size_t at = 0; at < bytes.size(); at += piece)
        stream.feed(bytes.substr(at, piece), [&](std::string_view text, bool whole) { out.push_back((whole ? "" : "broken ") + std::string(text)); });
    return out;
}

TEST(JsonStream, finds_values_however_they_are_cut) {
    const std::string bytes = " {\"a\": [1, {\"}\\\"\": \"]\"}]}\r\n[2]{\"b\":3} true \"x y\"";
    const std::vector<std::string> expected{"{\"a\": [1, {\"}\\\"\": \"]\"}]}", "[2]", "{\"b\":3}", "true ", "\"x y\""};
    for (std::size_t piece = 1; piece < bytes.size(); ++piece) EXPECT_EQ(values(bytes, piece), expected) << "pieces of " << piece;
}

TEST(JsonStream, gives_up_what_cannot_be_and_goes_on_with_the_next_line) {
    EXPECT_EQ(values("}{]\n{\"a\":1}", 1), (std::vector<std::string>{"broken }", "{\"a\":1}"}));
    EXPECT_EQ(values(std::string(100, '[') + "]]\n[1]", 7).back(), "[1]");
    EXPECT_EQ(values("\"" + std::string(JsonStream::kMost, 'x') + "y\"\n[1]", 4096).back(), "[1]");
}

}  // namespace
}  // namespace vmm::monitor
