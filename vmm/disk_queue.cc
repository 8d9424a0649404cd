// SPDX-License-Identifier: Apache-2.0
#include "vmm/disk_queue.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "block/overlay.h"
#include "vmm/archive.h"
#include "vmm/check.h"
#include "vmm/disks.h"

namespace vmm {
namespace {

constexpr u64 kForever = ~u64{0};

DiskError error_of(int number) {
    if (number == 0) return DiskError::None;
    return number == ENOSPC || number == EDQUOT || number == EFBIG ? DiskError::NoSpace : DiskError::Io;
}

constexpr const char* kOpNames[] = {"read", "written", "written", "written"};

}  // namespace

struct DiskQueue::Slot {
    u64 id = 0;
    block::Op op{};
    u64 offset = 0, length = 0;
    bool done = false, late = false, dropped = false;
    bool held = false;                       // met an error for which the machine pauses
    block::Reply reply{};
    std::optional<block::Request> again{};   // to submit it once more, where an error may pause the machine
};

DiskQueue::DiskQueue(Disks& disks, u8 number, block::OpenImage image, block::ImageConfig config, block::HostIo* io)
    : disks_(disks), io_(io), number_(number), config_(std::move(config)), overlay_(image.overlay), qcow2_(image.qcow2), node_(std::move(image.node)) {}

DiskQueue::~DiskQueue() { restart(); }

DiskQueue::SlotRef DiskQueue::find(u64 id) {
    const auto it = std::find_if(slots_.begin(), slots_.end(), [id](const SlotRef& s) { return s->id == id; });
    return it == slots_.end() ? nullptr : *it;
}

void DiskQueue::remove(u64 id) {
    std::erase_if(slots_, [id](const SlotRef& s) { return s->id == id; });
}

bool DiskQueue::may_pause(block::Op op) const {
    const auto policy = op == block::Op::Read ? config_.on_read_error : config_.on_write_error;
    return policy == block::OnError::Stop || (policy == block::OnError::Enospc && op != block::Op::Read);
}

bool DiskQueue::pauses(const Slot& slot) const {
    if (slot.reply.error == 0 || !slot.again) return false;
    const auto policy = slot.op == block::Op::Read ? config_.on_read_error : config_.on_write_error;
    return policy == block::OnError::Stop || error_of(slot.reply.error) == DiskError::NoSpace;
}

void DiskQueue::submit(u64 id, block::Op op, u64 offset, u64 length, std::span<const u8> data, bool late) {
    CHECK(!find(id), "two disk requests with one id");
    auto slot = std::make_shared<Slot>();
    slot->id = id;
    slot->op = op;
    slot->offset = offset;
    slot->length = length;
    slot->late = late;
    slots_.push_back(slot);
    block::Request request{op, offset, length, {data.begin(), data.end()}};
    if ((op == block::Op::Read || overlay_ == nullptr) && may_pause(op)) slot->again = request;   // an overlay's writes do not fail
    start(slot, std::move(request));
    if (late && io_ != nullptr) io_->watch();
}

void DiskQueue::start(const SlotRef& slot, block::Request request) {
    node_->submit(std::move(request), [this, slot](block::Reply reply) { completed(slot, std::move(reply)); });
}

void DiskQueue::completed(const SlotRef& slot, block::Reply reply) {
    const std::lock_guard lock(mutex_);
    slot->reply = std::move(reply);
    slot->done = true;
    if (!slot->late || slot->dropped) return;
    if (pauses(*slot)) {
        slot->held = true;
        trouble_ = config_.file + " cannot be " + kOpNames[static_cast<unsigned>(slot->op)] + ": " + std::strerror(slot->reply.error);
        disks_.inbox().wake();
        return;
    }
    post(slot->id, error_of(slot->reply.error));
}

void DiskQueue::post(u64 id, DiskError error) { disks_.inbox().post({InputKind::Disk, number_, disk_input(id, error)}); }

void DiskQueue::make_late(const SlotRef& slot) {
    bool done = false;
    {
        const std::lock_guard lock(mutex_);
        slot->late = true;
        done = slot->done;
    }
    if (done) completed(slot, std::move(slot->reply));
    else if (io_ != nullptr) io_->watch();
}

bool DiskQueue::wait(const SlotRef& slot, u64 ns) {
    const auto done = [&] {
        const std::lock_guard lock(mutex_);
        return slot->done;
    };
    return io_ != nullptr ? io_->wait(done, ns) : done();
}

// A hash of what was read, if some of it had not been read before and somebody notes it.
std::optional<u32> DiskQueue::first_read(const Slot& slot) {
    if (slot.op != block::Op::Read || slot.reply.error != 0 || !disks_.journal().disk_hashes()) return std::nullopt;
    if (known_.empty()) known_.resize(node_->size() / block::kSector);
    bool first = false;
    const u64 end = std::min<u64>((slot.offset + slot.length) / block::kSector, known_.size());
    for (u64 sector = slot.offset / block::kSector; sector < end; ++sector) {
        first |= !known_[sector];
        known_[sector] = true;
    }
    if (!first) return std::nullopt;
    return static_cast<u32>(hash_bytes(slot.reply.data));
}

DiskReply DiskQueue::reply_of(const SlotRef& slot, DiskError expected) {
    DiskReply reply{expected, std::move(slot->reply.data)};
    const auto policy = slot->op == block::Op::Read ? config_.on_read_error : config_.on_write_error;
    if (expected != DiskError::None && policy == block::OnError::Ignore) reply.error = DiskError::None;
    return reply;
}

std::optional<DiskReply> DiskQueue::take(u64 id) {
    const SlotRef slot = find(id);
    CHECK(slot, "a disk request that nobody submitted is due");
    DiskJournal& journal = disks_.journal();
    const Icount now = disks_.now();
    if (const auto mark = journal.disk_due(now, number_, id)) {
        if (mark->late) {
            make_late(slot);
            return std::nullopt;
        }
        wait(slot, kForever);
        if (mark->error == DiskError::None && slot->reply.error != 0)
            journal.disk_differs(now, config_.file + " cannot be " + kOpNames[static_cast<unsigned>(slot->op)] + " here: " + std::strerror(slot->reply.error));
        else if (mark->data && slot->reply.error == 0 && static_cast<u32>(hash_bytes(slot->reply.data)) != *mark->data)
            journal.disk_differs(now, config_.file + " has other bytes in sectors " + std::to_string(slot->offset / block::kSector) + " to " +
                                          std::to_string((slot->offset + slot->length) / block::kSector - 1) + " than were read there when it was recorded");
        remove(id);
        return reply_of(slot, mark->error);
    }
    const bool ready = wait(slot, disks_.patience_ns());
    if (!ready || pauses(*slot)) {
        journal.disk_done(now, {number_, id, DiskError::None, true});
        make_late(slot);
        return std::nullopt;
    }
    const DiskError error = error_of(slot->reply.error);
    journal.disk_done(now, {number_, id, error, false, first_read(*slot)});
    remove(id);
    return reply_of(slot, error);
}

DiskReply DiskQueue::take_late(u64 id, DiskError error) {
    const SlotRef slot = find(id);
    CHECK(slot, "a disk request that nobody submitted has come");
    wait(slot, kForever);
    if (error == DiskError::None && slot->reply.error != 0)
        disks_.journal().disk_differs(disks_.now(), config_.file + " cannot be " + kOpNames[static_cast<unsigned>(slot->op)] + " here: " + std::strerror(slot->reply.error));
    remove(id);
    return reply_of(slot, error);
}

void DiskQueue::drop(u64 id) {
    const SlotRef slot = find(id);
    if (!slot) return;
    // What a drive has begun to write it writes: later requests must not overtake it.
    if (slot->op != block::Op::Read) wait(slot, kForever);
    {
        const std::lock_guard lock(mutex_);
        slot->dropped = true;
        if (slot->held) trouble_.clear();
    }
    remove(id);
}

void DiskQueue::restart() {
    while (!slots_.empty()) drop(slots_.back()->id);
}

std::string DiskQueue::trouble() {
    const std::lock_guard lock(mutex_);
    return trouble_;
}

void DiskQueue::try_again() {
    std::vector<SlotRef> held;
    {
        const std::lock_guard lock(mutex_);
        trouble_.clear();
        for (const SlotRef& slot : slots_)
            if (slot->held) held.push_back(slot);
        for (const SlotRef& slot : held) slot->held = slot->done = false;
    }
    for (const SlotRef& slot : held) start(slot, *slot->again);
    if (!held.empty() && io_ != nullptr) io_->watch();
}

std::string disk_input(u64 id, DiskError error) {
    std::string out;
    for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<char>(id >> (8 * i) & 0xff));
    out.push_back(static_cast<char>(error));
    return out;
}

std::optional<std::pair<u64, DiskError>> parse_disk_input(std::string_view data) {
    if (data.size() != 9 || static_cast<u8>(data[8]) > static_cast<u8>(DiskError::NoSpace)) return std::nullopt;
    u64 id = 0;
    for (unsigned i = 0; i < 8; ++i) id |= u64{static_cast<u8>(data[i])} << (8 * i);
    return std::pair(id, static_cast<DiskError>(data[8]));
}

}  // namespace vmm
