// SPDX-License-Identifier: Apache-2.0
#include "block/image_file.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fs.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "block/image_lock.h"
#include "block/node.h"
#include "vmm/check.h"

namespace vmm::block {
namespace {

// Can a sector be read without the page cache? Some file systems want larger units, some cannot at all.
bool direct_works(int fd) {
    const Aligned sector = aligned(kSector);
    return pread(fd, sector.get(), kSector, kSector) >= 0;
}

class Closer {
  public:
    explicit Closer(int fd) : fd_(fd) {}
    ~Closer() {
        if (fd_ >= 0) close(fd_);
    }
    Closer(const Closer&) = delete;
    Closer& operator=(const Closer&) = delete;
    int release() { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

int write_all(int fd, u64 at, const u8* bytes, std::size_t length) {
    while (length != 0) {
        const ssize_t n = pwrite(fd, bytes, length, static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 ? errno : ENOSPC;
        bytes += n;
        at += static_cast<u64>(n);
        length -= static_cast<std::size_t>(n);
    }
    return 0;
}

class HostFile final : public ImageFile {
  public:
    HostFile(std::string path, const OpenFile& file, bool read_only, Cache cache)
        : ImageFile(std::move(path), file.size, read_only, cache == Cache::WriteThrough || cache == Cache::DirectSync), fd_(file.fd), direct_(file.direct),
          flushes_(cache != Cache::Unsafe) {
        struct stat st{};
        if (fstat(fd_, &st) != 0) return;
        device_ = st.st_dev;
        inode_ = st.st_ino;
    }
    ~HostFile() override { close(fd_); }

    bool same_as(const ImageFile& other) const override {
        const auto* host = dynamic_cast<const HostFile*>(&other);
        return host != nullptr && device_ == host->device_ && inode_ == host->inode_;
    }
    int read(u64 at, std::span<u8> out, bool may_wait) const override;
    int write(u64 at, std::span<const u8> bytes) override;
    int sync() override;
    int punch(u64 at, u64 length) override;
    int resize(u64 bytes) override;
    bool hole(u64 at, u64& length) const override;

  private:
    int read_direct(u64 at, std::span<u8> out) const;
    int write_direct(u64 at, std::span<const u8> bytes);

    const int fd_;
    u64 device_ = 0, inode_ = 0;
    const bool direct_, flushes_;
};

}  // namespace

void FreeAligned::operator()(u8* p) const { std::free(p); }

Aligned aligned(std::size_t bytes) {
    void* p = std::aligned_alloc(kDirectAlignment, (bytes + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment);
    CHECK(p != nullptr, "out of memory");
    return Aligned(static_cast<u8*>(p));
}

Result<OpenFile> open_image_file(const std::string& path, bool read_only, Cache cache, bool lock) {
    const bool sync = cache == Cache::WriteThrough || cache == Cache::DirectSync;
    const int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | (sync ? O_DSYNC : 0);
    const int fd = ::open(path.c_str(), flags);
    if (fd < 0) {
        const int why = errno;
        if (!read_only && (why == EACCES || why == EROFS || why == EPERM))
            return Error{"cannot open " + path + " for writing: " + std::strerror(why) + "; readonly=on or snapshot=on leaves it as it is"};
        return Error{"cannot open " + path + ": " + std::strerror(why)};
    }
    Closer closer(fd);
    OpenFile file;
    struct stat st{};
    if (fstat(fd, &st) != 0) return Error{"cannot open " + path + ": " + std::strerror(errno)};
    if (S_ISBLK(st.st_mode)) {
        if (ioctl(fd, BLKGETSIZE64, &file.size) != 0) return Error{"cannot tell the size of " + path + ": " + std::strerror(errno)};
    } else if (S_ISREG(st.st_mode)) {
        file.size = static_cast<u64>(st.st_size);
    } else {
        return Error{path + (S_ISDIR(st.st_mode) ? " is a directory" : " is neither a file nor a block device") + ", not a disk image"};
    }
    if (file.size == 0) return Error{path + " is empty: a disk image has at least one sector of 512 bytes"};
    if (lock)
        if (auto locked = lock_image(fd, path, !read_only); !locked) return locked.error();
    if (cache == Cache::None || cache == Cache::DirectSync) {
        file.direct = fcntl(fd, F_SETFL, flags | O_DIRECT) == 0 && direct_works(fd);
        if (!file.direct) fcntl(fd, F_SETFL, flags);
    }
    file.fd = closer.release();
    return file;
}

Result<std::unique_ptr<ImageFile>> ImageFile::open(const std::string& path, bool read_only, Cache cache, bool lock) {
    const auto file = open_image_file(path, read_only, cache, lock);
    if (!file) return file.error();
    return std::unique_ptr<ImageFile>(std::make_unique<HostFile>(path, *file, read_only, cache));
}

int HostFile::read(u64 at, std::span<u8> out, bool may_wait) const {
    if (at >= size_ || out.size() > size_ - at) {
        const u64 there = at < size_ ? size_ - at : 0;
        std::fill(out.begin() + static_cast<std::ptrdiff_t>(there), out.end(), u8{0});
        out = out.first(there);
    }
    if (direct_) return may_wait ? read_direct(at, out) : EAGAIN;
    while (!out.empty()) {
        const iovec piece{out.data(), out.size()};
        const ssize_t n = may_wait ? pread(fd_, out.data(), out.size(), static_cast<off_t>(at)) : preadv2(fd_, &piece, 1, static_cast<off_t>(at), RWF_NOWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return !may_wait ? EAGAIN : errno;
        if (n == 0) return EIO;                              // became shorter
        out = out.subspan(static_cast<std::size_t>(n));
        at += static_cast<u64>(n);
    }
    return 0;
}

int HostFile::read_direct(u64 at, std::span<u8> out) const {
    if (out.empty()) return 0;
    const u64 first = at / kDirectAlignment * kDirectAlignment, end = (at + out.size() + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
    const Aligned bounce = aligned(end - first);
    u64 got = 0;
    while (got < at + out.size() - first) {
        const ssize_t n = pread(fd_, bounce.get() + got, end - first - got, static_cast<off_t>(first + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return EIO;
        got += static_cast<u64>(n);
    }
    std::memcpy(out.data(), bounce.get() + (at - first), out.size());
    return 0;
}

int HostFile::write(u64 at, std::span<const u8> bytes) {
    if (bytes.empty()) return 0;
    const int error = direct_ ? write_direct(at, bytes) : write_all(fd_, at, bytes.data(), bytes.size());
    if (error == 0) size_ = std::max(size_, at + bytes.size());
    return error;
}

int HostFile::write_direct(u64 at, std::span<const u8> bytes) {
    const u64 first = at / kDirectAlignment * kDirectAlignment, end = (at + bytes.size() + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
    const Aligned bounce = aligned(end - first);
    // What lies around it in its first and last page stays.
    if (first != at)
        if (const int error = read(first, {bounce.get(), kDirectAlignment}, true); error != 0) return error;
    if (end != at + bytes.size() && (end - first > kDirectAlignment || first == at))
        if (const int error = read(end - kDirectAlignment, {bounce.get() + (end - first - kDirectAlignment), kDirectAlignment}, true); error != 0) return error;
    std::memcpy(bounce.get() + (at - first), bytes.data(), bytes.size());
    if (const int error = write_all(fd_, first, bounce.get(), end - first); error != 0) return error;
    size_ = std::max(size_, end);
    return 0;
}

int HostFile::sync() {
    if (!flushes_ || read_only()) return 0;
    int r = 0;
    do r = fdatasync(fd_); while (r != 0 && errno == EINTR);
    return r == 0 ? 0 : errno;
}

int HostFile::punch(u64 at, u64 length) {
    if (at >= size_) return 0;
    const int r = fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at), static_cast<off_t>(length));
    return r == 0 || errno == EOPNOTSUPP || errno == ENODEV ? 0 : errno;
}

int HostFile::resize(u64 bytes) {
    if (ftruncate(fd_, static_cast<off_t>(bytes)) != 0) return errno;
    size_ = bytes;
    return 0;
}

bool HostFile::hole(u64 at, u64& length) const {
    if (at >= size_) return true;
    length = std::min(length, size_ - at);
    const off_t data = lseek(fd_, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0) return errno == ENXIO;                     // nothing but a hole; or this file system cannot say
    if (static_cast<u64>(data) > at) {
        length = std::min(length, static_cast<u64>(data) - at);
        return true;
    }
    const off_t end = lseek(fd_, static_cast<off_t>(at), SEEK_HOLE);
    if (end > data) length = std::min(length, static_cast<u64>(end) - at);
    return false;
}

}  // namespace vmm::block
