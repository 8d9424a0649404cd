// SPDX-License-Identifier: Apache-2.0
// JsonStream: bytes of a client to JSON values, as they come. Values follow one another with or without blanks; a value may
// be spread over many lines and reads.
//
// The dialect is that of QEMU's clients: RFC 8259, and strings in single quotes. What is wrong costs one message: a byte that
// begins nothing drops the value it is in, and reading begins again at the next bracket, comma, colon or control character;
// 0xFF, which is in no UTF-8 text, drops the value begun, so that a client can always start afresh. A value that is too long or too deep
// is dropped to its end. Memory is bounded by kMostBytes and kMostTokens.
// Document: QMP specification, section 2.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/types.h"

namespace vmm::monitor {

using Json = nlohmann::ordered_json;

class JsonStream {
  public:
    static constexpr std::size_t kMostBytes = 1 << 20, kMostTokens = 1 << 14, kDeepest = 1024;

    std::function<void(Json)> value;
    std::function<void(const std::string&)> error;       // "JSON parse error, ..."

    void feed(std::string_view bytes);

    struct Token {
        char kind;                                       // { } [ ] : , or " string, 0 number, a keyword
        std::string text;
    };
    // How far a number has come. The grammar of RFC 8259, section 6.
    enum class Number : u8 { Bad, Sign, Zero, Digits, Point, Fraction, E, ESign, Exponent };

  private:
    enum class State : u8 { Start, String, Escape, Number, Keyword, Recovery };

    void put(char c);
    void start(char c);
    bool number(char c);
    void token(char kind, std::string text = {});
    void stray(std::string text);
    void drop();

    State state_ = State::Start;
    char quote_ = 0;
    Number number_ = Number::Bad;
    std::string text_;
    std::vector<Token> tokens_;
    std::size_t bytes_ = 0, depth_ = 0;
    bool too_much_ = false;
};

// One line as QEMU writes it: blanks after ':' and ',', all ASCII. No line end.
std::string to_line(const Json& value);

}  // namespace vmm::monitor
