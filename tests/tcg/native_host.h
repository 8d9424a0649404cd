// SPDX-License-Identifier: Apache-2.0
// The native runner as seen from a test: give it cases, get results.
#pragma once

#include <sys/types.h>

#include <span>

#include "tests/tcg/native_protocol.h"

namespace vmm::test {

class NativeHost {
  public:
    NativeHost();
    ~NativeHost();
    NativeHost(const NativeHost&) = delete;
    NativeHost& operator=(const NativeHost&) = delete;

    // Contents of test memory before each case.
    void set_memory(std::span<const std::uint8_t> data, std::span<const std::uint8_t> read_only);

    NativeCase& slot(unsigned i) { return shared_->cases[i]; }
    // Runs the first `count` slots; false when the runner died.
    bool run(unsigned count);
    const NativeResult& result(unsigned i) const { return shared_->results[i]; }
    // Data memory as the last case of a run left it.
    const std::uint8_t* data() const { return shared_->data; }

  private:
    Shared* shared_ = nullptr;
    pid_t child_ = -1;
    int to_child_ = -1, from_child_ = -1;
};

}  // namespace vmm::test
