// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/line_editor.h"

#include <utility>

namespace vmm::monitor {
namespace {
constexpr char ctrl(char letter) { return static_cast<char>(letter - '@'); }
}  // namespace

LineEditor::LineEditor(std::string prompt, std::function<void(std::string)> out, Complete complete)
    : prompt_(std::move(prompt)), out_(std::move(out)), complete_(std::move(complete)) {}

void LineEditor::prompt() { out_(prompt_); }

void LineEditor::clear() {
    text_.clear();
    cursor_ = 0;
}

void LineEditor::redraw() {
    std::string out = "\r\x1b[K" + (prompt_ + text_);
    if (cursor_ < text_.size()) out += "\x1b[" + std::to_string(text_.size() - cursor_) + "D";
    out_(out);
}

std::optional<std::string> LineEditor::key(char c) {
    if (!escape_.empty()) return escape(c), std::nullopt;
    const bool after_return = std::exchange(after_return_, c == '\r');
    switch (c) {
        case '\x1b': escape_ = c; return std::nullopt;
        case '\n':
            if (after_return) return std::nullopt;
            [[fallthrough]];
        case '\r': return enter();
        case '\t': return tab(), std::nullopt;
        case ctrl('A'): cursor_ = 0; break;
        case ctrl('E'): cursor_ = text_.size(); break;
        case ctrl('B'): cursor_ -= cursor_ > 0 ? 1 : 0; break;
        case ctrl('F'): cursor_ += cursor_ < text_.size() ? 1 : 0; break;
        case ctrl('P'): return recall(-1), std::nullopt;
        case ctrl('N'): return recall(1), std::nullopt;
        case ctrl('K'): text_.erase(cursor_); break;
        case ctrl('U'):
            text_.erase(0, cursor_);
            cursor_ = 0;
            break;
        case ctrl('W'): {
            std::size_t from = cursor_;
            while (from > 0 && text_[from - 1] == ' ') --from;
            while (from > 0 && text_[from - 1] != ' ') --from;
            text_.erase(from, cursor_ - from);
            cursor_ = from;
            break;
        }
        case ctrl('D'):
            if (cursor_ < text_.size()) text_.erase(cursor_, 1);
            break;
        case '\x7f':
        case '\b':
            if (cursor_ > 0) text_.erase(--cursor_, 1);
            break;
        default:
            if (static_cast<unsigned char>(c) < 0x20 || text_.size() >= kLongest) return std::nullopt;
            text_.insert(cursor_++, 1, c);
            if (cursor_ == text_.size()) return out_(std::string(1, c)), std::nullopt;
    }
    redraw();
    return std::nullopt;
}

void LineEditor::escape(char c) {
    escape_.push_back(c);
    if (escape_.size() == 2 && (c == '[' || c == 'O')) return;
    if (escape_.size() < 8 && (c == ';' || (c >= '0' && c <= '9'))) return;
    const std::string sequence = std::exchange(escape_, {}).substr(1);
    if (sequence == "[A" || sequence == "OA") return recall(-1);
    if (sequence == "[B" || sequence == "OB") return recall(1);
    if ((sequence == "[C" || sequence == "OC") && cursor_ < text_.size()) ++cursor_;
    if ((sequence == "[D" || sequence == "OD") && cursor_ > 0) --cursor_;
    if (sequence == "[H" || sequence == "OH" || sequence == "[1~") cursor_ = 0;
    if (sequence == "[F" || sequence == "OF" || sequence == "[4~") cursor_ = text_.size();
    if (sequence == "[3~" && cursor_ < text_.size()) text_.erase(cursor_, 1);
    redraw();
}

void LineEditor::recall(int by) {
    if (recalled_ == history_.size()) typed_ = text_;
    if ((by < 0 && recalled_ == 0) || (by > 0 && recalled_ == history_.size())) return;
    recalled_ += static_cast<std::size_t>(by);
    text_ = recalled_ == history_.size() ? typed_ : history_[recalled_];
    cursor_ = text_.size();
    redraw();
}

void LineEditor::tab() {
    const std::vector<std::string> names = complete_(text_);
    if (names.empty()) return;
    std::string common = names[0];
    for (const std::string& name : names) {
        std::size_t same = 0;
        while (same < common.size() && same < name.size() && common[same] == name[same]) ++same;
        common.resize(same);
    }
    if (common.size() > text_.size()) {
        text_ = common + (names.size() == 1 ? " " : "");
        cursor_ = text_.size();
    } else if (names.size() > 1) {
        std::string list = "\r\n";
        for (const std::string& name : names) list += name + "  ";
        out_(list + "\r\n");
    }
    redraw();
}

std::string LineEditor::enter() {
    out_("\r\n");
    std::string line = std::exchange(text_, {});
    cursor_ = 0;
    if (line.find_first_not_of(' ') != std::string::npos && (history_.empty() || history_.back() != line)) history_.push_back(line);
    if (history_.size() > kRemembered) history_.erase(history_.begin());
    recalled_ = history_.size();
    return line;
}

}  // namespace vmm::monitor
