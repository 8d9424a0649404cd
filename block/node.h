// SPDX-License-Identifier: Apache-2.0
// Node: something that holds a disk's bytes. Requests are asynchronous, their data is copied, errors are values.
//
// A request is answered once, by its callback: before submit() returned or later, on this thread or another. Requests under
// way at the same time must not overlap where one of them writes; a flush covers what was answered before it was submitted.
// Offsets and lengths are multiples of 512 and lie within size(), which is one too. Nothing here knows a guest.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "vmm/types.h"

namespace vmm::block {

inline constexpr u32 kSector = 512;

enum class Op : u8 { Read = 0, Write = 1, Flush = 2, Discard = 3 };

struct Request {
    Op op{};
    u64 offset = 0;
    u64 length = 0;                 // of a write: data.size()
    std::vector<u8> data{};         // of a write
};

struct Reply {
    int error = 0;                  // errno; 0: done
    std::vector<u8> data{};         // of a read
};

using Done = std::function<void(Reply)>;

class Node {
  public:
    virtual ~Node() = default;      // waits for what is under way
    virtual u64 size() const = 0;
    virtual bool read_only() const = 0;
    virtual void submit(Request request, Done done) = 0;

  protected:
    Node() = default;
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    // What every node refuses: EINVAL, or EROFS; 0: nothing wrong.
    int refused(const Request& request) const;
};

}  // namespace vmm::block
