// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/human_monitor.h"

#include <utility>

namespace vmm::monitor {
namespace {

constexpr const char* kPrompt = "(vmm) ";
constexpr char ctrl(char letter) { return static_cast<char>(letter - '@'); }

// A terminal in raw mode wants both.
std::string with_returns(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\n') out.push_back('\r');
        out.push_back(c);
    }
    return out;
}

}  // namespace

HumanMonitor::HumanMonitor(CharLine& line, Control& control, const CommandTable& table)
    : line_(line), control_(control), table_(table), output_(line) {
    line_.connect(this);
}

HumanMonitor::~HumanMonitor() { line_.connect(nullptr); }

void HumanMonitor::peer(bool there) {
    text_.clear();
    cursor_ = 0;
    if (!there) return output_.forget();
    greet();
}

void HumanMonitor::focus(bool here) {
    if (!here) return;
    if (!std::exchange(greeted_, true)) return greet();
    output_.send("\r\n");
    redraw();
}

void HumanMonitor::greet() {
    greeted_ = true;
    output_.send("vmm " VMM_VERSION " monitor - type 'help' for more information\r\n");
    prompt();
}

void HumanMonitor::prompt() { output_.send(kPrompt); }

void HumanMonitor::bytes(std::string_view data) {
    for (const char c : data) key(c);
}

void HumanMonitor::redraw() {
    std::string out = "\r\x1b[K" + (kPrompt + text_);
    if (cursor_ < text_.size()) out += "\x1b[" + std::to_string(text_.size() - cursor_) + "D";
    output_.send(out);
}

void HumanMonitor::key(char c) {
    if (!escape_.empty()) return escape(c);
    const bool after_return = std::exchange(after_return_, c == '\r');
    switch (c) {
        case '\x1b': escape_ = c; return;
        case '\n':
            if (after_return) return;
            [[fallthrough]];
        case '\r': return enter();
        case '\t': return complete();
        case ctrl('A'): cursor_ = 0; break;
        case ctrl('E'): cursor_ = text_.size(); break;
        case ctrl('B'): cursor_ -= cursor_ > 0 ? 1 : 0; break;
        case ctrl('F'): cursor_ += cursor_ < text_.size() ? 1 : 0; break;
        case ctrl('P'): return recall(-1);
        case ctrl('N'): return recall(1);
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
        case ctrl('C'):
            control_.interrupt();
            text_.clear();
            cursor_ = 0;
            output_.send("^C\r\n");
            break;
        case ctrl('D'):
            if (cursor_ < text_.size()) text_.erase(cursor_, 1);
            break;
        case '\x7f':
        case '\b':
            if (cursor_ > 0) text_.erase(--cursor_, 1);
            break;
        default:
            if (static_cast<unsigned char>(c) < 0x20 || text_.size() >= kLongest) return;
            text_.insert(cursor_++, 1, c);
            if (cursor_ == text_.size()) return output_.send(std::string(1, c));
    }
    redraw();
}

void HumanMonitor::escape(char c) {
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

void HumanMonitor::recall(int by) {
    if (recalled_ == history_.size()) typed_ = text_;
    if ((by < 0 && recalled_ == 0) || (by > 0 && recalled_ == history_.size())) return;
    recalled_ += static_cast<std::size_t>(by);
    text_ = recalled_ == history_.size() ? typed_ : history_[recalled_];
    cursor_ = text_.size();
    redraw();
}

void HumanMonitor::complete() {
    const std::vector<std::string> names = table_.complete(text_);
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
        output_.send(list + "\r\n");
    }
    redraw();
}

void HumanMonitor::enter() {
    output_.send("\r\n");
    const std::string line = std::exchange(text_, {});
    cursor_ = 0;
    if (line.find_first_not_of(' ') == std::string::npos) return prompt();
    if (history_.empty() || history_.back() != line) history_.push_back(line);
    if (history_.size() > kRemembered) history_.erase(history_.begin());
    recalled_ = history_.size();
    control_.post([this, line] {
        table_.run(line, {control_, [this](std::string_view text) { output_.send(with_returns(text)); }, [this] { prompt(); }});
    });
}

}  // namespace vmm::monitor
