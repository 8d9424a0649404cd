// SPDX-License-Identifier: Apache-2.0
#include "replay/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "replay/log_format.h"

namespace vmm::replay {

Result<std::unique_ptr<LogFile>> LogFile::create(const std::string& path) {
    // O_NONBLOCK: a pipe without a reader must not keep us.
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (fd < 0) return Error{path + ": " + std::strerror(errno)};
    std::unique_ptr<LogFile> file(new LogFile(fd, path));
    struct stat st{};
    if (fstat(fd, &st) != 0) return file->wrong(std::strerror(errno));
    if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)) return file->wrong("is not a file; a recording needs one");
    file->regular_ = S_ISREG(st.st_mode);
    char magic[sizeof kMagic] = {};
    if (file->regular_ && st.st_size > 0 &&
        (pread(fd, magic, sizeof magic, 0) != static_cast<ssize_t>(sizeof magic) || std::memcmp(magic, kMagic, sizeof magic) != 0))
        return file->wrong("is there and is not a recording; not overwritten");
    if (file->regular_ && ftruncate(fd, 0) != 0) return file->wrong(std::strerror(errno));
    return file;
}

LogFile::~LogFile() { close(fd_); }

void LogFile::add(std::string chunk) {
    unsynced_bytes_ += chunk.size();
    chunks_.push_back(std::move(chunk));
}

std::optional<Error> LogFile::write_all(int fd, std::string_view bytes, u64 offset) const {
    while (!bytes.empty()) {
        const ssize_t n = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return wrong(n == 0 ? "takes no more" : std::strerror(errno));
        bytes.remove_prefix(static_cast<std::size_t>(n));
        offset += static_cast<u64>(n);
    }
    return std::nullopt;
}

std::optional<Error> LogFile::find_again() {
    struct stat st{};
    if (!regular_ || fstat(fd_, &st) != 0 || st.st_nlink > 0) return std::nullopt;
    if (!std::exchange(deleted_, true)) return wrong("was deleted while it was written");
    const int fd = open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return wrong(errno == EEXIST ? "was deleted, and another file is there now" : std::string("was deleted: ") + std::strerror(errno));
    // The deleted file is there for as long as we hold it.
    std::vector<char> buffer(1u << 20);
    std::optional<Error> error;
    for (u64 at = 0; at < end_ && !error;) {
        const ssize_t n = pread(fd_, buffer.data(), std::min<u64>(buffer.size(), end_ - at), static_cast<off_t>(at));
        if (n <= 0) {
            error = wrong("was deleted, and cannot be read any more");
            break;
        }
        error = write_all(fd, {buffer.data(), static_cast<std::size_t>(n)}, at);
        at += static_cast<u64>(n);
    }
    if (!error && fdatasync(fd) != 0) error = wrong(std::strerror(errno));
    if (error) {
        unlink(path_.c_str());
        close(fd);
        return error;
    }
    close(fd_);
    fd_ = fd;
    deleted_ = false;
    return std::nullopt;
}

std::optional<Error> LogFile::write() {
    if (auto error = find_again()) return error;
    for (; written_ < chunks_.size(); ++written_) {
        const std::string& chunk = chunks_[written_];
        if (auto error = write_all(fd_, chunk, end_)) {
            if (regular_) (void)!ftruncate(fd_, static_cast<off_t>(end_));       // no torn tail
            return error;
        }
        end_ += chunk.size();
    }
    return std::nullopt;
}

std::optional<Error> LogFile::sync() {
    if (auto error = write()) return error;
    if (fdatasync(fd_) != 0 && errno != EINVAL && errno != EROFS) {
        const Error error = wrong(std::strerror(errno));
        written_ = 0;
        end_ = synced_;
        return error;
    }
    chunks_.clear();
    written_ = 0;
    synced_ = end_;
    unsynced_bytes_ = 0;
    return std::nullopt;
}

}  // namespace vmm::replay
