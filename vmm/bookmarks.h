// SPDX-License-Identifier: Apache-2.0
// Bookmarks: positions with names, to come back to. Who holds the recording keeps them in its file. Machine thread only.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "vmm/result.h"
#include "vmm/types.h"

namespace vmm {

struct Bookmark {
    std::string name;
    Icount at{};
};

class Bookmarks {
  public:
    static constexpr std::size_t kLongestName = 200;
    // Into the recording's file: a name with its position, or that it is gone.
    using Keep = std::function<Result<void>(const Bookmark& bookmark, bool gone)>;

    void set_keep(Keep keep) { keep_ = std::move(keep); }
    void load(const Bookmark& bookmark) { all_[bookmark.name] = bookmark.at; }

    // An error: it is kept until the program ends, and why not longer.
    Result<void> set(const Bookmark& bookmark) {
        load(bookmark);
        return keep_(bookmark, false);
    }
    Result<void> remove(const std::string& name) {
        const auto it = all_.find(name);
        if (it == all_.end()) return Error{"there is no bookmark '" + name + "'"};
        const Bookmark gone{name, it->second};
        all_.erase(it);
        return keep_(gone, true);
    }
    const std::map<std::string, Icount>& all() const { return all_; }

  private:
    std::map<std::string, Icount> all_;
    Keep keep_ = [](const Bookmark&, bool) { return Result<void>(Error{"this run has no file to keep it in"}); };
};

}  // namespace vmm
