// SPDX-License-Identifier: Apache-2.0
// CharDevices: every -chardev of a machine by id, opened once, and handed to its users.
#pragma once

#include <map>

#include "serial/char_mux.h"

namespace vmm {

class CharDevices {
  public:
    explicit CharDevices(CharHost host) : host_(std::move(host)) {}

    // Opens in order; the first failure ends it and names the id.
    Result<void> open(const std::vector<CharConfig>& configs);
    // The line for one user. A device without mux has one user only. `user` names it in errors: "serial0".
    Result<CharLine*> line(const std::string& id, const std::string& user);
    void give_up();                                     // before the end: no writer waits any more

    struct Info { std::string id, where; };
    std::vector<Info> info() const;

  private:
    struct Entry {
        std::unique_ptr<CharBackend> plain;             // one of the two
        std::unique_ptr<CharMux> mux;
        std::string user;
        CharBackend& backend() const { return plain ? *plain : mux->below(); }
    };
    CharHost host_;
    std::map<std::string, Entry> entries_;
};

}  // namespace vmm
