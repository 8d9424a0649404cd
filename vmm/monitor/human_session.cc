// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/human_session.h"

#include <utility>

namespace vmm::monitor {
namespace {

constexpr const char* kPrompt = "(vmm) ";
constexpr char kInterrupt = 0x03;

}  // namespace

HumanSession::HumanSession(const Host& host, Wire wire)
    : host_(host),
      wire_(std::move(wire)),
      editor_(kPrompt, [this](const std::string& text) { wire_.send(text); },
              [this](std::string_view begun) { return host_.commands.complete(begun); }) {}

void HumanSession::begin() {
    print("vmm " VMM_VERSION " monitor - type 'help' for more information\n");
    prompt();
}

void HumanSession::again() {
    print("\n");
    if (!busy_) wire_.terminal ? editor_.redraw() : prompt();
}

void HumanSession::prompt() { wire_.send(kPrompt); }

// A terminal in raw mode wants both.
void HumanSession::print(const std::string& text) {
    if (!wire_.terminal) return wire_.send(text);
    std::string out;
    for (const char c : text) {
        if (c == '\n') out.push_back('\r');
        out.push_back(c);
    }
    wire_.send(out);
}

void HumanSession::bytes(std::string_view data) {
    if (wire_.terminal) {
        if (const auto at = data.rfind(kInterrupt); at != std::string_view::npos) {
            host_.op.control().interrupt();
            held_.clear();
            editor_.clear();
            data.remove_prefix(at + 1);
            print("^C\n");
            if (!busy_) prompt();
        }
    }
    held_ += data;
    work();
}

void HumanSession::work() {
    std::size_t done = 0;
    while (!busy_ && done < held_.size()) {
        const char c = held_[done++];
        if (const auto line = wire_.terminal ? editor_.key(c) : plain(c)) run(*line);
    }
    held_.erase(0, done);
    wire_.changed();
}

std::optional<std::string> HumanSession::plain(char c) {
    if (c == '\n') return std::exchange(line_, {});
    if (static_cast<unsigned char>(c) >= 0x20 || c == '\t') {
        if (line_.size() < kLongest) line_ += c;
    }
    return std::nullopt;
}

void HumanSession::run(const std::string& line) {
    if (line.find_first_not_of(" \t") == std::string::npos) return prompt();
    busy_ = true;
    attendance_.begin(host_.op.control());
    auto printed = std::make_shared<std::size_t>(0);
    IoThread& io = host_.io;
    const auto weak = weak_from_this();
    auto on_io = [weak, &io](auto work) {
        io.run([weak, work] {
            if (const auto self = std::static_pointer_cast<HumanSession>(weak.lock())) work(*self);
        });
    };
    const Context context{host_.op.control(),
                          [on_io, printed](std::string_view text) {
                              const std::size_t before = *printed;
                              if (before > kMostPrinted) return;
                              *printed += text.size();
                              std::string piece(text);
                              if (*printed > kMostPrinted) piece = "\n... and more than can be shown\n";
                              on_io([piece](HumanSession& s) { s.print(piece); });
                          },
                          [on_io] {
                              on_io([](HumanSession& s) {
                                  s.busy_ = false;
                                  s.prompt();
                                  s.work();
                              });
                          }};
    host_.op.control().post([&commands = host_.commands, line, context] { commands.run(line, context); });
}

}  // namespace vmm::monitor
