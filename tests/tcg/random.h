// SPDX-License-Identifier: Apache-2.0
// Random numbers for test generators: splitmix64, whose state is one number, so that any case can be made again by itself.
#pragma once

#include "vmm/types.h"

namespace vmm::test {

class SplitMix {
  public:
    using result_type = u32;
    explicit SplitMix(u64 seed) : state_(seed) {}
    SplitMix(u64 seed, u64 stream) : state_(mix(seed) ^ stream * kGamma) {}
    u32 operator()() { return static_cast<u32>(mix(state_ += kGamma) >> 32); }
    static constexpr u32 min() { return 0; }
    static constexpr u32 max() { return ~u32{0}; }

  private:
    static constexpr u64 kGamma = 0x9e3779b97f4a7c15;
    static u64 mix(u64 z) {
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }
    u64 state_;
};

}  // namespace vmm::test
