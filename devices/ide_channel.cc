// SPDX-License-Identifier: Apache-2.0
#include "devices/ide_channel.h"

#include <algorithm>


namespace vmm {
namespace {

constexpr u8 kNobody = 0x7f;
constexpr u8 kHob = 0x80, kSrst = 0x04, kNien = 0x02;
constexpr u8 kDiagnostic = 0x90;

// Bus master.
constexpr u8 kStart = 0x01, kToMemory = 0x08;                              // BMICX: SSBM, RWCON
constexpr u8 kActive = 0x01, kMasterError = 0x02, kInterrupt = 0x04, kCapable = 0x60;   // BMISX
constexpr u32 kLastRegion = 0x8000'0000;

}  // namespace

using namespace ide;

IdeChannel::IdeChannel(Timers& timers, TimerId timer, Memory& memory, IrqLine irq)
    : memory_(memory), irq_(std::move(irq)), timer_(timers, timer, [this](GuestTime) { fire(); }) {}

// --- registers ---------------------------------------------------------------------------------------------------------------

IdeDrive* IdeChannel::answering() const {
    if (selected() != nullptr) return selected();
    return s_.selected == 1 ? drives_[0].get() : nullptr;
}

u8 IdeChannel::read_register(Register reg) {
    IdeDrive* drive = answering();
    if (drive == nullptr) return kNobody;
    if (s_.srst) return kBsy;
    const bool for_the_other = drive != selected();
    if (reg == kCommand) {
        if (for_the_other) return 0;
        const u8 status = drive->status();
        drive->clear_interrupt();
        return status;
    }
    return drive->read(reg, s_.high);
}

u8 IdeChannel::alternate_status() const {
    const IdeDrive* drive = answering();
    if (drive == nullptr) return kNobody;
    if (s_.srst) return kBsy;
    return drive == selected() ? drive->status() : 0;
}

void IdeChannel::write_register(Register reg, u8 value) {
    s_.high = false;
    if (s_.srst) return;
    if (reg != kCommand) {
        for (const auto& drive : drives_)
            if (drive) drive->write(reg, value);
        if (reg == kDevice) {
            s_.selected = (value & kDeviceDev) != 0 ? 1 : 0;
            interrupt_changed();
        }
        return;
    }
    if (value == kDiagnostic) {
        // For both; drive 0 answers.
        for (const auto& drive : drives_)
            if (drive && !drive->busy()) drive->diagnose();
        s_.selected = 0;
        if (drives_[0]) drives_[0]->command(value);
        else if (drives_[1]) drives_[1]->command(value);
    } else if (selected() != nullptr) {
        selected()->command(value);
    }
}

u32 IdeChannel::read(u32 offset, unsigned size) {
    IdeDrive* drive = selected();
    if (offset == kData) {
        if (drive == nullptr) return 0xffff'ffffu >> (32 - 8 * size);
        const u32 low = drive->read_data();
        return size == 4 ? low | u32{drive->read_data()} << 16 : size == 2 ? low : low & 0xff;
    }
    u32 value = 0;
    for (unsigned i = 0; i < size; ++i) value |= u32{offset + i < 8 ? read_register(static_cast<Register>(offset + i)) : u8{0xff}} << (8 * i);
    return value;
}

void IdeChannel::write(u32 offset, unsigned size, u32 value) {
    if (offset == kData) {
        if (selected() == nullptr) return;
        selected()->write_data(static_cast<u16>(size == 1 ? value & 0xff : value));
        if (size == 4 && selected() != nullptr) selected()->write_data(static_cast<u16>(value >> 16));
        return;
    }
    for (unsigned i = 0; i < size && offset + i < 8; ++i) write_register(static_cast<Register>(offset + i), static_cast<u8>(value >> (8 * i)));
}

void IdeChannel::control(u8 value) {
    s_.high = (value & kHob) != 0;
    s_.no_interrupt = (value & kNien) != 0;
    const bool srst = (value & kSrst) != 0;
    if (s_.srst && !srst) {
        for (const auto& drive : drives_)
            if (drive) drive->soft_reset();
        s_.selected = 0;
    }
    s_.srst = srst;
    interrupt_changed();
}

void IdeChannel::interrupt_changed() {
    const bool line = !s_.no_interrupt && selected() != nullptr && selected()->interrupt();
    if (line == s_.line) return;
    s_.line = line;
    if (line) s_.status |= kInterrupt;
    irq_.set(line);
}

// --- time -----------------------------------------------------------------------------------------------------------------------

void IdeChannel::due_changed() {
    std::optional<GuestTime> next;
    for (const auto& drive : drives_) {
        if (!drive) continue;
        if (const auto due = drive->due(); due && (!next || *due < *next)) next = due;
    }
    if (next) timer_.arm(*next);
    else timer_.cancel();
}

void IdeChannel::fire() {
    for (const auto& drive : drives_)
        if (drive) drive->run_due(now());
    due_changed();
}

// --- bus master --------------------------------------------------------------------------------------------------------------------

u8 IdeChannel::master_read(u32 offset) const {
    switch (offset) {
        case 0: return s_.command;
        case 2: return s_.status;
        case 4: case 5: case 6: case 7: return static_cast<u8>(s_.table >> (8 * (offset - 4)));
        default: return 0;
    }
}

void IdeChannel::master_write(u32 offset, u8 value) {
    switch (offset) {
        case 0: {
            const bool was = (s_.command & kStart) != 0;
            s_.command = value & (kStart | kToMemory);
            const bool is = (s_.command & kStart) != 0;
            if (was && !is) {
                s_.status &= static_cast<u8>(~kActive);                       // where it was is forgotten
            } else if (!was && is) {
                s_.status |= kActive;
                s_.next = s_.table;
                s_.left = 0;
                s_.last = false;
                move_data();
            }
            break;
        }
        case 2:
            s_.status = static_cast<u8>((s_.status & ~kCapable & ~(value & (kMasterError | kInterrupt))) | (value & kCapable));
            break;
        case 4: case 5: case 6: case 7: {
            const unsigned shift = 8 * (offset - 4);
            s_.table = ((s_.table & ~(0xffu << shift)) | u32{value} << shift) & ~u32{3};
            break;
        }
        default: break;
    }
}

void IdeChannel::set_mastering(bool on) {
    mastering_ = on;
    move_data();
}

bool IdeChannel::next_region() {
    if (s_.last) {
        s_.status &= static_cast<u8>(~kActive);                               // the table ended before the data
        return false;
    }
    std::array<u8, 8> entry{};
    memory_.read({s_.next}, entry);
    const auto word = [&entry](unsigned at) { return u32{entry[at]} | u32{entry[at + 1]} << 8 | u32{entry[at + 2]} << 16 | u32{entry[at + 3]} << 24; };
    s_.next += 8;
    s_.address = word(0) & ~u32{1};
    s_.left = word(4) & 0xfffe;
    if (s_.left == 0) s_.left = 0x1'0000;
    s_.last = (word(4) & kLastRegion) != 0;
    return true;
}

void IdeChannel::move_data() {
    if (moving_) return;                                                      // a drive asks from within: the loop below sees it
    moving_ = true;
    while ((s_.status & kActive) != 0 && mastering_) {
        IdeDrive* drive = nullptr;
        for (const auto& d : drives_)
            if (d && (!d->dma_offers().empty() || d->dma_wants() != 0)) drive = d.get();
        if (drive == nullptr) break;
        const auto offers = drive->dma_offers();
        if (!offers.empty() != ((s_.command & kToMemory) != 0)) break;        // the other direction: nothing moves
        if (s_.left == 0 && !next_region()) break;
        if (!offers.empty()) {
            const u32 n = std::min(s_.left, static_cast<u32>(offers.size()));
            memory_.write({s_.address}, offers.first(n));
            s_.address += n;
            s_.left -= n;
            if (s_.left == 0 && s_.last) s_.status &= static_cast<u8>(~kActive);
            drive->dma_taken(n);
        } else {
            const u32 n = std::min(s_.left, drive->dma_wants());
            std::vector<u8> data(n);
            memory_.read({s_.address}, data);
            s_.address += n;
            s_.left -= n;
            if (s_.left == 0 && s_.last) s_.status &= static_cast<u8>(~kActive);
            drive->dma_given(data);
        }
    }
    moving_ = false;
}

// --- state ---------------------------------------------------------------------------------------------------------------------------

void IdeChannel::reset() {
    const bool line = s_.line;
    s_ = {};
    s_.line = line;
    for (const auto& drive : drives_)
        if (drive) drive->power_on();
    interrupt_changed();
    due_changed();
}

void IdeChannel::serialize(Archive& ar) {
    VMM_FIELDS(ar, s_, selected, high, srst, no_interrupt, line, command, status, table, next, address, left, last);
    s_.selected &= 1;
    for (const auto& drive : drives_) {
        if (!drive) continue;
        ar.enter(drive->kind());
        drive->serialize(ar);
        ar.leave();
    }
}

void IdeChannel::after_load() {
    for (const auto& drive : drives_)
        if (drive) drive->after_load();
}

}  // namespace vmm
