// SPDX-License-Identifier: Apache-2.0
// CharMux: one host line shared by several front ends, with Ctrl-A keys: h help, x quit, c next front end, b break,
// t time stamps, s nothing (there are no disks to save: what a guest wrote is in its images), Ctrl-A itself.
//
// Output of all front ends goes out as it comes; input goes to the one in focus, the first at start. The keys work while a
// guest takes no input: up to kBuffer bytes wait here.
#pragma once

#include <deque>
#include <mutex>
#include <vector>

#include "serial/char_backend.h"

namespace vmm {

class CharMux final : private CharInput {
  public:
    CharMux(std::unique_ptr<CharBackend> below, const CharHost& host);
    ~CharMux() override;
    CharMux(const CharMux&) = delete;
    CharMux& operator=(const CharMux&) = delete;

    CharLine& add(std::string name);                    // before the machine runs; lives as long as the mux
    CharBackend& below() { return *below_; }

  private:
    static constexpr std::size_t kBuffer = 65536;
    static constexpr int kBreak = -1;

    class Line final : public CharLine {
      public:
        Line(CharMux& mux, std::string name) : mux_(mux), name_(std::move(name)) {}
        void write(std::string_view data) override { mux_.write(data); }
        void connect(CharInput* input) override;
        bool terminal() const override { return mux_.below_->terminal(); }

      private:
        friend class CharMux;
        CharMux& mux_;
        std::string name_;
        CharInput* input_ = nullptr;                    // I/O thread, like the rest
        std::deque<int> waiting_;
    };

    // From below, on the I/O thread.
    std::size_t room() override;
    void bytes(std::string_view data) override;

    void key(char c);
    void queue(int item);
    bool can_drain();
    void drain();
    void next_focus();
    void write(std::string_view data);
    std::string stamp();

    CharHost host_;
    std::unique_ptr<CharBackend> below_;
    std::vector<std::unique_ptr<Line>> lines_;          // I/O thread
    std::size_t focus_ = 0;
    std::size_t waiting_ = 0;
    bool escaped_ = false;

    std::mutex mutex_;                                  // output
    bool stamps_ = false;
    bool line_begins_ = true;
    gint64 stamp_zero_ = 0;

    IoSource drain_source_;
};

}  // namespace vmm
