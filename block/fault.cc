// SPDX-License-Identifier: Apache-2.0
#include "block/fault.h"

#include <cerrno>
#include <charconv>

namespace vmm::block {
namespace {

bool number(std::string_view text, u64& out) {
    const auto r = std::from_chars(text.data(), text.data() + text.size(), out);
    return r.ec == std::errc() && r.ptr == text.data() + text.size();
}

std::string_view next(std::string_view& text, char separator) {
    const auto at = text.find(separator);
    const auto part = text.substr(0, at);
    text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
    return part;
}

bool parse(std::string_view text, FaultRule& rule) {
    const auto op = next(text, ':');
    if (op == "read") rule.op = Op::Read;
    else if (op == "write") rule.op = Op::Write;
    else if (op == "flush") rule.op = Op::Flush;
    else return false;
    rule.error = EIO;
    bool sectors = false, error = false, times = false;
    while (!text.empty()) {
        auto part = next(text, ':');
        if (part == "eio" || part == "enospc") {
            if (std::exchange(error, true)) return false;
            rule.error = part == "eio" ? EIO : ENOSPC;
        } else if (!sectors && !error && rule.op != Op::Flush) {
            sectors = true;
            const bool range = part.find('-') != std::string_view::npos;
            if (!number(next(part, '-'), rule.first)) return false;
            rule.last = rule.first;
            if (range && !number(part, rule.last)) return false;
            if (rule.last < rule.first) return false;
        } else {
            if (std::exchange(times, true) || !number(part, rule.times)) return false;
        }
    }
    return true;
}

}  // namespace

Result<std::vector<FaultRule>> parse_faults(std::string_view text) {
    std::vector<FaultRule> rules;
    while (!text.empty()) {
        const auto part = next(text, '+');
        FaultRule rule;
        if (!parse(part, rule)) return Error{"a fault is OP[:FIRST[-LAST]][:ERROR][:TIMES], as in read:2048-2055:eio:3, not '" + std::string(part) + "'"};
        rules.push_back(rule);
    }
    return rules;
}

int Fault::error_for(const Request& request) {
    const u64 length = request.op == Op::Write ? request.data.size() : request.length;
    const u64 first = request.offset / kSector, end = first + length / kSector;
    const std::lock_guard lock(mutex_);
    for (FaultRule& rule : rules_) {
        if (rule.op != request.op || rule.times == 0) continue;
        if (rule.op != Op::Flush && (end <= rule.first || first > rule.last)) continue;
        if (rule.times != ~u64{0}) --rule.times;
        return rule.error;
    }
    return 0;
}

void Fault::submit(Request request, Done done) {
    if (const int error = error_for(request); error != 0) return done({error, {}});
    base_->submit(std::move(request), std::move(done));
}

}  // namespace vmm::block
