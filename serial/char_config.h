// SPDX-License-Identifier: Apache-2.0
// CharConfig: where a serial port, monitor or debug console ends on the host, as the user spelt it. Plain data.
//
// Two spellings, both QEMU's: the short one of -serial, -monitor and -debugcon ("stdio", "tcp:localhost:4444,server"), and
// the long one of -chardev ("socket,id=a,host=localhost,port=4444,server=on").
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vmm/result.h"

namespace vmm {

enum class CharKind { Null, Stdio, File, Pty, Unix, Tcp };

struct CharConfig {
    CharKind kind = CharKind::Null;
    std::string id{};
    std::string path{};        // File, Unix
    std::string host{}, port{};  // Tcp; an empty host is every address when listening, else this machine
    bool server = false;       // Unix, Tcp: listen
    bool wait = true;          // a listening socket: wait for the first client before the machine starts
    bool nodelay = true;       // Tcp
    bool append = false;       // File
    bool mux = false;          // shared by several users, with Ctrl-A keys
    bool signal = true;        // Stdio: Ctrl-C ends the program; if false it goes to the guest

    bool operator==(const CharConfig&) const = default;
};

// What an argument of -serial, -monitor or -debugcon may say.
struct CharChoice {
    enum class What { None, Reference, Device } what = What::None;
    bool with_monitor = false;   // "mon:": the monitor shares the device
    CharConfig device;           // Device: without id
    std::string id;              // Reference: "chardev:ID"
};

// Errors name `option` ("-serial") and what is wrong in it.
Result<CharChoice> parse_char_short(std::string_view option, std::string_view text);
Result<CharConfig> parse_char_long(std::string_view option, std::string_view text);

// The long form, which parse_char_long reads back to the same.
std::string to_string(const CharConfig& config);

// "a,b=c,d=x,,y" -> {"a",""}, {"b","c"}, {"d","x,y"}: a doubled comma is a comma. `has_value` tells "a" from "a=".
struct KeyValue {
    std::string key, value;
    bool has_value = false;
};
std::vector<KeyValue> split_options(std::string_view text);
std::string escape_commas(std::string_view text);
Result<bool> parse_on_off(std::string_view option, const KeyValue& kv);   // "on", "yes", "true", or no value at all

}  // namespace vmm
