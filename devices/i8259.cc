// SPDX-License-Identifier: Apache-2.0
#include "devices/i8259.h"

namespace vmm {
namespace {

// ICW1 and the command words share A0=0; D4 and D3 tell them apart.
constexpr u8 kIcw1 = 0x10, kIcw1Ic4 = 0x01, kIcw1Sngl = 0x02;
constexpr u8 kIcw4Aeoi = 0x02, kIcw4Sfnm = 0x10;
constexpr u8 kOcw3 = 0x08, kOcw3Ris = 0x01, kOcw3Rr = 0x02, kOcw3Poll = 0x04, kOcw3Smm = 0x20, kOcw3Esmm = 0x40;
constexpr u8 kPollRequest = 0x80;

// Inputs that the PIIX3 lets be level-triggered: not the timer, the keyboard, the cascade, the RTC and FERR#.
constexpr std::array<u8, 2> kElcrWritable = {0xf8, 0xde};

constexpr u8 bit(unsigned n) { return static_cast<u8>(1u << n); }

}  // namespace

void serialize(Archive& ar, I8259::Chip& chip) {
    VMM_FIELDS(ar, chip, lines, latch, imr, isr, elcr, lowest, base, next_icw, icw4_follows, single, nested_specially,
               auto_eoi, rotate_on_auto_eoi, special_mask, read_isr, poll);
}

I8259::I8259(IoBus& ports, IrqLine intr) : intr_(std::move(intr)) {
    const auto map = [&](u32 base, unsigned which) {
        ports.map("pic", base, 2, {.read = [this, which](u32 a0, unsigned) -> u32 { return read(which, a0); },
                                   .write = [this, which](u32 a0, unsigned, u32 v) { write(which, a0, static_cast<u8>(v)); }});
    };
    map(0x20, kMaster);
    map(0xa0, kSlave);
    ports.map("pic", 0x4d0, 2, {.read = [this](u32 which, unsigned) -> u32 { return s_.chip[which].elcr; },
                                .write = [this](u32 which, unsigned, u32 v) {
                                    s_.chip[which].elcr = static_cast<u8>(v & kElcrWritable[which]);
                                    update();
                                }});
}

IrqLine I8259::irq(unsigned n) {
    if (n == kCascade || n > 15) return {};
    return IrqLine([this, n](bool level) {
        set_line(s_.chip[n / 8], n % 8, level);
        update();
    });
}

void I8259::reset() {
    for (Chip& c : s_.chip) {
        const u8 lines = c.lines;   // the wires are others' to drive
        c = Chip{};
        c.lines = lines;
    }
    update();
}

// The first of `bits` in order of priority, or -1.
int I8259::highest(const Chip& c, u8 bits) {
    for (unsigned i = 1; i <= 8; ++i) {
        const unsigned n = (c.lowest + i) & 7;
        if (bits & bit(n)) return static_cast<int>(n);
    }
    return -1;
}

// The IR that the chip asks its output to be raised for, or -1.
int I8259::request(const Chip& c) const {
    const u8 masked = c.imr;
    const u8 requests = static_cast<u8>(irr(c) & ~masked);
    // A level in service blocks itself and what is below it. In special mask mode it does not once it is masked; in special
    // fully nested mode the master lets a further request of the slave through.
    u8 blocking = c.isr;
    if (c.special_mask) blocking = static_cast<u8>(blocking & ~masked);
    const bool slave_may_nest = c.nested_specially && &c == &s_.chip[kMaster];
    for (unsigned i = 1; i <= 8; ++i) {
        const unsigned n = (c.lowest + i) & 7;
        const bool in_service = (blocking & bit(n)) != 0;
        if ((requests & bit(n)) && (!in_service || (slave_may_nest && n == kCascade))) return static_cast<int>(n);
        if (in_service) return -1;
    }
    return -1;
}

void I8259::set_line(Chip& c, unsigned n, bool level) {
    const u8 b = bit(n);
    const bool was = (c.lines & b) != 0;
    if (level == was) return;
    c.lines = static_cast<u8>(c.lines ^ b);
    // An edge counts only while the input stays high until it is acknowledged.
    c.latch = static_cast<u8>(level ? c.latch | b : c.latch & ~b);
}

// Brings the outputs in line with the requests.
void I8259::update() {
    set_line(s_.chip[kMaster], kCascade, request(s_.chip[kSlave]) >= 0);
    const bool level = pending();
    if (level == intr_level_) return;
    intr_level_ = level;
    intr_.set(level);
}

// INT goes low when a request is taken, so that a further one makes an edge.
void I8259::drop_output(unsigned which) {
    if (which == kSlave) {
        set_line(s_.chip[kMaster], kCascade, false);
    } else if (intr_level_) {
        intr_level_ = false;
        intr_.set(false);
    }
}

void I8259::take(Chip& c, unsigned n) {
    c.isr = static_cast<u8>(c.isr | bit(n));
    c.latch = static_cast<u8>(c.latch & ~bit(n));
    if (c.auto_eoi) end(c, n, c.rotate_on_auto_eoi);
}

void I8259::end(Chip& c, unsigned n, bool rotate) {
    c.isr = static_cast<u8>(c.isr & ~bit(n));
    if (rotate) c.lowest = static_cast<u8>(n);
}

u8 I8259::acknowledge() {
    Chip& master = s_.chip[kMaster];
    Chip& slave = s_.chip[kSlave];
    const int n = request(master);
    u8 vector = master.base | 7;
    if (n >= 0) {
        vector = static_cast<u8>(master.base | n);
        take(master, static_cast<unsigned>(n));
        if (n == kCascade && !master.single) {
            const int m = request(slave);
            vector = static_cast<u8>(slave.base | (m >= 0 ? m : 7));
            if (m >= 0) take(slave, static_cast<unsigned>(m));
            drop_output(kSlave);
        }
    }
    drop_output(kMaster);
    update();
    return vector;
}

u8 I8259::read(unsigned which, u32 a0) {
    Chip& c = s_.chip[which];
    if (c.poll) {
        c.poll = false;
        const int n = request(c);
        if (n < 0) return 0;
        take(c, static_cast<unsigned>(n));
        drop_output(which);
        update();
        return static_cast<u8>(kPollRequest | n);
    }
    if (a0 == 1) return c.imr;
    return c.read_isr ? c.isr : irr(c);
}

void I8259::write(unsigned which, u32 a0, u8 value) {
    Chip& c = s_.chip[which];
    if (a0 == 1) write_data(c, value);
    else if (value & kIcw1) write_icw1(c, value);
    else if (value & kOcw3) write_ocw3(c, value);
    else write_ocw2(c, value);
    update();
}

void I8259::write_icw1(Chip& c, u8 value) {
    // The edge sense circuit is reset: an input that is high now must fall and rise again. LTIM is the ELCR's business.
    c.latch = 0;
    c.imr = 0;
    c.isr = 0;
    c.lowest = 7;
    c.special_mask = false;
    c.read_isr = false;
    c.poll = false;
    c.rotate_on_auto_eoi = false;
    c.auto_eoi = false;             // all functions of ICW4 are off unless it follows
    c.nested_specially = false;
    c.icw4_follows = (value & kIcw1Ic4) != 0;
    c.single = (value & kIcw1Sngl) != 0;
    c.next_icw = 2;
}

void I8259::write_data(Chip& c, u8 value) {
    switch (c.next_icw) {
    case 2:
        c.base = value & 0xf8;
        c.next_icw = !c.single ? 3 : c.icw4_follows ? 4 : 0;
        break;
    case 3:
        c.next_icw = c.icw4_follows ? 4 : 0;
        break;
    case 4:
        c.auto_eoi = (value & kIcw4Aeoi) != 0;
        c.nested_specially = (value & kIcw4Sfnm) != 0;
        c.next_icw = 0;
        break;
    default:
        c.imr = value;
        break;
    }
}

void I8259::write_ocw2(Chip& c, u8 value) {
    const unsigned level = value & 7;
    const bool rotate = (value & 0x80) != 0, specific = (value & 0x40) != 0, eoi = (value & 0x20) != 0;
    if (!eoi) {
        // Without EOI: 000 and 100 clear and set rotation in AEOI mode, 110 sets the lowest priority, 010 does nothing.
        if (!specific) c.rotate_on_auto_eoi = rotate;
        else if (rotate) c.lowest = static_cast<u8>(level);
        return;
    }
    if (specific) {
        end(c, level, rotate);
        return;
    }
    // In special mask mode a non-specific EOI leaves a masked level in service.
    const int n = highest(c, static_cast<u8>(c.special_mask ? c.isr & ~c.imr : c.isr));
    if (n >= 0) end(c, static_cast<unsigned>(n), rotate);
}

void I8259::write_ocw3(Chip& c, u8 value) {
    if (value & kOcw3Poll) c.poll = true;
    if (value & kOcw3Rr) c.read_isr = (value & kOcw3Ris) != 0;
    if (value & kOcw3Esmm) c.special_mask = (value & kOcw3Smm) != 0;
}

}  // namespace vmm
