// SPDX-License-Identifier: Apache-2.0
// What runs a case on our side: the translator, generating code or interpreting (translator_engine.h).
#pragma once

#include <memory>
#include <span>

#include "tests/tcg/native_protocol.h"
#include "vmm/cpu_state.h"

namespace vmm::test {

class UserEngine {
  public:
    virtual ~UserEngine() = default;
    virtual void set_memory(std::span<const u8> data, std::span<const u8> read_only) = 0;
    // One instruction (a REP to its end, or `repeat` iterations), from test memory as set.
    virtual NativeResult run_case(const NativeCase& c) = 0;
    virtual const u8* data() const = 0;      // as the last case left it
};

// A selector of the native runner as our segment register, and the other way round.
Segment segment_of(u16 selector);

}  // namespace vmm::test
