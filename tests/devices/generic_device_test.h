// SPDX-License-Identifier: Apache-2.0
// The test that every device must pass: its saved state is all of its state.
//
// Random port traffic with time moving; save; load into a twin that has been dirtied with other traffic; then the same
// further traffic on both must give the same reads, the same edges on every output line and the same hash. Usage:
//
//     GenericDevice pit() {
//         return {.make = [](Bench& b) { b.add<I8254>(b.ports, b.timers, b.line("irq0")); },
//                 .ports = {{0x40, 4}, {0x61, 1}}};
//     }
//     TEST(I8254, StateIsComplete) { expect_state_is_complete(pit()); }
//     TEST(I8254, SurvivesAnyTraffic) { expect_survives_traffic(pit()); }
//
// `prepare` brings a device into a state where traffic matters; `input` is outside input (keys, line levels, bytes), called
// now and then with a random number generator and nothing else to draw from. `widths` for devices that take wide accesses.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "vmm/archive.h"
#include "vmm/bus.h"
#include "vmm/clock.h"
#include "vmm/device.h"

namespace vmm {

using Random = std::mt19937_64;  // the same sequence everywhere, by the C++ standard

// What a device is wired to: buses, time, and lines that remember every change of level.
class Bench {
  public:
    struct Edge {
        std::string line;
        bool level;
        u64 time;
        bool operator==(const Edge&) const = default;
    };

    explicit Bench(unsigned shift = 0) : clock(shift) {}
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    // Makes a device that the bench owns, saves and loads, in order of making.
    template <class T, class... Args>
    T& add(Args&&... args) {
        auto device = std::make_unique<T>(std::forward<Args>(args)...);
        T& ref = *device;
        devices_.push_back(std::move(device));
        return ref;
    }
    template <class T>
    T& device(std::size_t i = 0) { return dynamic_cast<T&>(*devices_.at(i)); }

    // A recording output line; its level starts low and is part of what is saved (it is the receiver's state).
    IrqLine line(std::string name) {
        const std::size_t i = names_.size();
        names_.push_back(std::move(name));
        levels_.push_back(0);
        return IrqLine([this, i](bool level) {
            if ((levels_[i] != 0) == level) return;
            levels_[i] = level ? 1 : 0;
            edges.push_back({names_[i], level, clock.time().v});
        });
    }
    bool level(std::string_view name) const {
        for (std::size_t i = 0; i < names_.size(); ++i)
            if (names_[i] == name) return levels_[i] != 0;
        ADD_FAILURE() << "no line " << name;
        return false;
    }

    // Lets at least `ns` pass, stopping at each deadline on the way as an engine does.
    void pass(u64 ns) {
        const GuestTime target = clock.time() + ns;
        while (timers.next() && *timers.next() <= target) {
            clock.set_icount(clock.first_at(*timers.next()));
            timers.run_due();
        }
        clock.set_icount(clock.first_at(target));
        timers.run_due();
    }

    u8 in(u32 port) { return static_cast<u8>(ports.read(port, 1)); }
    void out(u32 port, u32 value) { ports.write(port, 1, value); }

    void serialize(Archive& ar) {
        clock.serialize(ar);
        timers.serialize(ar);
        ar.field("levels", levels_);
        for (auto& d : devices_) {
            ar.enter(d->name());
            d->serialize(ar);
            ar.leave();
        }
    }
    std::vector<u8> save() {
        SaveArchive ar;
        serialize(ar);
        return ar.take();
    }
    bool load(const std::vector<u8>& bytes) {
        const std::size_t lines = levels_.size();
        LoadArchive ar(bytes);
        serialize(ar);
        levels_.resize(lines);  // spoilt bytes may hold any length
        for (auto& d : devices_) d->after_load();
        return !ar.failed() && ar.done();
    }
    u64 hash() { return hash_bytes(save()); }
    void reset() { for (auto& d : devices_) d->reset(); }

    Clock clock;
    IoBus ports{"ports"};
    IoBus mmio{"memory"};
    Timers timers{clock};
    std::vector<Edge> edges;

  private:
    std::vector<std::string> names_;
    std::vector<u8> levels_;
    std::vector<std::unique_ptr<Device>> devices_;
};

inline void PrintTo(const Bench::Edge& e, std::ostream* out) {
    *out << e.line << (e.level ? " up at " : " down at ") << e.time;
}

struct GenericDevice {
    struct Range { u32 base; u32 size; };

    std::function<void(Bench&)> make;
    std::vector<Range> ports = {};
    std::vector<Range> mmio = {};
    std::vector<unsigned> widths = {1};
    std::function<void(Bench&)> prepare = nullptr;
    std::function<void(Bench&, Random&)> input = nullptr;
    u64 longest_pause_ns = 3'000'000;
    unsigned accesses = 200;                       // in each stretch of traffic
    unsigned rounds = 60;
};

namespace generic_device {

// One stretch of traffic, the same for the same seed; returns what the reads gave.
inline std::vector<u32> traffic(const GenericDevice& d, Bench& bench, u64 seed) {
    Random random(seed);
    const auto below = [&random](u64 n) { return random() % n; };
    // Values that devices care about come up more often than chance would have it.
    static constexpr u8 kLikely[] = {0, 1, 2, 3, 4, 8, 0x10, 0x11, 0x20, 0x30, 0x34, 0x36, 0x40, 0x80, 0xc0, 0xff};
    std::vector<u32> reads;
    for (unsigned i = 0; i < d.accesses; ++i) {
        const u64 what = below(16);
        if (what == 0) bench.pass(below(d.longest_pause_ns) + 1);
        else if (what < 4) bench.pass(below(2000) + 1);
        if (d.input && below(16) == 0) d.input(bench, random);
        const bool memory = !d.mmio.empty() && (d.ports.empty() || below(2) == 0);
        const auto& ranges = memory ? d.mmio : d.ports;
        if (ranges.empty()) continue;
        const auto& range = ranges[below(ranges.size())];
        IoBus& bus = memory ? bench.mmio : bench.ports;
        const unsigned width = d.widths[below(d.widths.size())];
        const u32 address = (range.base + static_cast<u32>(below(range.size))) & ~(width - 1);
        if (below(2) == 0) {
            reads.push_back(bus.read(address, width));
            continue;
        }
        u32 value = static_cast<u32>(random());
        if (below(2) == 0) value = kLikely[below(std::size(kLikely))];
        bus.write(address, width, value);
    }
    return reads;
}

inline std::unique_ptr<Bench> make_bench(const GenericDevice& d, unsigned shift) {
    auto bench = std::make_unique<Bench>(shift);
    d.make(*bench);
    if (d.prepare) d.prepare(*bench);
    return bench;
}

inline std::string differences(Bench& a, Bench& b) {
    DumpArchive x, y;
    a.serialize(x);
    b.serialize(y);
    std::string text;
    for (const auto& line : diff_dumps(x, y)) text += "  " + line + "\n";
    return text;
}

}  // namespace generic_device

inline void expect_state_is_complete(const GenericDevice& d) {
    namespace g = generic_device;
    for (u64 round = 0; round < d.rounds; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        auto original = g::make_bench(d, round % 4 == 3 ? 3 : 0);
        auto twin = g::make_bench(d, 0);
        g::traffic(d, *original, 1000 + round);
        g::traffic(d, *twin, 2000 + round);
        const auto saved = original->save();
        twin->edges.clear();
        original->edges.clear();

        ASSERT_TRUE(twin->load(saved)) << "what save wrote, load did not read back whole";
        EXPECT_TRUE(twin->edges.empty()) << "loading moved line " << twin->edges.front().line;
        ASSERT_EQ(twin->save(), saved) << "loaded state is not what was saved:\n" << g::differences(*original, *twin);

        for (u64 stretch = 0; stretch < 3; ++stretch) {
            const auto left = g::traffic(d, *original, 3000 + 10 * round + stretch);
            const auto right = g::traffic(d, *twin, 3000 + 10 * round + stretch);
            ASSERT_EQ(left, right) << "reads differ after loading:\n" << g::differences(*original, *twin);
            ASSERT_EQ(original->edges, twin->edges) << "interrupt edges differ after loading";
            ASSERT_EQ(original->hash(), twin->hash()) << g::differences(*original, *twin);
        }
        original->reset();
        twin->reset();
        ASSERT_EQ(original->hash(), twin->hash()) << "reset differs:\n" << g::differences(*original, *twin);
    }
}

// For a sanitizer build above all: any traffic, resets in between, and states that were cut short or spoilt.
inline void expect_survives_traffic(const GenericDevice& d) {
    namespace g = generic_device;
    for (u64 round = 0; round < d.rounds; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        Random random(round);
        auto bench = g::make_bench(d, static_cast<unsigned>(random() % 11));
        g::traffic(d, *bench, 4000 + round);
        bench->reset();
        g::traffic(d, *bench, 5000 + round);
        auto bytes = bench->save();

        auto cut = bytes;
        cut.resize(random() % bytes.size());
        EXPECT_FALSE(g::make_bench(d, 0)->load(cut)) << "a state cut to " << cut.size() << " bytes was taken for whole";

        // Spoil the devices' part only: the clock and the deadlines are not theirs to defend.
        SaveArchive head;
        bench->clock.serialize(head);
        bench->timers.serialize(head);
        const std::size_t from = head.take().size();
        for (int i = 0; i < 8 && from < bytes.size(); ++i)
            bytes[from + random() % (bytes.size() - from)] = static_cast<u8>(random());
        bench->load(bytes);
        g::traffic(d, *bench, 6000 + round);
    }
}

}  // namespace vmm
