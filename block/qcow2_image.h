// SPDX-License-Identifier: Apache-2.0
// Qcow2Image: a qcow2 image, versions 2 and 3, with the layers below it, read and written while one waits.
//
// Done: clusters of 512 bytes to 2 MiB, backing layers, zero clusters, zlib and zstd, refcounts of 1 to 64 bits, discard.
// Writing keeps an order such that a crash at any moment loses nothing flushed and corrupts nothing: refcounts that rise, L2
// tables, the L1 table, refcounts that fall, a sync between each two; what was freed is not used again before that. So lazy
// refcounts are not needed: the feature is accepted and refcounts are kept all the same; an image that somebody else left
// dirty gets its refcounts built anew when it is opened to be written. Document: QEMU's docs/interop/qcow2.txt.
#pragma once

#include "block/layer.h"
#include "block/qcow2_header.h"
#include "block/qcow2_refcounts.h"
#include "block/qcow2_tables.h"

namespace vmm::block {

class Qcow2Image final : public Layer {
  public:
    static constexpr u64 kCopied = u64{1} << 63, kCompressed = u64{1} << 62, kZero = 1, kOffset = 0x00ff'ffff'ffff'fe00;

    static Result<Qcow2Header> read_header(const ImageFile& file);
    static Result<std::unique_ptr<Qcow2Image>> open(std::unique_ptr<ImageFile> file, Qcow2Header header, std::unique_ptr<Layer> backing, bool repairs);
    ~Qcow2Image() override;                                  // flushes

    u64 size() const override { return header_.size; }
    int read(u64 at, std::span<u8> out, bool may_wait = true) override;
    bool zeros(u64 at, u64& length) override;

    bool read_only() const { return file_->read_only(); }
    bool writes_through() const { return file_->writes_through(); }
    const Qcow2Header& header() const { return header_; }
    ImageFile& file() { return *file_; }

    int write(u64 at, std::span<const u8> bytes);            // inside size()
    int write_compressed(u64 at, std::span<const u8> cluster);   // a whole one, not there yet; EINVAL: it does not become smaller
    // Whole clusters in it read as zeros afterwards, where the version has a way to say so; the rest stays.
    int discard(u64 at, u64 length);
    int flush();

  private:
    friend class Qcow2Checker;
    friend class Qcow2Snapshots;
    enum class Kind : u8 { Unallocated, Zero, Data, Compressed };
    struct Mapping {
        Kind kind{};
        u64 host = 0;                                        // of Data: of the cluster; of Zero: 0, or one kept for later
        u64 bytes = 0;                                       // of Compressed, at most
        bool copied = false;                                 // nobody else has it
    };

    Qcow2Image(std::unique_ptr<ImageFile> file, Qcow2Header header, std::unique_ptr<Layer> backing);
    Result<void> load(bool repairs);
    int lookup(u64 at, Mapping& m, bool may_wait);
    int mapping_of(u64 entry, Mapping& m) const;
    int read_below(u64 at, std::span<u8> out, bool may_wait);
    int read_compressed(const Mapping& m, u64 in, std::span<u8> out, bool may_wait);
    bool inside(u64 offset) const;                           // a cluster that is there
    u64 end() const;

    int begin_write();
    int l2_for_write(u64 at, Qcow2Tables::Table*& l2);
    int set_entry(u64 at, u64 entry);
    int write_cluster(u64 at, std::span<const u8> bytes);
    int free_later(const Mapping& m);                       // always 0
    int broken(const char* why);                              // no more writing; the image is marked. EIO
    int commit();

    std::unique_ptr<ImageFile> file_;
    Qcow2Header header_;
    std::unique_ptr<Layer> backing_;
    const u64 cluster_;
    std::vector<u64> l1_;
    Qcow2Tables l2_;
    Qcow2Refcounts refcounts_;
    bool begun_ = false, broken_ = false;
    u64 l1_at_ = 0;                                          // where l1_ is in the file
    std::unordered_set<u64> l1_changed_;
    std::vector<u64> freed_;                                 // clusters whose counts fall when nothing refers to them any more
    u64 unpacked_ = 0;                                       // the compressed cluster that is in unpacked_bytes_
    std::vector<u8> unpacked_bytes_;
    u64 packed_at_ = 0;                                      // where the next compressed cluster may begin; 0: nowhere
};

}  // namespace vmm::block
