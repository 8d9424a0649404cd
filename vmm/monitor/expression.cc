// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/expression.h"

#include <charconv>

#include "vmm/register_table.h"
#include "vmm/tcg/translator.h"

namespace vmm::monitor {
namespace {

constexpr unsigned kDeepest = 64;

bool word_character(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

class Parser {
  public:
    Parser(Control& control, std::string_view text) : control_(control), text_(text) {}

    Result<u64> all() {
        const u64 value = expression(0);
        skip();
        if (error_.empty() && !text_.empty()) fail("'" + std::string(text_.substr(0, 20)) + "' was not expected");
        if (!error_.empty()) return Error{error_};
        return value;
    }

  private:
    static constexpr std::string_view kLevels[] = {"|", "^", "&", "+-", "*/%"};

    void skip() {
        while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\t')) text_.remove_prefix(1);
    }
    void fail(std::string text) {
        if (error_.empty()) error_ = std::move(text);
        text_ = {};
    }

    u64 expression(unsigned level) {
        if (level == std::size(kLevels)) return unary();
        u64 left = expression(level + 1);
        for (;;) {
            skip();
            if (text_.empty() || kLevels[level].find(text_[0]) == std::string_view::npos) return left;
            const char op = text_[0];
            text_.remove_prefix(1);
            left = apply(op, left, expression(level + 1));
        }
    }

    u64 apply(char op, u64 a, u64 b) {
        switch (op) {
            case '|': return a | b;
            case '^': return a ^ b;
            case '&': return a & b;
            case '+': return a + b;
            case '-': return a - b;
            case '*': return a * b;
            default: break;
        }
        if (b == 0) {
            fail("a division by zero");
            return 0;
        }
        return op == '/' ? a / b : a % b;
    }

    u64 unary() {
        skip();
        if (text_.empty()) {
            fail("a number is missing");
            return 0;
        }
        if (++depth_ > kDeepest) {
            fail("the expression is too deep");
            return 0;
        }
        const char c = text_[0];
        u64 value = 0;
        if (c == '-' || c == '~' || c == '+') {
            text_.remove_prefix(1);
            value = unary();
            if (c == '-') value = u64{0} - value;
            if (c == '~') value = ~value;
        } else if (c == '(') {
            text_.remove_prefix(1);
            value = expression(0);
            skip();
            if (text_.starts_with(')')) text_.remove_prefix(1);
            else fail("')' is missing");
        } else if (c == '\'' && text_.size() >= 3 && text_[2] == '\'') {
            value = static_cast<u8>(text_[1]);
            text_.remove_prefix(3);
        } else {
            value = c == '$' ? named() : number();
        }
        --depth_;
        return value;
    }

    std::string_view word() {
        std::size_t n = 0;
        while (n < text_.size() && word_character(text_[n])) ++n;
        const std::string_view out = text_.substr(0, n);
        text_.remove_prefix(n);
        return out;
    }

    u64 named() {
        text_.remove_prefix(1);
        const std::string_view name = word();
        const Register* reg = find_register(name);
        if (reg == nullptr) {
            fail("there is no register $" + std::string(name.substr(0, 20)));
            return 0;
        }
        return static_cast<u64>(reg->get(control_.machine().translator().state(), reg->n));
    }

    u64 number() {
        const std::string_view digits = word();
        const bool hex = digits.starts_with("0x") || digits.starts_with("0X"), octal = !hex && digits.size() > 1 && digits[0] == '0';
        const std::string_view rest = digits.substr(hex ? 2 : octal ? 1 : 0);
        u64 value = 0;
        const auto r = std::from_chars(rest.data(), rest.data() + rest.size(), value, hex ? 16 : octal ? 8 : 10);
        if (rest.empty() || r.ec != std::errc{} || r.ptr != rest.data() + rest.size())
            fail("'" + std::string(digits.empty() ? text_.substr(0, 20) : digits.substr(0, 20)) + "' is no number");
        return value;
    }

    Control& control_;
    std::string_view text_;
    std::string error_;
    unsigned depth_ = 0;
};

}  // namespace

Result<u64> evaluate(Control& control, std::string_view text) { return Parser(control, text).all(); }

Result<u32> evaluate_address(Control& control, std::string_view text) {
    const auto value = evaluate(control, text);
    if (!value) return value.error();
    if (*value >> 32 != 0) return Error{"the address is beyond 32 bits"};
    return static_cast<u32>(*value);
}

}  // namespace vmm::monitor
