// SPDX-License-Identifier: Apache-2.0
#include "vmm/program/progress.h"

#include <algorithm>
#include <cstdio>

#include "vmm/host_clock.h"

namespace vmm {
namespace {

constexpr unsigned kEveryMs = 250;

std::string steps(double n) {
    char text[32];
    std::snprintf(text, sizeof text, n < 1e6 ? "%.0f" : "%.2g", n);
    std::string out = text;
    if (const auto plus = out.find("e+0"); plus != std::string::npos) out.erase(plus + 1, 2);
    return out;
}

}  // namespace

std::string progress_text(Icount at, Icount end, double speed) {
    const auto whole = static_cast<double>(end.v), done = static_cast<double>(std::min(at, end).v);
    const int percent = end.v == 0 ? 100 : static_cast<int>(100 * done / whole);
    std::string out = "replay: " + std::to_string(percent) + " % of " + steps(whole) + " steps";
    if (speed < 1) return out;
    return out + ", " + steps(speed) + " steps/s, " + std::to_string(static_cast<u64>((whole - done) / speed + 0.5)) + " s left";
}

Progress::Progress(IoThread& io, const Control& control, Icount end)
    : control_(control), end_(end), last_ns_(host_ns()), ticker_(std::make_unique<IoTicker>(io, kEveryMs, [this] { show(); })) {}

Progress::~Progress() {
    ticker_.reset();
    if (shown_) std::fputs("\r\x1b[K", stderr);
}

void Progress::show() {
    const u64 now = host_ns();
    const Icount at = control_.position();
    if (control_.running() && at > last_) {
        const double speed = static_cast<double>(at - last_) * 1e9 / static_cast<double>(std::max<u64>(now - last_ns_, 1));
        speed_ = speed_ == 0 ? speed : (3 * speed_ + speed) / 4;
    }
    last_ = at;
    last_ns_ = now;
    std::fprintf(stderr, "\r%s\x1b[K", (control_.running() ? progress_text(at, end_, speed_) : "replay: paused at icount " + std::to_string(at.v)).c_str());
    shown_ = true;
}

}  // namespace vmm
