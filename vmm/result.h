// SPDX-License-Identifier: Apache-2.0
// What a function that depends on the host or the user returns: a value, or one sentence that names the file or option.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "vmm/check.h"

namespace vmm {

struct Error {
    std::string text;  // one sentence, no newline, no "error:" in front
};

template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value) : value_(std::move(value)) {}        // NOLINT: implicit by design
    Result(Error error) : value_(std::move(error)) {}    // NOLINT
    explicit operator bool() const { return value_.index() == 0; }
    T& operator*() { CHECK(*this, "value of a failed Result"); return std::get<0>(value_); }
    const T& operator*() const { CHECK(*this, "value of a failed Result"); return std::get<0>(value_); }
    T* operator->() { return &**this; }
    const T* operator->() const { return &**this; }
    const Error& error() const { return std::get<1>(value_); }

  private:
    std::variant<T, Error> value_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}    // NOLINT
    explicit operator bool() const { return !error_; }
    const Error& error() const { return *error_; }

  private:
    std::optional<Error> error_;
};

}  // namespace vmm
