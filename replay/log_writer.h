// SPDX-License-Identifier: Apache-2.0
// LogWriter: a recording being made. The machine thread hands in what happened and goes on; a thread of its own packs it into
// chunks and writes them: every 100 ms, or as soon as 64 KiB wait; to the disk itself every second. The machine thread waits only
// while kMostQueued bytes are waiting to be written.
//
// When the file cannot be written there is trouble() until try_again() says otherwise; nothing is lost meanwhile, and nothing
// waits, so that the machine can be paused. Document: docs/recording-format.md, "Writing".
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>

#include "replay/log_file.h"
#include "replay/log_format.h"

namespace vmm::replay {

class LogWriter {
  public:
    static constexpr std::size_t kMostQueued = 64u << 20;

    // Replaces a file of this name that is itself a recording or empty; refuses to overwrite anything else.
    static Result<std::unique_ptr<LogWriter>> create(const std::string& path, const Header& header);
    ~LogWriter();
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;

    // --- machine thread; positions never go back
    void event(Event event);
    void parts(const Parts& parts);              // once, before the first hash
    void hash(const HashMark& mark);
    void reached(Icount now);                    // all events before `now` were given
    void chunk(ChunkType type, std::string payload, Icount at);   // one that may be skipped
    void end(const End& end);                    // the last; returns when it is on the disk, or cannot be
    void flush();                                // returns when all that was given is in the file, or cannot be

    std::optional<Error> trouble() const;
    bool try_again();                            // false: still

  private:
    struct PartsAt : Parts {
        Icount at{};
    };
    struct Chunk {
        ChunkType type;
        std::string payload;
        Icount at{};
    };
    using Item = std::variant<Event, HashMark, PartsAt, Chunk, End>;

    LogWriter(std::unique_ptr<LogFile> file, Icount begins)
        : file_(std::move(file)), packed_to_(begins), now_(begins), taken_to_(begins) {}
    static std::size_t bytes_of(const Item& item);
    void give(Item item);
    void work();
    void wait_for_work(std::unique_lock<std::mutex>& lock);
    void pack(std::vector<Item> items, Icount upto);      // into chunks for the file
    void pack_events(std::vector<Event>& events, Icount upto);

    // --- the writing thread's
    std::unique_ptr<LogFile> file_;
    Icount packed_to_{};
    PartHashes last_hashes_;                              // in the file
    u64 next_write_ns_ = 0, next_sync_ns_ = 0;            // host time

    // --- shared
    mutable std::mutex mutex_;
    std::condition_variable wake_, done_;
    std::vector<Item> queue_;
    std::size_t queued_ = 0;                              // bytes in queue_
    Icount now_{}, taken_to_{};
    u64 asked_ = 0, answered_ = 0;                        // flushes
    bool idle_ = false, again_ = false, leave_ = false, to_disk_ = false;
    std::atomic<bool> in_trouble_{false};
    std::optional<Error> error_;
    std::thread thread_;
};

}  // namespace vmm::replay
