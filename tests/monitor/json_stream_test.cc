// SPDX-License-Identifier: Apache-2.0
// Bytes to JSON values: framing, the dialect, what is said of what is wrong, and how reading goes on after it. The expected
// answers to malformed text are QEMU 7.2's to the same bytes.
#include "vmm/monitor/json_stream.h"

#include <gtest/gtest.h>

#include <random>

namespace vmm::monitor {
namespace {

// Values as text, errors after a '!', in order.
std::vector<std::string> read(std::string_view bytes, std::size_t piece = 4096) {
    std::vector<std::string> out;
    JsonStream stream;
    stream.value = [&](const Json& v) { out.push_back(to_line(v)); };
    stream.error = [&](const std::string& text) { out.push_back("!" + text); };
    for (std::size_t at = 0; at < bytes.size(); at += piece) stream.feed(bytes.substr(at, piece));
    return out;
}

using Lines = std::vector<std::string>;
const std::string kGood = R"( {"b":1})", kGoodOut = R"({"b": 1})";

TEST(JsonStream, finds_values_however_they_are_cut) {
    const std::string bytes = " {\"a\": [1, {\"}\\\"\": \"]\"}]}\r\n[2]{\"b\":-3.5e1} true \"x y\"null ";
    const Lines expected{R"({"a": [1, {"}\"": "]"}]})", "[2]", R"({"b": -35.0})", "true", R"("x y")", "null"};
    for (std::size_t piece = 1; piece < bytes.size(); ++piece) EXPECT_EQ(read(bytes, piece), expected) << "pieces of " << piece;
}

TEST(JsonStream, takes_single_quotes) {
    EXPECT_EQ(read(R"({'a':'x"y\'z','b':"it's"})"), Lines{R"({"a": "x\"y'z", "b": "it's"})"});
}

TEST(JsonStream, keeps_numbers_as_they_are) {
    EXPECT_EQ(read("[9223372036854775807,18446744073709551615,-9223372036854775808,0,1e3]"),
              Lines{"[9223372036854775807, 18446744073709551615, -9223372036854775808, 0, 1000.0]"});
    EXPECT_EQ(read("[1e999]").size(), 1u);
}

TEST(JsonStream, writes_ascii) { EXPECT_EQ(read("\"\xc3\xa9\\u00e9\\ud83d\\ude00\\n\""), Lines{R"("\u00e9\u00e9\ud83d\ude00\n")"}); }

struct Wrong {
    const char* bytes;
    Lines errors;
};

class Malformed : public ::testing::TestWithParam<Wrong> {};

TEST_P(Malformed, is_named_and_the_next_message_is_heard) {
    Lines expected;
    for (const std::string& e : GetParam().errors) expected.push_back("!JSON parse error, " + e);
    expected.push_back(kGoodOut);
    const std::string bytes = GetParam().bytes + kGood + "\n";
    EXPECT_EQ(read(bytes), expected);
    EXPECT_EQ(read(bytes, 1), expected);
}

INSTANTIATE_TEST_SUITE_P(AsQemu, Malformed, ::testing::Values(
    Wrong{"foo", {"invalid keyword 'foo'"}},
    Wrong{"abc,def", {"invalid keyword 'abc'", "expecting value", "invalid keyword 'def'"}},
    Wrong{R"({"a":nulll})", {"invalid keyword 'nulll'"}},
    Wrong{"}", {"expecting value"}},
    Wrong{"]]", {"expecting value", "expecting value"}},
    Wrong{": ,", {"expecting value", "expecting value"}},
    Wrong{R"({"a":1,})", {"expecting value"}},
    Wrong{R"({,})", {"expecting value"}},
    Wrong{R"({"a":[1,]})", {"expecting value"}},
    Wrong{R"({"a" 1})", {"missing : in object pair"}},
    Wrong{R"({"a":1 2})", {"expected separator in dict"}},
    Wrong{R"({"a":[1 2]})", {"expected separator in list"}},
    Wrong{R"({"a":[1}})", {"expected separator in list"}},
    Wrong{"{1:2}", {"key is not a string in object"}},
    Wrong{R"({"id":1,"id":2})", {"duplicate key"}},
    Wrong{R"({"a":"\q"})", {"invalid escape sequence in string"}},
    Wrong{"%s %d", {"stray '%'"}},
    Wrong{R"({"a":-})", {"stray '-}'"}},
    Wrong{R"({"a":1.})", {"stray '1.}'"}},
    Wrong{R"({"a":1.5e})", {"stray '1.5e}'"}},
    Wrong{R"({"a":+1})", {"stray '+'", "expecting value"}},
    Wrong{R"({"a":.5})", {"stray '.'", "expecting value"}},
    Wrong{R"({"a":01})", {"stray '01'", "expecting value"}},
    Wrong{"{\"a\":\"x\n\"}", {"stray '\"x\n'", "expecting value"}},
    Wrong{"{\"a\":\"\xff\xfe\"}", {"stray '\"\xff'", "stray '\xfe'", "expecting value"}},
    Wrong{"{\"b\"\xff", {"stray '\xff'"}},
    Wrong{"\x01\x02", {"stray '\x01'", "stray '\x02'"}},
    Wrong{"\x1b[A", {"stray '\x1b'", "stray 'A'"}}));

TEST(JsonStream, gives_up_what_is_too_deep_too_long_or_too_much_and_goes_on) {
    EXPECT_EQ(read(std::string(JsonStream::kDeepest + 1, '[') + kGood), (Lines{"!JSON nesting depth limit exceeded", kGoodOut}));
    EXPECT_EQ(read("\"" + std::string(JsonStream::kMostBytes * 2, 'x') + "\"" + kGood), (Lines{"!JSON message size limit exceeded", kGoodOut}));
    std::string many = "[";
    for (std::size_t i = 0; i < JsonStream::kMostTokens; ++i) many += "0,";
    EXPECT_EQ(read(many).at(0), "!JSON token count limit exceeded");
}

// Whatever comes: no crash, and a client that sends 0xFF and a line feed is heard again.
TEST(JsonStream, random_bytes_do_no_harm) {
    std::mt19937 random(20261121);
    const std::string seed = R"({"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"a"}],"hold-time":-1.5e3},"id":['x',null,"\u00e9"]} )";
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes = seed;
        for (auto n = random() % 6; n-- > 0;) {
            const std::size_t at = random() % bytes.size();
            switch (random() % 4) {
                case 0: bytes[at] = static_cast<char>(random()); break;
                case 1: bytes.erase(at, random() % 8); break;
                case 2: bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 20)); break;
                default: bytes.insert(at, 1, "{}[]:,\"'\\-0e."[random() % 13]); break;
            }
            if (bytes.empty()) bytes = " ";
        }
        const auto out = read(bytes + "\xff\n" + kGood, 1 + random() % 50);
        ASSERT_EQ(out.back(), kGoodOut) << bytes;
    }
}

}  // namespace
}  // namespace vmm::monitor
