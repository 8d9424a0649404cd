// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/json_stream.h"

namespace vmm::monitor {
namespace {
constexpr std::size_t kDeepest = 64;
bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
}  // namespace

void JsonStream::reset() { *this = {}; }

void JsonStream::feed(std::string_view bytes, const Value& value) {
    for (const char c : bytes) add(c, value);
}

void JsonStream::end(const Value& value, bool whole) {
    const std::string text = std::move(text_);
    reset();
    value(text, whole);
}

void JsonStream::add(char c, const Value& value) {
    // After a value that was given up: to the end of the line.
    if (skipping_) {
        if (c == '\n') reset();
        return;
    }
    if (text_.empty() && blank(c)) return;
    text_.push_back(c);
    bool broken = text_.size() > kMost;
    if (in_string_) {
        if (escaped_) escaped_ = false;
        else if (c == '\\') escaped_ = true;
        else if (c == '"') in_string_ = false;
        else broken |= static_cast<unsigned char>(c) < 0x20;
        if (!in_string_ && nesting_.empty()) return end(value, true);
    } else if (c == '"') {
        in_string_ = true;
    } else if (c == '{' || c == '[') {
        nesting_.push_back(c);
        broken |= nesting_.size() > kDeepest;
    } else if (c == '}' || c == ']') {
        if (nesting_.empty() || (nesting_.back() == '{') != (c == '}')) {
            broken = true;
        } else {
            nesting_.pop_back();
            if (nesting_.empty()) return end(value, true);
        }
    } else if (nesting_.empty() && blank(c)) {
        return end(value, true);       // a bare word or number
    }
    if (!broken) return;
    end(value, false);
    skipping_ = c != '\n';
}

}  // namespace vmm::monitor
