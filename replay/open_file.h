// SPDX-License-Identifier: Apache-2.0
// A file descriptor that is closed at the end of its scope; below 0 where there is none.
#pragma once

#include <unistd.h>

namespace vmm::replay {

class OpenFile {
  public:
    explicit OpenFile(int fd) : fd_(fd) {}
    ~OpenFile() {
        if (fd_ >= 0) ::close(fd_);
    }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    int fd() const { return fd_; }

  private:
    const int fd_;
};

}  // namespace vmm::replay
