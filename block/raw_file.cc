// SPDX-License-Identifier: Apache-2.0
#include "block/raw_file.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "block/image_lock.h"
#include "vmm/check.h"

namespace vmm::block {
namespace {

constexpr std::size_t kAlignment = 4096;

struct Free {
    void operator()(u8* p) const { std::free(p); }
};
using Aligned = std::unique_ptr<u8, Free>;

Aligned aligned(std::size_t bytes) {
    void* p = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
    CHECK(p != nullptr, "out of memory");
    return Aligned(static_cast<u8*>(p));
}

// Can a sector be read without the page cache? Some file systems want larger units, some cannot at all.
bool direct_works(int fd) {
    const Aligned sector = aligned(kSector);
    return pread(fd, sector.get(), kSector, kSector) >= 0;
}

}  // namespace

Result<std::unique_ptr<RawFile>> RawFile::open(HostIo& io, const std::string& path, bool read_only, Cache cache) {
    const bool sync = cache == Cache::WriteThrough || cache == Cache::DirectSync;
    const int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | (sync ? O_DSYNC : 0);
    int fd = ::open(path.c_str(), flags);
    if (fd < 0) {
        const int why = errno;
        if (!read_only && (why == EACCES || why == EROFS || why == EPERM))
            return Error{"cannot open " + path + " for writing: " + std::strerror(why) + "; readonly=on or snapshot=on leaves it as it is"};
        return Error{"cannot open " + path + ": " + std::strerror(why)};
    }
    std::unique_ptr<RawFile> file(new RawFile(io, fd));
    struct stat st{};
    if (fstat(fd, &st) != 0) return Error{"cannot open " + path + ": " + std::strerror(errno)};
    if (S_ISBLK(st.st_mode)) {
        if (ioctl(fd, BLKGETSIZE64, &file->file_size_) != 0) return Error{"cannot tell the size of " + path + ": " + std::strerror(errno)};
    } else if (S_ISREG(st.st_mode)) {
        file->file_size_ = static_cast<u64>(st.st_size);
    } else {
        return Error{path + (S_ISDIR(st.st_mode) ? " is a directory" : " is neither a file nor a block device") + ", not a disk image"};
    }
    if (file->file_size_ == 0) return Error{path + " is empty: a disk image has at least one sector of 512 bytes"};
    if (auto locked = lock_image(fd, path, !read_only); !locked) return locked.error();
    if (cache == Cache::None || cache == Cache::DirectSync) {
        file->direct_ = fcntl(fd, F_SETFL, flags | O_DIRECT) == 0 && direct_works(fd);
        if (!file->direct_) fcntl(fd, F_SETFL, flags);
    }
    file->read_only_ = read_only;
    file->flushes_ = cache != Cache::Unsafe;
    file->size_ = (file->file_size_ + kSector - 1) / kSector * kSector;
    return file;
}

RawFile::~RawFile() {
    io_.wait([this] { return under_way_.load() == 0; }, ~u64{0});
    close(fd_);
}

void RawFile::submit(Request request, Done done) {
    if (const int error = refused(request); error != 0) return done({error, {}});
    // The count goes down last: then nobody touches this node any more.
    ++under_way_;
    Done answered = [this, done = std::move(done)](Reply reply) {
        done(std::move(reply));
        --under_way_;
    };
    switch (request.op) {
        case Op::Read: return read(request, std::move(answered));
        case Op::Write: return write(std::move(request), std::move(answered));
        case Op::Flush:
            if (!flushes_ || read_only_) return answered({});
            return io_.submit({HostOp::Kind::Sync, fd_, 0, nullptr, 0}, [done = std::move(answered)](int error, u64) { done({error, {}}); });
        case Op::Discard:
            // A hint: where holes cannot be made the bytes stay.
            return io_.submit({HostOp::Kind::Discard, fd_, request.offset, nullptr, request.length},
                              [done = std::move(answered)](int error, u64) { done({error == EOPNOTSUPP || error == ENODEV ? 0 : error, {}}); });
    }
}

void RawFile::read(const Request& request, Done done) {
    const u64 offset = request.offset, length = request.length;
    struct Buffers {
        std::vector<u8> data;
        Aligned direct;
    };
    auto buffers = std::make_shared<Buffers>();
    buffers->data.resize(length);
    if (direct_) buffers->direct = aligned(length);
    u8* const to = direct_ ? buffers->direct.get() : buffers->data.data();
    io_.submit({HostOp::Kind::Read, fd_, offset, to, length}, [this, offset, length, buffers, done = std::move(done)](int error, u64 bytes) {
        // Short only where the file ends, and that may be in the last sector only.
        if (error == 0 && bytes < length && offset + bytes < file_size_) error = EIO;
        if (error != 0) return done({error, {}});
        if (buffers->direct) std::memcpy(buffers->data.data(), buffers->direct.get(), bytes);
        done({0, std::move(buffers->data)});
    });
}

void RawFile::write(Request request, Done done) {
    struct Buffers {
        std::vector<u8> data;
        Aligned direct;
    };
    auto buffers = std::make_shared<Buffers>();
    buffers->data = std::move(request.data);
    const u64 length = buffers->data.size();
    if (direct_) {
        buffers->direct = aligned(length);
        std::memcpy(buffers->direct.get(), buffers->data.data(), length);
    }
    u8* const from = direct_ ? buffers->direct.get() : buffers->data.data();
    io_.submit({HostOp::Kind::Write, fd_, request.offset, from, length}, [length, buffers, done = std::move(done)](int error, u64 bytes) {
        if (error == 0 && bytes < length) error = ENOSPC;
        done({error, {}});
    });
}

}  // namespace vmm::block
