// SPDX-License-Identifier: Apache-2.0
#include "serial/char_mux.h"

#include <array>
#include <cstdio>

namespace vmm {
namespace {

constexpr char kEscape = 0x01;   // Ctrl-A

constexpr const char* kHelp =
    "\n"
    "Ctrl-A h   this list\n"
    "Ctrl-A x   quit\n"
    "Ctrl-A c   switch between serial line and monitor\n"
    "Ctrl-A b   send a break to the guest\n"
    "Ctrl-A t   time stamps on or off\n"
    "Ctrl-A s   nothing, kept for old fingers\n"
    "Ctrl-A Ctrl-A   send Ctrl-A\n";

}  // namespace

CharMux::CharMux(std::unique_ptr<CharBackend> below, const CharHost& host)
    : host_(host),
      below_(std::move(below)),
      drain_source_(host.io, -1, [this] { return can_drain(); }, [this] { drain(); }) {
    below_->connect(this);
}

CharMux::~CharMux() { below_->connect(nullptr); }

CharLine& CharMux::add(std::string name) {
    Line* line = nullptr;
    host_.io.run_wait([&] {
        lines_.push_back(std::make_unique<Line>(*this, std::move(name)));
        line = lines_.back().get();
    });
    return *line;
}

void CharMux::Line::connect(CharInput* input) {
    mux_.host_.io.run_wait([&] {
        input_ = input;
        if (input != nullptr && mux_.lines_[mux_.focus_].get() == this) input->focus(true);
    });
    mux_.host_.io.wake();
}

std::size_t CharMux::room() { return waiting_ < kBuffer ? kBuffer - waiting_ : 0; }

void CharMux::bytes(std::string_view data) {
    for (const char c : data) {
        if (escaped_) {
            escaped_ = false;
            key(c);
        } else if (c == kEscape) {
            escaped_ = true;
        } else {
            queue(static_cast<u8>(c));
        }
    }
    drain();
}

void CharMux::key(char c) {
    switch (c) {
        case kEscape: queue(kEscape); break;
        case 'h':
        case '?': write(kHelp); break;
        case 'x':
            below_->give_up();                          // a stalled writer must not hold up the end
            if (host_.quit) host_.quit();
            break;
        case 'c': next_focus(); break;
        case 'b': queue(kBreak); break;
        case 't': {
            const std::lock_guard lock(mutex_);
            stamps_ = !stamps_;
            stamp_zero_ = 0;
            break;
        }
        default: break;                                 // 's' and what means nothing
    }
}

void CharMux::queue(int item) {
    if (lines_.empty() || lines_[focus_]->input_ == nullptr) return;
    lines_[focus_]->waiting_.push_back(item);
    ++waiting_;
}

bool CharMux::can_drain() {
    for (const auto& line : lines_)
        if (!line->waiting_.empty() && (line->input_ == nullptr || line->input_->room() > 0)) return true;
    return false;
}

void CharMux::drain() {
    for (const auto& line : lines_) {
        auto& items = line->waiting_;
        if (line->input_ == nullptr) {
            waiting_ -= items.size();
            items.clear();
        }
        while (!items.empty()) {
            const std::size_t room = line->input_->room();
            if (room == 0) break;
            std::string run;
            while (!items.empty() && items.front() != kBreak && run.size() < room) {
                run.push_back(static_cast<char>(items.front()));
                items.pop_front();
            }
            if (run.empty()) {
                items.pop_front();
                --waiting_;
                line->input_->send_break();
            } else {
                waiting_ -= run.size();
                line->input_->bytes(run);
            }
        }
    }
}

void CharMux::next_focus() {
    if (lines_.size() < 2) return;
    if (CharInput* old = lines_[focus_]->input_) old->focus(false);
    focus_ = (focus_ + 1) % lines_.size();
    if (CharInput* now = lines_[focus_]->input_) now->focus(true);
}

void CharMux::write(std::string_view data) {
    const std::lock_guard lock(mutex_);
    if (!stamps_) {
        if (!data.empty()) line_begins_ = data.back() == '\n';
        below_->write(data);
        return;
    }
    std::string out;
    for (const char c : data) {
        if (line_begins_) out += stamp();
        line_begins_ = c == '\n';
        out.push_back(c);
    }
    below_->write(out);
}

// Host time since the first stamp; for the reader's eyes only.
std::string CharMux::stamp() {
    const gint64 now = g_get_monotonic_time();
    if (stamp_zero_ == 0) stamp_zero_ = now;
    const gint64 ms = (now - stamp_zero_) / 1000;
    std::array<char, 48> text{};
    std::snprintf(text.data(), text.size(), "[%02d:%02d:%02d.%03d] ", static_cast<int>(ms / 3'600'000 % 100),
                  static_cast<int>(ms / 60'000 % 60), static_cast<int>(ms / 1000 % 60), static_cast<int>(ms % 1000));
    return text.data();
}

}  // namespace vmm
