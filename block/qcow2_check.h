// SPDX-License-Identifier: Apache-2.0
// What refers to which cluster of a qcow2 image, against what its refcounts say; and refcounts built anew.
//
// An error is counted as `qemu-img check` does: a count too low or a reference to where nothing can be is corruption, a count
// too high is a leak. Bitmaps are counted as the image has them. Time and memory are bounded by what the image's file holds.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "block/qcow2_image.h"

namespace vmm::block {

struct CheckResult {
    u64 corruptions = 0, leaks = 0;
    u64 total = 0, allocated = 0, compressed = 0, fragmented = 0;    // clusters of the disk
    u64 end = 0;                                             // of what is used of the file
    std::vector<std::string> messages{};                     // the first of them
};

class Qcow2Checker {
  public:
    explicit Qcow2Checker(Qcow2Image& image) : image_(image) {}

    Result<CheckResult> check();
    // New refcounts, flags set by them; the marks "dirty" and "corrupt" go if nothing else is wrong. The image is open to be written.
    Result<void> rebuild();

  private:
    static constexpr u64 kPage = 4096;
    void say(u64& kind, const std::string& text);
    struct Table {
        u32 times = 0;                                       // how many L1 entries refer to it
        bool active = false;
    };
    void forget();
    void count(u64 offset, u64 bytes, const char* what, u32 times = 1);
    void refer(const std::vector<u64>& l1, bool active);
    void count_tables();
    Result<void> count_all(bool refcounts_too);
    void count_bitmaps();
    void check_flags();
    u32 counted(u64 cluster) const;

    Qcow2Image& image_;
    CheckResult result_;
    std::unordered_map<u64, std::vector<u32>> pages_;
    std::unordered_map<u64, Table> tables_;                  // L2, by offset
    std::vector<u64> order_;                                 // in which they were met
};

Result<void> repair_refcounts(Qcow2Image& image);

}  // namespace vmm::block
