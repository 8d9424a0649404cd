// SPDX-License-Identifier: Apache-2.0
#include "block/raw_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace vmm::block {

Result<std::unique_ptr<RawFile>> RawFile::open(HostIo& io, const std::string& path, bool read_only, Cache cache) {
    const auto opened = open_image_file(path, read_only, cache);
    if (!opened) return opened.error();
    std::unique_ptr<RawFile> file(new RawFile(io, opened->fd));
    file->file_size_ = opened->size;
    file->direct_ = opened->direct;
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
