// SPDX-License-Identifier: Apache-2.0
// LogWriter: appends chunks to a recording.
//
// Events are gathered and go out as one chunk when flush() is called, at 64 KiB, and before a hash or the end, so that the
// order in the file is the order of positions. The first error of the host (disk full) stays; nothing is written after it.
// Missing: a thread of its own; a slow disk stalls the caller. Document: docs/recording-format.md, "Writing".
#pragma once

#include <memory>

#include "replay/log_format.h"

namespace vmm::replay {

class LogWriter {
  public:
    // Replaces a file of this name that is itself a recording or empty; refuses to overwrite anything else.
    static Result<std::unique_ptr<LogWriter>> create(const std::string& path, const Header& header);
    ~LogWriter();
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;

    void event(Event event);
    void flush(Icount now);                      // all events before `now` are written; no-op where the file says so already
    void hash(const HashMark& mark);
    void end(const End& end);                    // the last chunk; brings the file to the disk

    const std::optional<Error>& error() const { return error_; }

  private:
    LogWriter(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
    void write(std::string_view bytes);
    void fail(const std::string& what);

    int fd_;
    std::string path_;
    std::vector<Event> events_;
    std::size_t gathered_ = 0;                   // bytes of inputs in events_
    Icount written_to_{};
    std::optional<Error> error_;
};

}  // namespace vmm::replay
