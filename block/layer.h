// SPDX-License-Identifier: Apache-2.0
// Layer: one image of a chain, read while one waits: a raw file, or a qcow2 image with its backing files below it.
//
// For qcow2's own reads of backing files, for tools, and for whoever wants the content of an image as a guest sees it.
// Chains: raw and qcow2, relative names from the directory of the image that names them; kMaxDepth at most, no file twice.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "block/image_file.h"
#include "vmm/result.h"
#include "vmm/types.h"

namespace vmm::block {

class Layer {
  public:
    virtual ~Layer() = default;
    virtual u64 size() const = 0;                            // of the disk, in bytes; need not be whole sectors
    // errno, or 0. What lies past size() is zeros. Without `may_wait`: EAGAIN if the host would have to ask its disk.
    virtual int read(u64 at, std::span<u8> out, bool may_wait = true) = 0;
    // Is there nothing but zeros from `at` on, without looking at data? `length`: for how far that is so, at most what it was.
    virtual bool zeros(u64 at, u64& length) = 0;

  protected:
    Layer() = default;
    Layer(const Layer&) = delete;
    Layer& operator=(const Layer&) = delete;
};

class RawLayer final : public Layer {
  public:
    explicit RawLayer(std::unique_ptr<ImageFile> file) : file_(std::move(file)) {}
    u64 size() const override { return file_->size(); }
    int read(u64 at, std::span<u8> out, bool may_wait) override { return file_->read(at, out, may_wait); }
    bool zeros(u64 at, u64& length) override { return file_->hole(at, length); }

  private:
    std::unique_ptr<ImageFile> file_;
};

struct LayerOptions {
    bool read_only = true;
    Cache cache = Cache::WriteBack;
    bool lock = true;
    bool backing = true;                                     // false: the image alone, for tools
    bool repairs = false;                                    // opened to be repaired: as it is, though marked as dirty or corrupt
};

inline constexpr unsigned kMaxDepth = 64;

// "raw", "qcow2", or the name of a format that is refused, by how the file starts.
std::string probe_format(std::span<const u8> start);
// Where a backing file is that `image` names so.
std::string backing_path(const std::string& image, const std::string& name);
// `format` empty: found out.
Result<std::unique_ptr<Layer>> open_layer(const std::string& path, const std::string& format, const LayerOptions& options = {});

class Qcow2Image;
Result<std::unique_ptr<Qcow2Image>> open_qcow2(const std::string& path, const LayerOptions& options);
// The format that `path` has, if `format` is empty; an error for those that cannot be used.
Result<std::string> format_of(const std::string& path, const std::string& format);

}  // namespace vmm::block
