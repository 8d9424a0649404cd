// SPDX-License-Identifier: Apache-2.0
// Requests between a drive and its image: what is due is exact or late, and what a recording says is what happens.
#include <cerrno>

#include "block/overlay.h"
#include "tests/block/bench.h"
#include "vmm/disks.h"

namespace vmm {
namespace {

using block::Op;
using block::pattern;

// A host that answers when it is told to: its time is the test's.
class HeldNode final : public block::Node {
  public:
    u64 size() const override { return 1 << 20; }
    bool read_only() const override { return false; }
    void submit(block::Request request, block::Done done) override { held.push_back({std::move(request), std::move(done)}); }
    void answer(int error = 0) {
        auto [request, done] = std::move(held.front());
        held.erase(held.begin());
        done({error, error == 0 && request.op == Op::Read ? pattern(request.offset / 512, request.length / 512) : std::vector<u8>{}});
    }
    std::vector<std::pair<block::Request, block::Done>> held;
};

// A recording.
struct Notes final : DiskJournal {
    std::optional<DiskMark> disk_due(Icount, u8, u64) override { return says; }
    void disk_done(Icount, const DiskMark& mark) override { marks.push_back(mark); }
    void disk_differs(Icount, const std::string& what) override { differences.push_back(what); }
    std::optional<DiskMark> says;
    std::vector<DiskMark> marks;
    std::vector<std::string> differences;
};

class DiskQueueTest : public testing::Test {
  protected:
    explicit DiskQueueTest(block::ImageConfig config = {.id = "hda", .file = "disk.img"}) {
        auto made = std::make_unique<HeldNode>();
        node = made.get();
        queue = &disks.add({std::move(made), nullptr}, std::move(config));
        disks.set_journal(&notes);
    }
    std::vector<Input> posted() { return inbox.take(); }

    Clock clock;
    Inbox inbox;
    Notes notes;
    Disks disks{clock, inbox};
    HeldNode* node = nullptr;
    DiskQueue* queue = nullptr;
};

TEST_F(DiskQueueTest, what_is_ready_when_it_is_due_is_exact) {
    queue->submit(1, Op::Read, 1024, 512, {});
    node->answer();
    const auto reply = queue->take(1);
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->data, pattern(2, 1));
    EXPECT_EQ(notes.marks, (std::vector<DiskMark>{{0, 1, DiskError::None, false}}));
    EXPECT_TRUE(posted().empty());
}

TEST_F(DiskQueueTest, what_is_not_ready_is_late_and_comes_through_the_inbox) {
    queue->submit(7, Op::Read, 0, 512, {});
    EXPECT_FALSE(queue->take(7));
    EXPECT_EQ(notes.marks, (std::vector<DiskMark>{{0, 7, DiskError::None, true}}));
    EXPECT_TRUE(posted().empty());
    node->answer();
    const auto inputs = posted();
    ASSERT_EQ(inputs.size(), 1u);
    EXPECT_EQ(inputs[0].kind, InputKind::Disk);
    EXPECT_EQ(parse_disk_input(inputs[0].data), std::pair(u64{7}, DiskError::None));
    EXPECT_EQ(queue->take_late(7, DiskError::None).data, pattern(0, 1));
}

TEST_F(DiskQueueTest, a_late_request_that_failed_says_how) {
    queue->submit(7, Op::Write, 0, 0, pattern(0, 1));
    EXPECT_FALSE(queue->take(7));
    node->answer(EIO);
    const auto inputs = posted();
    ASSERT_EQ(inputs.size(), 1u);
    EXPECT_EQ(parse_disk_input(inputs[0].data), std::pair(u64{7}, DiskError::Io));
    EXPECT_EQ(queue->take_late(7, DiskError::Io).error, DiskError::Io);
}

TEST_F(DiskQueueTest, a_recorded_error_is_the_guests_error_whatever_this_host_says) {
    queue->submit(1, Op::Read, 0, 512, {});
    node->answer();
    notes.says = DiskMark{0, 1, DiskError::Io, false};
    const auto reply = queue->take(1);
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->error, DiskError::Io);
    EXPECT_TRUE(notes.differences.empty());
    EXPECT_TRUE(notes.marks.empty()) << "a replay notes nothing";
}

TEST_F(DiskQueueTest, an_error_that_the_recording_does_not_have_is_a_difference) {
    queue->submit(1, Op::Read, 0, 512, {});
    node->answer(EIO);
    notes.says = DiskMark{0, 1, DiskError::None, false};
    EXPECT_TRUE(queue->take(1));
    EXPECT_EQ(notes.differences, (std::vector<std::string>{"disk.img cannot be read here: Input/output error"}));
}

TEST_F(DiskQueueTest, a_recorded_lateness_is_kept_though_this_host_was_ready) {
    queue->submit(1, Op::Read, 0, 512, {});
    node->answer();
    notes.says = DiskMark{0, 1, DiskError::None, true};
    EXPECT_FALSE(queue->take(1));
    EXPECT_EQ(queue->take_late(1, DiskError::None).data, pattern(0, 1));
}

TEST_F(DiskQueueTest, a_request_that_is_dropped_is_not_delivered) {
    queue->submit(1, Op::Read, 0, 512, {});
    EXPECT_FALSE(queue->take(1));
    queue->drop(1);
    node->answer();
    EXPECT_TRUE(posted().empty());
    queue->submit(2, Op::Read, 512, 512, {});
    node->answer();
    EXPECT_EQ(queue->take(2)->data, pattern(1, 1));
}

TEST_F(DiskQueueTest, errors_are_reported_unless_the_user_wants_otherwise) {
    queue->submit(1, Op::Read, 0, 512, {});
    node->answer(EIO);
    EXPECT_EQ(queue->take(1)->error, DiskError::Io);
    EXPECT_EQ(disks.trouble(), "");
}

class NoSpaceTest : public DiskQueueTest {};

// The default of writes: a host without room is nothing the guest did wrong.
TEST_F(NoSpaceTest, a_full_host_disk_pauses_and_the_write_is_tried_again) {
    queue->submit(1, Op::Write, 0, 0, pattern(5, 1));
    node->answer(ENOSPC);
    EXPECT_FALSE(queue->take(1));
    EXPECT_EQ(disks.trouble(), "disk.img cannot be written: No space left on device");
    EXPECT_TRUE(posted().empty());
    disks.try_again();
    EXPECT_EQ(disks.trouble(), "");
    ASSERT_EQ(node->held.size(), 1u);
    EXPECT_EQ(node->held[0].first.data, pattern(5, 1));
    node->answer(ENOSPC);
    EXPECT_EQ(disks.trouble(), "disk.img cannot be written: No space left on device") << "still full";
    disks.try_again();
    node->answer();
    const auto inputs = posted();
    ASSERT_EQ(inputs.size(), 1u);
    EXPECT_EQ(parse_disk_input(inputs[0].data), std::pair(u64{1}, DiskError::None));
    EXPECT_EQ(queue->take_late(1, DiskError::None).error, DiskError::None);
}

TEST_F(NoSpaceTest, another_error_of_a_write_is_reported) {
    queue->submit(1, Op::Write, 0, 0, pattern(5, 1));
    node->answer(EIO);
    EXPECT_EQ(queue->take(1)->error, DiskError::Io);
}

class StopTest : public DiskQueueTest {
  protected:
    StopTest() : DiskQueueTest({.id = "hda", .file = "disk.img", .on_write_error = block::OnError::Ignore, .on_read_error = block::OnError::Stop}) {}
};

TEST_F(StopTest, rerror_stop_pauses_on_any_error) {
    queue->submit(1, Op::Read, 0, 512, {});
    node->answer(EIO);
    EXPECT_FALSE(queue->take(1));
    EXPECT_EQ(disks.trouble(), "disk.img cannot be read: Input/output error");
    disks.try_again();
    node->answer();
    EXPECT_EQ(queue->take_late(1, DiskError::None).data, pattern(0, 1));
}

TEST_F(StopTest, werror_ignore_tells_the_guest_nothing) {
    queue->submit(1, Op::Write, 0, 0, pattern(0, 1));
    node->answer(EIO);
    const auto reply = queue->take(1);
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->error, DiskError::None);
    EXPECT_EQ(notes.marks, (std::vector<DiskMark>{{0, 1, DiskError::Io, false}})) << "the recording knows";
}

TEST(DiskInput, is_refused_unless_whole) {
    EXPECT_EQ(parse_disk_input(disk_input(0x0102030405060708, DiskError::NoSpace)), std::pair(u64{0x0102030405060708}, DiskError::NoSpace));
    EXPECT_FALSE(parse_disk_input(""));
    EXPECT_FALSE(parse_disk_input(disk_input(1, DiskError::Io).substr(1)));
    EXPECT_FALSE(parse_disk_input(std::string(8, '\0') + '\x03'));
}

}  // namespace
}  // namespace vmm
