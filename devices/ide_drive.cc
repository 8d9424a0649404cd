// SPDX-License-Identifier: Apache-2.0
#include "devices/ide_drive.h"

#include <algorithm>
#include <cstring>

namespace vmm {
namespace {

constexpr u64 kSeekNs = 10'000, kBytesPerNs = 8;

constexpr u32 kMostBuffered = 4u << 20;                // more than any command asks for

}  // namespace

using namespace ide;

// --- registers --------------------------------------------------------------------------------------------------------------

void IdeDrive::write(Register reg, u8 value) {
    if (busy()) return;
    const auto push = [value](std::array<u8, 2>& r) { r = {value, r[0]}; };
    Registers& r = t_.regs;
    switch (reg) {
        case kFeatures: push(r.features); break;
        case kCount: push(r.count); break;
        case kLbaLow: push(r.lba_low); break;
        case kLbaMid: push(r.lba_mid); break;
        case kLbaHigh: push(r.lba_high); break;
        case kDevice: r.device = value; break;
        case kData:
        case kCommand: break;
    }
}

u8 IdeDrive::read(Register reg, bool high) const {
    const Registers& r = t_.regs;
    const unsigned i = high ? 1 : 0;
    switch (reg) {
        case kFeatures: return t_.error;
        case kCount: return r.count[i];
        case kLbaLow: return r.lba_low[i];
        case kLbaMid: return r.lba_mid[i];
        case kLbaHigh: return r.lba_high[i];
        case kDevice: return r.device;
        case kCommand: return t_.status;
        case kData: break;
    }
    return 0;
}

void IdeDrive::command(u8 code) {
    if (!accepts(code)) return;
    clear_interrupt();
    go_idle();
    t_.error = 0;
    execute(code);
}

void IdeDrive::raise_interrupt() {
    t_.interrupt = true;
    cable_.interrupt_changed();
}

void IdeDrive::clear_interrupt() {
    if (!t_.interrupt) return;
    t_.interrupt = false;
    cable_.interrupt_changed();
}

void IdeDrive::go_idle() {
    drop_pending();
    t_.phase = Phase::Idle;
    t_.buffer.clear();
    t_.position = t_.block = t_.block_end = 0;
    t_.status = ready_status();
}

void IdeDrive::finish(u8 error_register, u8 status_bits) {
    go_idle();
    t_.error = error_register;
    t_.status = static_cast<u8>(t_.status | status_bits | (error_register != 0 ? kErr : 0));
    raise_interrupt();
}

void IdeDrive::soft_reset() {
    go_idle();
    t_.interrupt = false;
    t_.error = 1;                                       // diagnostic code: no error
    signature();
    cable_.interrupt_changed();
}

// --- PIO: blocks, each announced by DRQ ----------------------------------------------------------------------------------------

void IdeDrive::pio_in(std::vector<u8> data, u32 block, bool interrupts) {
    t_.phase = Phase::PioIn;
    t_.buffer = std::move(data);
    t_.position = 0;
    t_.block = block;
    start_block(interrupts);
}

void IdeDrive::pio_out(u32 bytes, u32 block, bool interrupts) {
    t_.phase = Phase::PioOut;
    t_.buffer.assign(bytes, 0);
    t_.position = 0;
    t_.block = block;
    start_block(interrupts);
}

void IdeDrive::start_block(bool interrupts) {
    const u32 size = static_cast<u32>(t_.buffer.size());
    t_.block_end = std::min(size, t_.position + t_.block);
    t_.status = static_cast<u8>((ready_status() | kDrq) & ~kBsy);
    block_starts(t_.block_end - t_.position);
    if (interrupts) raise_interrupt();
}

void IdeDrive::block_done() {
    if (t_.position < t_.buffer.size()) return start_block(true);
    t_.status = static_cast<u8>(t_.status & ~kDrq);
    if (t_.phase == Phase::PioIn) buffer_drained();
    else buffer_filled();
}

u16 IdeDrive::read_data() {
    if (t_.phase != Phase::PioIn) return 0;
    u16 value = t_.buffer[t_.position++];
    if (t_.position < t_.block_end) value = static_cast<u16>(value | t_.buffer[t_.position++] << 8);
    if (t_.position >= t_.block_end) block_done();
    return value;
}

void IdeDrive::write_data(u16 value) {
    if (t_.phase != Phase::PioOut) return;
    t_.buffer[t_.position++] = static_cast<u8>(value);
    if (t_.position < t_.block_end) t_.buffer[t_.position++] = static_cast<u8>(value >> 8);
    if (t_.position >= t_.block_end) block_done();
}

// --- DMA -----------------------------------------------------------------------------------------------------------------------

void IdeDrive::dma_in(std::vector<u8> data) {
    t_.phase = Phase::DmaIn;
    t_.buffer = std::move(data);
    t_.position = 0;
    t_.status = static_cast<u8>((ready_status() | kDrq) & ~kBsy);
    cable_.dma_requested();
}

void IdeDrive::dma_out(u32 bytes) {
    t_.phase = Phase::DmaOut;
    t_.buffer.assign(bytes, 0);
    t_.position = 0;
    t_.status = static_cast<u8>((ready_status() | kDrq) & ~kBsy);
    cable_.dma_requested();
}

std::span<const u8> IdeDrive::dma_offers() const {
    if (t_.phase != Phase::DmaIn) return {};
    return std::span(t_.buffer).subspan(t_.position);
}

u32 IdeDrive::dma_wants() const { return t_.phase == Phase::DmaOut ? static_cast<u32>(t_.buffer.size()) - t_.position : 0; }

void IdeDrive::dma_taken(u32 bytes) {
    t_.position += bytes;
    if (t_.position < t_.buffer.size()) return;
    t_.status = static_cast<u8>(t_.status & ~kDrq);
    buffer_drained();
}

void IdeDrive::dma_given(std::span<const u8> bytes) {
    std::copy(bytes.begin(), bytes.end(), t_.buffer.begin() + t_.position);
    t_.position += static_cast<u32>(bytes.size());
    if (t_.position < t_.buffer.size()) return;
    t_.status = static_cast<u8>(t_.status & ~kDrq);
    buffer_filled();
}

// --- requests to the disk ---------------------------------------------------------------------------------------------------------

void IdeDrive::request(block::Op op, u64 offset, u64 length, std::vector<u8> data) {
    t_.phase = Phase::Busy;
    t_.status = kBsy;
    Pending p{t_.next_id++, op, offset, length, {}, false, std::move(data)};
    const u64 bytes = op == block::Op::Read || op == block::Op::Write ? length : 0;
    p.due = cable_.now() + (kSeekNs + bytes / kBytesPerNs);
    queue_->submit(p.id, p.op, p.offset, p.length, p.data);
    t_.pending = std::move(p);
    cable_.due_changed();
}

void IdeDrive::drop_pending() {
    if (!t_.pending) return;
    queue_->drop(t_.pending->id);
    t_.pending.reset();
    cable_.due_changed();
}

std::optional<GuestTime> IdeDrive::due() const {
    return t_.pending && !t_.pending->late ? std::optional(t_.pending->due) : std::nullopt;
}

void IdeDrive::run_due(GuestTime now) {
    const auto at = due();
    if (!at || *at > now) return;
    auto reply = queue_->take(t_.pending->id);
    if (!reply) {
        t_.pending->late = true;
        return;
    }
    const block::Op op = t_.pending->op;
    t_.pending.reset();
    host_done(op, std::move(*reply));
}

void IdeDrive::came_late(u64 id, DiskError error) {
    if (!t_.pending || !t_.pending->late || t_.pending->id != id) return;
    auto reply = queue_->take_late(id, error);
    const block::Op op = t_.pending->op;
    t_.pending.reset();
    host_done(op, std::move(reply));
}

void IdeDrive::serialize(Archive& ar) {
    ar.enter("transport");
    VMM_FIELDS(ar, t_, regs, status, error, interrupt, phase, buffer, position, block, block_end, next_id, pending);
    ar.leave();
}

void IdeDrive::after_load() {
    // A state that was spoilt must not lead outside the buffer, or to a disk that is not there.
    const auto size = static_cast<u32>(t_.buffer.size());
    const bool pio = t_.phase == Phase::PioIn || t_.phase == Phase::PioOut, dma = t_.phase == Phase::DmaIn || t_.phase == Phase::DmaOut;
    const bool wrong = size > kMostBuffered || t_.block_end > size || t_.block == 0 || t_.position >= t_.block_end;
    if ((pio && wrong) || (dma && t_.position >= size) || t_.phase > Phase::DmaOut) {
        t_.phase = Phase::Idle;
        t_.buffer.clear();
    }
    if (queue_ != nullptr) queue_->restart();
    if (!t_.pending) return;
    const Pending& p = *t_.pending;
    if (queue_ == nullptr || p.op > block::Op::Discard || p.length > kMostBuffered || (p.op == block::Op::Write && p.data.size() != p.length)) {
        t_.pending.reset();
        return;
    }
    queue_->submit(p.id, p.op, p.offset, p.length, p.data, p.late);
}

}  // namespace vmm
