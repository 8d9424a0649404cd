// SPDX-License-Identifier: Apache-2.0
// MemoryFile: a file below an image format that is in memory, and whose power can be cut: what was written since the last sync
// is kept apart, and a cut drops each of these writes, or some of its sectors, or none, as the dice fall. A sector is never torn.
#pragma once

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <random>

#include "block/image_file.h"
#include "block/node.h"

namespace vmm::block {

class MemoryFile final : public ImageFile {
  public:
    static constexpr u64 kMost = 64u << 20;                  // bytes; larger: no room on the disk

    struct Disk {
        std::vector<u8> now{}, synced{};
        struct Change {
            u64 at = 0;
            std::vector<u8> bytes{};
            std::optional<u64> resized{};
        };
        std::vector<Change> unsynced{};
        static constexpr u64 kNever = ~u64{0};
        u64 until_cut = kNever;                              // writes and syncs from now
        u64 seed = 0;
        std::optional<std::vector<u8>> after_cut{};          // what is left, once it happened; the file goes on in ignorance
        u64 outside = 0;                                     // writes past kMost

        explicit Disk(std::vector<u8> bytes) : now(bytes), synced(std::move(bytes)) {}
        bool may_cut() const { return until_cut != kNever && !after_cut; }
        void step() {
            if (may_cut() && until_cut-- == 0) {
                until_cut = 0;
                after_cut = cut();
            }
        }
        void note(Change change) {
            if (may_cut()) unsynced.push_back(std::move(change));
        }
        void keep() {
            for (const Change& change : unsynced) {
                if (change.resized) synced.resize(*change.resized);
                else put(synced, change.at, change.bytes);
            }
            unsynced.clear();
        }
        static void put(std::vector<u8>& to, u64 at, std::span<const u8> bytes) {
            if (to.size() < at + bytes.size()) to.resize(at + bytes.size());
            std::memcpy(to.data() + at, bytes.data(), bytes.size());
        }
        std::vector<u8> cut() const {
            std::mt19937_64 random(seed);
            std::vector<u8> left = synced;
            for (const Change& change : unsynced) {
                const u64 kind = random() % 3;               // lost, torn, written
                if (kind == 0) continue;
                if (change.resized) {
                    left.resize(*change.resized);
                    continue;
                }
                for (u64 i = 0; i < change.bytes.size();) {
                    const u64 n = std::min<u64>(kSector - (change.at + i) % kSector, change.bytes.size() - i);
                    if (kind == 2 || random() % 2 == 0) put(left, change.at + i, std::span(change.bytes).subspan(i, n));
                    i += n;
                }
            }
            return left;
        }
    };

    explicit MemoryFile(std::shared_ptr<Disk> disk, bool read_only = false) : ImageFile("memory", disk->now.size(), read_only, false), disk_(std::move(disk)) {}

    int read(u64 at, std::span<u8> out, bool) const override {
        const u64 there = at < size_ ? std::min<u64>(out.size(), size_ - at) : 0;
        if (there != 0) std::memcpy(out.data(), disk_->now.data() + at, there);
        std::fill(out.begin() + static_cast<std::ptrdiff_t>(there), out.end(), u8{0});
        return 0;
    }
    int write(u64 at, std::span<const u8> bytes) override {
        if (at > kMost || bytes.size() > kMost - at) {
            ++disk_->outside;
            return ENOSPC;
        }
        disk_->step();
        Disk::put(disk_->now, at, bytes);
        disk_->note({at, {bytes.begin(), bytes.end()}, {}});
        size_ = disk_->now.size();
        return 0;
    }
    int sync() override {
        disk_->step();
        disk_->keep();
        return 0;
    }
    int punch(u64 at, u64 length) override {
        if (at >= size_) return 0;
        length = std::min(length, size_ - at);
        return write(at, std::vector<u8>(length));
    }
    int resize(u64 bytes) override {
        if (bytes > kMost) return ENOSPC;
        disk_->step();
        disk_->now.resize(bytes);
        disk_->note({0, {}, bytes});
        size_ = bytes;
        return 0;
    }
    bool hole(u64, u64&) const override { return false; }

  private:
    std::shared_ptr<Disk> disk_;
};

}  // namespace vmm::block
