// SPDX-License-Identifier: Apache-2.0
#include "replay/log_writer.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include "vmm/host_clock.h"

namespace vmm::replay {
namespace {

constexpr std::size_t kFlushBytes = 64 << 10, kItemBytes = 16;
constexpr int kFastLevel = 1;                 // of zlib, for what is large
constexpr u64 kWriteNs = 100'000'000, kSyncNs = 1'000'000'000, kSyncBytes = 32u << 20;

std::chrono::nanoseconds until(u64 host) {
    const u64 now = host_ns();
    return std::chrono::nanoseconds(host > now ? host - now : 0);
}

}  // namespace

Result<std::unique_ptr<LogWriter>> LogWriter::create(const std::string& path, const Header& header) {
    auto file = LogFile::create(path);
    if (!file) return file.error();
    (*file)->add(preamble() + make_chunk(ChunkType::Header, {}, encode(header)));
    if (auto error = (*file)->write()) return *error;
    std::unique_ptr<LogWriter> writer(new LogWriter(std::move(*file), header.begins));
    // Signals are for the threads that expect them.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    writer->thread_ = std::thread([w = writer.get()] { w->work(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return writer;
}

LogWriter::~LogWriter() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        leave_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

// --- machine thread -----------------------------------------------------------------------------------------------------------

std::size_t LogWriter::bytes_of(const Item& item) {
    if (const auto* event = std::get_if<Event>(&item)) return kItemBytes + event->input.data.size();
    if (const auto* chunk = std::get_if<Chunk>(&item)) return kItemBytes + chunk->payload.size();
    return kItemBytes;
}

void LogWriter::give(Item item) {
    std::unique_lock lock(mutex_);
    std::visit([this](const auto& what) { now_ = std::max(now_, what.at); }, item);
    const bool was_small = queued_ < kFlushBytes;
    queued_ += bytes_of(item);
    queue_.push_back(std::move(item));
    if (idle_ || (was_small && queued_ >= kFlushBytes)) wake_.notify_one();
    if (queued_ > kMostQueued) done_.wait(lock, [this] { return queued_ <= kMostQueued || error_; });
}

void LogWriter::event(Event event) { give(std::move(event)); }

void LogWriter::parts(const Parts& parts) { give(PartsAt{parts, {}}); }

void LogWriter::hash(const HashMark& mark) { give(mark); }

void LogWriter::chunk(ChunkType type, std::string payload, Icount at) { give(Chunk{type, std::move(payload), at}); }

void LogWriter::reached(Icount now) {
    const std::lock_guard lock(mutex_);
    now_ = std::max(now_, now);
    if (idle_) wake_.notify_one();
}

void LogWriter::end(const End& end) {
    reached(end.at);
    give(end);
    {
        const std::lock_guard lock(mutex_);
        to_disk_ = true;
    }
    flush();
    (void)try_again();
}

void LogWriter::flush() {
    std::unique_lock lock(mutex_);
    const u64 mine = ++asked_;
    wake_.notify_one();
    done_.wait(lock, [&] { return answered_ >= mine || error_; });
}

std::optional<Error> LogWriter::trouble() const {
    if (!in_trouble_.load(std::memory_order_relaxed)) return std::nullopt;
    const std::lock_guard lock(mutex_);
    return error_;
}

bool LogWriter::try_again() {
    std::unique_lock lock(mutex_);
    if (!error_) return true;
    again_ = true;
    wake_.notify_one();
    done_.wait(lock, [this] { return !again_; });
    return !error_;
}

// --- the writing thread -----------------------------------------------------------------------------------------------------------

void LogWriter::wait_for_work(std::unique_lock<std::mutex>& lock) {
    const auto urgent = [this] { return leave_ || again_ || (!error_ && (asked_ > answered_ || queued_ >= kFlushBytes)); };
    const auto anything = [&] { return urgent() || (!error_ && (!queue_.empty() || now_ != taken_to_)); };
    idle_ = true;
    if (error_ || file_->synced()) wake_.wait(lock, anything);
    else wake_.wait_for(lock, until(next_sync_ns_), anything);
    idle_ = false;
    if (!urgent() && anything()) wake_.wait_for(lock, until(next_write_ns_), urgent);
}

void LogWriter::work() {
    std::unique_lock lock(mutex_);
    for (bool leaving = false; !leaving;) {
        wait_for_work(lock);
        leaving = leave_;
        std::vector<Item> items = std::exchange(queue_, {});
        const u64 asked = asked_;
        const Icount upto = now_;
        const bool to_disk = to_disk_;
        taken_to_ = upto;
        lock.unlock();

        pack(std::move(items), upto);
        auto error = file_->write();
        const u64 host = host_ns();
        next_write_ns_ = host + kWriteNs;
        if (!error && (to_disk || host >= next_sync_ns_ || file_->unsynced_bytes() > kSyncBytes)) {
            error = file_->sync();
            next_sync_ns_ = host_ns() + kSyncNs;
        }

        lock.lock();
        queued_ = 0;
        for (const Item& item : queue_) queued_ += bytes_of(item);
        answered_ = asked;
        again_ = false;
        error_ = std::move(error);
        in_trouble_.store(error_.has_value(), std::memory_order_relaxed);
        done_.notify_all();
    }
}

void LogWriter::pack_events(std::vector<Event>& events, Icount upto) {
    if (events.empty() && upto == packed_to_) return;
    file_->add(make_chunk(ChunkType::Events, upto, encode(events, packed_to_)));
    events.clear();
    packed_to_ = upto;
}

void LogWriter::pack(std::vector<Item> items, Icount upto) {
    std::vector<Event> events;
    std::vector<HashMark> marks;
    const End* end = nullptr;
    std::size_t gathered = 0;
    for (Item& item : items) {
        if (auto* event = std::get_if<Event>(&item)) {
            // A chunk that holds part of the events of a position says it is valid up to that position, not beyond.
            gathered += kItemBytes + event->input.data.size();
            if (gathered > kFlushBytes) {
                pack_events(events, event->at);
                gathered = kItemBytes + event->input.data.size();
            }
            events.push_back(std::move(*event));
        } else if (auto* mark = std::get_if<HashMark>(&item)) {
            marks.push_back(std::move(*mark));
        } else if (const auto* parts = std::get_if<PartsAt>(&item)) {
            file_->add(make_chunk(ChunkType::Parts, packed_to_, encode(*parts)));
        } else if (const auto* chunk = std::get_if<Chunk>(&item)) {
            file_->add(make_chunk(chunk->type, packed_to_, chunk->payload, kFastLevel));
        } else {
            end = &std::get<End>(item);
        }
    }
    // Events before hashes: what a chunk says it is valid up to, all events before that are there.
    pack_events(events, upto);
    if (!marks.empty()) file_->add(make_chunk(ChunkType::Hashes, upto, encode(marks, marks.front().at, last_hashes_)));
    if (end != nullptr) file_->add(make_chunk(ChunkType::End, end->at, encode(*end)));
}

}  // namespace vmm::replay
