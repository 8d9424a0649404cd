// SPDX-License-Identifier: Apache-2.0
// docs/vmm.1 and the table of options say the same: no option is missing in the page, none is there that the program refuses, and each
// is spelled there as --help spells it.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "vmm/option_table.h"

namespace vmm {
namespace {

std::string page() {
    std::ifstream in(MAN_PAGE);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

// As a reader sees it.
std::string plain(std::string text) {
    text = std::regex_replace(text, std::regex(R"(\\f[A-Z]|\\:)"), "");
    return std::regex_replace(text, std::regex(R"(\\-)"), "-");
}

// The entries of the page that are options: name, and what follows it.
std::map<std::string, std::string> entries() {
    std::map<std::string, std::string> out;
    std::istringstream in(page());
    bool entry = false;
    for (std::string line; std::getline(in, line); entry = line == ".TP") {
        if (!entry || !line.starts_with("\\fB\\-")) continue;
        const std::string text = plain(line);
        const auto end = std::min(text.find(' '), text.size());
        out[text.substr(1, end - 1)] = text.substr(std::min(end + 1, text.size()));
    }
    return out;
}

TEST(ManPage, EveryOptionOfTheHelpTextHasAnEntrySpelledAsThere) {
    const auto there = entries();
    for (const Option& o : option_table()) {
        if (o.group.empty() || o.apply == nullptr) continue;
        ASSERT_TRUE(there.contains(std::string(o.name))) << "-" << o.name << " has no entry";
        EXPECT_EQ(there.at(std::string(o.name)), o.value) << "-" << o.name;
    }
}

TEST(ManPage, OptionsThatTheHelpTextLeavesOutAreMentioned) {
    const std::string text = page();
    for (const Option& o : option_table()) {
        if (o.apply == nullptr || !o.group.empty()) continue;
        const std::string name = std::regex_replace(std::string(o.name), std::regex("-"), "\\-");
        EXPECT_TRUE(std::regex_search(text, std::regex("\\\\fB\\\\-" + std::regex_replace(name, std::regex(R"(\\)"), R"(\\)") + "(\\\\fR| )"))) << "-" << o.name;
    }
}

TEST(ManPage, EveryEntryIsAnOption) {
    const auto there = entries();
    EXPECT_GT(there.size(), 40u);
    for (const auto& [name, value] : there) {
        const Option* option = find_option(name);
        EXPECT_TRUE(option != nullptr && option->apply != nullptr) << "-" << name << " is no option";
    }
}

}  // namespace
}  // namespace vmm
