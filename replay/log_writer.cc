// SPDX-License-Identifier: Apache-2.0
#include "replay/log_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace vmm::replay {
namespace {

constexpr std::size_t kFlushBytes = 64 << 10, kEventBytes = 8;

}  // namespace

Result<std::unique_ptr<LogWriter>> LogWriter::create(const std::string& path, const Header& header) {
    const auto wrong = [&path](const std::string& what) { return Error{path + ": " + what}; };
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return wrong(std::strerror(errno));
    std::unique_ptr<LogWriter> writer(new LogWriter(fd, path));
    struct stat st{};
    if (fstat(fd, &st) != 0) return wrong(std::strerror(errno));
    char magic[sizeof kMagic] = {};
    if (S_ISREG(st.st_mode) && st.st_size > 0 &&
        (pread(fd, magic, sizeof magic, 0) != static_cast<ssize_t>(sizeof magic) || std::memcmp(magic, kMagic, sizeof magic) != 0))
        return wrong("is there and is not a recording; not overwritten");
    if (S_ISREG(st.st_mode) && ftruncate(fd, 0) != 0) return wrong(std::strerror(errno));
    writer->write(preamble() + make_chunk(ChunkType::Header, {}, encode(header)));
    if (writer->error_) return *writer->error_;
    return writer;
}

LogWriter::~LogWriter() { close(fd_); }

void LogWriter::fail(const std::string& what) {
    if (!error_) error_ = Error{path_ + ": " + what};
}

void LogWriter::write(std::string_view bytes) {
    while (!bytes.empty() && !error_) {
        const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
        if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
        else if (n == 0) fail("takes no more");
        else if (errno != EINTR) fail(std::strerror(errno));
    }
}

void LogWriter::event(Event event) {
    const Icount at = event.at;
    // A chunk that holds part of the events of a position says it is valid up to that position, not beyond.
    if (gathered_ + event.input.data.size() > kFlushBytes) flush(at);
    gathered_ += kEventBytes + event.input.data.size();
    events_.push_back(std::move(event));
}

void LogWriter::flush(Icount now) {
    if (events_.empty() && now == written_to_) return;
    write(make_chunk(ChunkType::Events, now, encode(events_, written_to_)));
    events_.clear();
    gathered_ = 0;
    written_to_ = now;
}

void LogWriter::hash(const HashMark& mark) {
    flush(mark.at);
    write(make_chunk(ChunkType::Hash, mark.at, encode(mark)));
}

void LogWriter::end(const End& end) {
    flush(end.at);
    write(make_chunk(ChunkType::End, end.at, encode(end)));
    if (!error_ && fdatasync(fd_) != 0 && errno != EINVAL && errno != EROFS) fail(std::strerror(errno));
}

}  // namespace vmm::replay
