// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/json_stream.h"

#include <optional>
#include <utility>

namespace vmm::monitor {
namespace {

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool structural(char c) { return std::string_view("{}[]:,").find(c) != std::string_view::npos; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool lower(char c) { return c >= 'a' && c <= 'z'; }
bool control(char c) { return static_cast<unsigned char>(c) < 0x20; }
bool never_in_utf8(char c) { return static_cast<unsigned char>(c) >= 0xfe; }

constexpr std::size_t kLongestNumber = 400;
using Number = JsonStream::Number;

Number next(Number n, char c) {
    switch (n) {
        case Number::Sign: return c == '0' ? Number::Zero : digit(c) ? Number::Digits : Number::Bad;
        case Number::Zero:
        case Number::Digits:
            if (digit(c)) return n == Number::Digits ? n : Number::Bad;
            return c == '.' ? Number::Point : c == 'e' || c == 'E' ? Number::E : Number::Bad;
        case Number::Point: return digit(c) ? Number::Fraction : Number::Bad;
        case Number::Fraction: return digit(c) ? n : c == 'e' || c == 'E' ? Number::E : Number::Bad;
        case Number::E: return c == '+' || c == '-' ? Number::ESign : digit(c) ? Number::Exponent : Number::Bad;
        case Number::ESign: return digit(c) ? Number::Exponent : Number::Bad;
        case Number::Exponent: return digit(c) ? n : Number::Bad;
        case Number::Bad: break;
    }
    return Number::Bad;
}

bool whole(Number n) { return n == Number::Zero || n == Number::Digits || n == Number::Fraction || n == Number::Exponent; }

// A complete, balanced run of tokens to a value; the library does strings and numbers.
class Parser {
  public:
    explicit Parser(const std::vector<JsonStream::Token>& tokens) : tokens_(tokens) {}

    std::optional<Json> parse() { return value(); }
    const std::string& error() const { return error_; }

  private:
    const JsonStream::Token* peek() const { return at_ < tokens_.size() ? &tokens_[at_] : nullptr; }
    bool take(char kind) {
        if (peek() == nullptr || peek()->kind != kind) return false;
        ++at_;
        return true;
    }
    std::nullopt_t fail(std::string text) {
        if (error_.empty()) error_ = std::move(text);
        return std::nullopt;
    }

    std::optional<Json> value() {
        const JsonStream::Token* t = peek();
        if (t == nullptr) return fail("expecting value");
        ++at_;
        switch (t->kind) {
            case '{': return object();
            case '[': return array();
            case 'a':
                if (t->text == "true") return Json(true);
                if (t->text == "false") return Json(false);
                if (t->text == "null") return Json(nullptr);
                return fail("invalid keyword '" + t->text + "'");
            case '0': {
                Json n = Json::parse(t->text, nullptr, false);
                if (n.is_discarded()) return Json(t->text[0] == '-' ? -1e308 : 1e308);   // beyond what a double holds
                return n;
            }
            case '"': {
                Json s = Json::parse(t->text, nullptr, false);
                if (s.is_discarded()) return fail(bad_string(t->text));
                return s;
            }
            default: return fail("expecting value");
        }
    }

    std::optional<Json> object() {
        Json out = Json::object();
        if (take('}')) return out;
        do {
            auto key = value();
            if (!key) return std::nullopt;
            if (!key->is_string()) return fail("key is not a string in object");
            if (!take(':')) return fail("missing : in object pair");
            auto v = value();
            if (!v) return std::nullopt;
            if (out.contains(key->get_ref<const std::string&>())) return fail("duplicate key");
            out[key->get_ref<const std::string&>()] = std::move(*v);
        } while (take(','));
        if (!take('}')) return fail("expected separator in dict");
        return out;
    }

    std::optional<Json> array() {
        Json out = Json::array();
        if (take(']')) return out;
        do {
            auto v = value();
            if (!v) return std::nullopt;
            out.push_back(std::move(*v));
        } while (take(','));
        if (!take(']')) return fail("expected separator in list");
        return out;
    }

    static std::string bad_string(std::string_view text) {
        for (std::size_t i = 0; i + 1 < text.size(); ++i) {
            if (text[i] != '\\') continue;
            if (std::string_view("\"\\/bfnrtu").find(text[++i]) == std::string_view::npos) return "invalid escape sequence in string";
        }
        return text.find("\\u") != std::string_view::npos ? "a \\u escape is not a valid Unicode character" : "invalid UTF-8 sequence in string";
    }

    const std::vector<JsonStream::Token>& tokens_;
    std::size_t at_ = 0;
    std::string error_;
};

}  // namespace

void JsonStream::feed(std::string_view bytes) {
    for (const char c : bytes) put(c);
}

void JsonStream::put(char c) {
    if (never_in_utf8(c)) return stray(std::exchange(text_, {}) + c);
    if (++bytes_ > kMostBytes && !too_much_) {
        too_much_ = true;
        tokens_.clear();
        tokens_.shrink_to_fit();
        error("JSON message size limit exceeded");
    }
    switch (state_) {
        case State::Recovery:
            if (!structural(c) && !control(c)) return;
            state_ = State::Start;
            return start(c);
        case State::Start: return start(c);
        case State::String:
            if (c == quote_) {
                state_ = State::Start;
                return token('"', std::exchange(text_, {}) + '"');
            }
            if (control(c)) return stray(std::exchange(text_, {}) + c);
            if (c == '\\') {
                state_ = State::Escape;
                return;
            }
            if (too_much_) return;
            if (c == '"') text_ += '\\';
            text_ += c;
            return;
        case State::Escape:
            if (control(c)) return stray(std::exchange(text_, {}) + c);
            state_ = State::String;
            if (too_much_) return;
            if (c != '\'') text_ += '\\';
            text_ += c;
            return;
        case State::Keyword:
            if (lower(c)) {
                if (text_.size() < 32) text_ += c;
                return;
            }
            state_ = State::Start;
            token('a', std::exchange(text_, {}));
            return start(c);
        case State::Number:
            if (number(c)) return;
            return start(c);
    }
}

void JsonStream::start(char c) {
    if (blank(c)) {
        if (depth_ == 0) bytes_ = 0;
        return;
    }
    text_.clear();
    if (structural(c)) return token(c);
    if (c == '"' || c == '\'') {
        quote_ = c;
        text_ = '"';
        state_ = State::String;
    } else if (c == '-' || digit(c)) {
        text_ = c;
        number_ = c == '-' ? Number::Sign : next(Number::Sign, c);
        state_ = State::Number;
    } else if (lower(c)) {
        text_ = c;
        state_ = State::Keyword;
    } else {
        stray(std::string(1, c));
    }
}

// False: the number is over, and `c` not part of it.
bool JsonStream::number(char c) {
    const Number after = next(number_, c);
    if (after != Number::Bad && text_.size() < kLongestNumber) {
        number_ = after;
        text_ += c;
        return true;
    }
    if (!whole(number_) || digit(c)) {
        stray(std::exchange(text_, {}) + c);
        return true;
    }
    state_ = State::Start;
    token('0', std::exchange(text_, {}));
    return false;
}

void JsonStream::token(char kind, std::string text) {
    if (kind == '{' || kind == '[') ++depth_;
    if ((kind == '}' || kind == ']') && depth_ == 0) {
        drop();
        return error("JSON parse error, expecting value");
    }
    if (kind == '}' || kind == ']') --depth_;
    if (!too_much_ && (depth_ > kDeepest || tokens_.size() >= kMostTokens)) {
        // As in QEMU nothing of it counts any more, not even its brackets.
        const bool deep = depth_ > kDeepest;
        drop();
        return error(deep ? "JSON nesting depth limit exceeded" : "JSON token count limit exceeded");
    }
    if (!too_much_) tokens_.push_back({kind, std::move(text)});
    if (depth_ > 0) return;
    const auto tokens = std::exchange(tokens_, {});
    const bool whole_message = !too_much_;
    drop();
    if (!whole_message) return;
    Parser parser(tokens);
    auto parsed = parser.parse();
    if (parsed) value(std::move(*parsed));
    else error("JSON parse error, " + parser.error());
}

void JsonStream::stray(std::string text) {
    const bool said = too_much_;
    drop();
    state_ = State::Recovery;
    if (text.size() > 80) text.resize(80);
    if (!said) error("JSON parse error, stray '" + text + "'");
}

void JsonStream::drop() {
    state_ = State::Start;
    text_.clear();
    tokens_.clear();
    bytes_ = depth_ = 0;
    too_much_ = false;
}

namespace {

void write(std::string& out, const Json& v) {
    if (v.is_object()) {
        out += '{';
        bool first = true;
        for (const auto& [key, member] : v.items()) {
            if (!std::exchange(first, false)) out += ", ";
            out += Json(key).dump(-1, ' ', true, Json::error_handler_t::replace) + ": ";
            write(out, member);
        }
        out += '}';
    } else if (v.is_array()) {
        out += '[';
        bool first = true;
        for (const auto& element : v) {
            if (!std::exchange(first, false)) out += ", ";
            write(out, element);
        }
        out += ']';
    } else {
        out += v.dump(-1, ' ', true, Json::error_handler_t::replace);
    }
}

}  // namespace

std::string to_line(const Json& value) {
    std::string out;
    write(out, value);
    return out;
}

}  // namespace vmm::monitor
