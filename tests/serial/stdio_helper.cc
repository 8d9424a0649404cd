// SPDX-License-Identifier: Apache-2.0
// A program with a serial line on its terminal, for the tests: echoes what it receives in <>, reports keys and modes.
//   stdio_helper mux|plain [hang|abort]
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "serial/char_devices.h"

namespace {

class Echo final : public vmm::CharInput {
  public:
    Echo(vmm::CharLine& line, std::string name, std::size_t room) : line_(line), name_(std::move(name)), room_(room) {}
    std::size_t room() override { return room_; }
    void bytes(std::string_view data) override {
        for (const char c : data) {
            line_.write(name_ + "<" + std::to_string(static_cast<unsigned>(c)) + ">\n");
            if (c == 'q') ::_exit(0);                  // leaves without destructors: not for terminals
        }
    }
    void send_break() override { line_.write(name_ + "<break>\n"); }
    void focus(bool on) override { if (name_ == "mon") line_.write(on ? "mon<in>\n" : "mon<out>\n"); }

  private:
    vmm::CharLine& line_;
    std::string name_;
    std::size_t room_;
};

}  // namespace

int main(int argc, char** argv) {
    const std::string mode = argc > 1 ? argv[1] : "plain";
    const std::string twist = argc > 2 ? argv[2] : "";
    std::atomic<bool> quit{false};
    vmm::IoThread io;
    vmm::CharDevices devices({io, {}, [&] { quit = true; }});
    const bool mux = mode == "mux";
    if (!devices.open({{.kind = vmm::CharKind::Stdio, .id = "s", .mux = mux, .signal = !mux}})) return 3;
    vmm::CharLine* serial = *devices.line("s", "serial0");
    Echo echo(*serial, "ser", twist == "hang" ? 0 : 1000);
    std::unique_ptr<Echo> monitor;
    vmm::CharLine* second = nullptr;
    serial->connect(&echo);
    if (mux) {
        second = *devices.line("s", "monitor");
        monitor = std::make_unique<Echo>(*second, "mon", 1000);
        second->connect(monitor.get());
    }
    serial->write("ready\n");
    if (twist == "abort") std::abort();
    for (int i = 0; i < 2000 && !quit; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    serial->connect(nullptr);
    if (second != nullptr) second->connect(nullptr);
    return quit ? 7 : 8;
}
