// SPDX-License-Identifier: Apache-2.0
// ImageFile: a host file or block device with a disk image in it, opened, locked, and read and written while one waits.
//
// open_image_file() is what all nodes open their files with. The class is for formats whose metadata is looked up on the way
// (qcow2), and for tools; what is below it may be something else in tests. With cache=none transfers are cut to whole pages here, so callers need not know.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "vmm/result.h"
#include "vmm/types.h"

namespace vmm::block {

// None and DirectSync go past the host's page cache where the file system can. WriteThrough and DirectSync: a write is on the
// disk when it is answered. Unsafe: a flush does nothing.
enum class Cache : u8 { WriteBack, None, Unsafe, WriteThrough, DirectSync };

inline constexpr std::size_t kDirectAlignment = 4096;
struct FreeAligned {
    void operator()(u8* p) const;
};
using Aligned = std::unique_ptr<u8, FreeAligned>;
Aligned aligned(std::size_t bytes);

struct OpenFile {
    int fd = -1;
    u64 size = 0;                    // bytes, not 0
    bool direct = false;             // buffers, offsets and lengths must be aligned
};
// Who calls closes the descriptor. `lock`: as block/image_lock.h says; a look at an image needs none.
Result<OpenFile> open_image_file(const std::string& path, bool read_only, Cache cache, bool lock = true);

class ImageFile {
  public:
    static Result<std::unique_ptr<ImageFile>> open(const std::string& path, bool read_only, Cache cache, bool lock = true);
    virtual ~ImageFile() = default;
    ImageFile(const ImageFile&) = delete;
    ImageFile& operator=(const ImageFile&) = delete;

    const std::string& path() const { return path_; }
    bool read_only() const { return read_only_; }
    bool writes_through() const { return writes_through_; }
    u64 size() const { return size_; }                       // grows with what is written
    virtual bool same_as(const ImageFile& other) const { return this == &other; }

    // All give an errno, or 0. What lies behind the end of the file reads as zeros. Without `may_wait`: EAGAIN if the host would
    // have to ask its disk.
    virtual int read(u64 at, std::span<u8> out, bool may_wait = true) const = 0;
    virtual int write(u64 at, std::span<const u8> bytes) = 0;
    virtual int sync() = 0;                                  // what was written is there after a power cut
    virtual int punch(u64 at, u64 length) = 0;               // a hint
    virtual int resize(u64 bytes) = 0;
    // How far from `at` the file is a hole (true) or is not, at most `length`.
    virtual bool hole(u64 at, u64& length) const = 0;

  protected:
    ImageFile(std::string path, u64 size, bool read_only, bool writes_through) : size_(size), path_(std::move(path)), read_only_(read_only), writes_through_(writes_through) {}

    u64 size_;

  private:
    const std::string path_;
    const bool read_only_, writes_through_;
};

}  // namespace vmm::block
