// SPDX-License-Identifier: Apache-2.0
#include "vmm/printed_text.h"

#include <algorithm>

namespace vmm {

void PrintedText::add(unsigned line, Icount at, std::span<const u8> bytes) {
    Line& to = lines_[line];
    for (const u8 byte : bytes) {
        if (byte == '\r' || to.text.size() >= kMost) continue;
        to.text.push_back(static_cast<char>(byte));
        to.at.push_back(at);
    }
}

std::optional<Icount> PrintedText::next(std::string_view text, Icount from) const {
    std::optional<Icount> best;
    for (const Line& line : lines_) {
        if (text.empty() || line.text.size() < text.size()) continue;
        // The first character that came out later may be the last of the text.
        const auto later = static_cast<std::size_t>(std::upper_bound(line.at.begin(), line.at.end(), from) - line.at.begin());
        const std::size_t found = line.text.find(text, later >= text.size() - 1 ? later - (text.size() - 1) : 0);
        if (found == std::string::npos) continue;
        const Icount at = line.at[found + text.size() - 1];
        if (!best || at < *best) best = at;
    }
    return best;
}

std::optional<Icount> PrintedText::last(std::string_view text, Icount from) const {
    std::optional<Icount> best;
    for (const Line& line : lines_) {
        const auto before = static_cast<std::size_t>(std::lower_bound(line.at.begin(), line.at.end(), from) - line.at.begin());
        if (text.empty() || before < text.size()) continue;
        const std::size_t found = line.text.rfind(text, before - text.size());
        if (found == std::string::npos) continue;
        const Icount at = line.at[found + text.size() - 1];
        if (!best || at > *best) best = at;
    }
    return best;
}

bool PrintedText::full() const {
    return std::any_of(lines_.begin(), lines_.end(), [](const Line& line) { return line.text.size() >= kMost; });
}

}  // namespace vmm
