// SPDX-License-Identifier: Apache-2.0
// Cases on the Translator: a user program in a small protected-mode system whose exception handlers halt, so that whatever
// ends a case is seen where the guest would see it, in the frame on the stack of ring 0.
#pragma once

#include <memory>

#include "tests/tcg/user_engine.h"

namespace vmm::test {

std::unique_ptr<UserEngine> make_translator_engine();      // generated code
std::unique_ptr<UserEngine> make_interpreter_engine();     // the same translator, interpreting

}  // namespace vmm::test
