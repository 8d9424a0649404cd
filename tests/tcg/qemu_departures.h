// SPDX-License-Identifier: Apache-2.0
// Where QEMU is another machine than the manual's, test by test, each with its reason. A test that is named as a departure runs there
// all the same and must fail: when QEMU has learnt it, the name has to go. What cannot be seen or done from outside is skipped.
#pragma once

#include <gtest/gtest.h>
#include <gtest/gtest-spi.h>

#include <memory>
#include <string>

namespace vmm::tcg::test {

// What QEMU does with the running test. Lives as long as the test.
class QemuJudge {
  public:
    explicit QemuJudge(bool on_qemu);
    ~QemuJudge();
    QemuJudge(const QemuJudge&) = delete;
    QemuJudge& operator=(const QemuJudge&) = delete;

    bool runs = true;          // false: skip, for `reason`
    std::string reason;

  private:
    testing::TestPartResultArray failures_;
    std::unique_ptr<testing::ScopedFakeTestPartResultReporter> catching_;      // of a departure: its failures
};

}  // namespace vmm::tcg::test
