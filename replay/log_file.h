// SPDX-License-Identifier: Apache-2.0
// LogFile: a file to which whole chunks are appended, and which survives what happens to files. After an error (a full disk, a file
// that was deleted) it holds whole chunks only, and nothing is lost: what is not known to be on the disk is kept, and write() goes on
// where it stood. One thread at a time. Document: docs/recording-format.md, "Writing".
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "vmm/result.h"
#include "vmm/types.h"

namespace vmm::replay {

class LogFile {
  public:
    // Replaces a file of this name that is itself a recording or empty; refuses to overwrite anything else.
    static Result<std::unique_ptr<LogFile>> create(const std::string& path);
    ~LogFile();
    LogFile(const LogFile&) = delete;
    LogFile& operator=(const LogFile&) = delete;

    void add(std::string chunk);
    // Writes what was added. An error: what is missing is written by the next call.
    std::optional<Error> write();
    // ... and brings it to the disk. After an error everything since the last good call is written again.
    std::optional<Error> sync();
    bool synced() const { return chunks_.empty(); }
    u64 unsynced_bytes() const { return unsynced_bytes_; }

  private:
    LogFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
    Error wrong(const std::string& what) const { return Error{path_ + ": " + what}; }
    std::optional<Error> write_all(int fd, std::string_view bytes, u64 offset) const;
    std::optional<Error> find_again();       // a deleted file is an error once, and then is written anew

    int fd_;
    const std::string path_;
    bool regular_ = false, deleted_ = false;
    std::deque<std::string> chunks_;         // that are not known to be on the disk
    std::size_t written_ = 0;                // of these
    u64 synced_ = 0, end_ = 0;               // offsets of the first of these, and of the first that is not written
    u64 unsynced_bytes_ = 0;
};

}  // namespace vmm::replay
