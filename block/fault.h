// SPDX-License-Identifier: Apache-2.0
// Fault: a node whose requests fail where rules say so, for guests' drivers, and our own error paths, to be tried.
//
// Rules as text, one after another with "+" between: OP[:FIRST[-LAST]][:ERROR][:TIMES]. OP is read, write or flush; FIRST and LAST are
// sectors (all, without them); ERROR is eio (the default) or enospc; after TIMES failures the rule is over.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "block/node.h"
#include "vmm/result.h"

namespace vmm::block {

struct FaultRule {
    Op op{};
    u64 first = 0, last = ~u64{0};          // sectors
    int error = 0;                          // errno
    u64 times = ~u64{0};
};
// The rule that cannot be understood is in the error.
Result<std::vector<FaultRule>> parse_faults(std::string_view text);

class Fault final : public Node {
  public:
    Fault(std::unique_ptr<Node> base, std::vector<FaultRule> rules) : base_(std::move(base)), rules_(std::move(rules)) {}

    u64 size() const override { return base_->size(); }
    bool read_only() const override { return base_->read_only(); }
    void submit(Request request, Done done) override;

  private:
    int error_for(const Request& request);

    std::unique_ptr<Node> base_;
    std::mutex mutex_;
    std::vector<FaultRule> rules_;
};

}  // namespace vmm::block
