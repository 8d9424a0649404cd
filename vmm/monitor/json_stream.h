// SPDX-License-Identifier: Apache-2.0
// JsonStream: finds where one JSON value ends and the next begins in a stream of bytes, as they come. Pure; what a value says is
// for the parser behind it. A client may send anything: no more than kMost bytes of one value are kept, and a value that cannot
// become one (a stray bracket) ends at once, so that the stream finds its feet again.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace vmm::monitor {

class JsonStream {
  public:
    static constexpr std::size_t kMost = std::size_t{1} << 20;

    // Called for each value: its text; `whole` is false for what is too long or broken.
    using Value = std::function<void(std::string_view text, bool whole)>;
    void feed(std::string_view bytes, const Value& value);
    void reset();

  private:
    void add(char c, const Value& value);
    void end(const Value& value, bool whole);

    std::string text_;
    std::string nesting_;              // the brackets that are open
    bool in_string_ = false, escaped_ = false, skipping_ = false;
};

}  // namespace vmm::monitor
