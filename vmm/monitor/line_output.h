// SPDX-License-Identifier: Apache-2.0
// LineOutput: what a monitor says, on its way to a character line that may take its time. Writing to a line waits for its
// reader; a thread of its own does that, so that a client which does not read holds up nobody else.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "serial/char_backend.h"

namespace vmm::monitor {

class LineOutput {
  public:
    explicit LineOutput(CharLine& line);
    ~LineOutput();                             // writes what is left, as far as the line takes it
    LineOutput(const LineOutput&) = delete;
    LineOutput& operator=(const LineOutput&) = delete;

    // Whole messages only: while kMost bytes wait, further ones are lost. Any thread.
    void send(std::string message);
    void forget();                             // what was for a client that has gone

  private:
    static constexpr std::size_t kMost = std::size_t{8} << 20;
    void run();

    CharLine& line_;
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<std::string> waiting_;
    std::size_t bytes_ = 0;
    bool over_ = false;
    std::thread thread_;
};

}  // namespace vmm::monitor
