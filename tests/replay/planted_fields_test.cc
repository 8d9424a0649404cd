// SPDX-License-Identifier: Apache-2.0
// A bit planted into every single field that the machine's state has, of the processor and of each device: the next hash tells,
// names the device, and held against a second execution the field is named with both values.
// Document: docs/divergence.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "replay/execution.h"
#include "tests/replay/witness.h"

namespace vmm::replay {
namespace {

using vmm::testing::WitnessDisk;

// The saved form, and where each field is in it.
class FieldArchive final : public SaveArchive {
  public:
    struct Field {
        std::string section, path;
        std::size_t begin, size;
        bool length = false;             // of the sequence behind it
    };
    void enter(std::string_view name) override { groups_.emplace_back(name); }
    void leave() override { groups_.pop_back(); }
    const std::vector<Field>& fields() const { return fields_; }

  protected:
    void scalar(std::string_view name, u64& value, unsigned bytes) override {
        add(name, bytes);
        SaveArchive::scalar(name, value, bytes);
    }
    void bytes(std::string_view name, u8* data, std::size_t size) override {
        if (size != 0) add(name, size);
        SaveArchive::bytes(name, data, size);
    }
    void length(std::string_view name, u64& n, u64) override {
        scalar(std::string(name) + ".length", n, 8);
        fields_.back().length = true;
    }

  private:
    void add(std::string_view name, std::size_t bytes) {
        std::string path;
        for (const auto& group : groups_) path += group + '.';
        path += name;
        fields_.push_back({groups_.empty() ? std::string(name) : groups_[0], path, size(), bytes});
    }
    std::vector<std::string> groups_;
    std::vector<Field> fields_;
};

// Read and acted on by the very next step: planted there, they show in the processor, or guest time leaps by years. So they are planted
// behind the last step.
const std::set<std::string> kConsumed = {"clock.shift", "clock.idle", "pins.nmi", "pins.init", "cpu.shadow", "cpu.halted", "cpu.pending_debug"};

// What cannot be planted as such, and why.
const std::map<std::string, std::string> kOtherwise = {
    {"clock.now", "the position itself: a test of its own below"},
    {"serial0.rx_errors.length", "as many as serial0.rx.length, which is planted"},
    {"serial1.rx_errors.length", "likewise"},
    {"serial2.rx_errors.length", "likewise"},
    {"serial3.rx_errors.length", "likewise"},
    {"ide.secondary.cdrom.transport.pending.present", "without a medium there is no request; the disk's, by the same code, is planted"},
    {"disk-content.hda", "a hash of the overlay's content, which must be there: a test of its own below"},
};

// One level of numbers out of it: elements of an array are one kind of field.
std::string kind_of(const std::string& path) {
    std::string out, part;
    for (const char c : path + '.') {
        if (c != '.') {
            part += c;
            continue;
        }
        const bool number = !part.empty() && std::all_of(part.begin(), part.end(), [](unsigned char d) { return std::isdigit(d) != 0; });
        out += (out.empty() ? "" : ".") + (number ? std::string("#") : part);
        part.clear();
    }
    return out;
}

class PlantedFields : public ::testing::Test {
  protected:
    // The n-th other value of a field, in a state: one bit after the other; where none of these is a state, another byte; of a sequence, one
    // element more; of what may be absent, that it is, or is not.
    static bool alternative(std::vector<u8>& state, const FieldArchive::Field& f, std::size_t n) {
        const auto at = state.begin() + static_cast<long>(f.begin);
        if (f.length) {
            ++*at;
            state.insert(at + static_cast<long>(f.size), n + 1, 0);
            return n < 16;
        }
        if (f.path.ends_with(".present") && n > 0) {
            const bool there = std::exchange(*at, *at == 0) != 0;
            const long behind = static_cast<long>(std::min<std::size_t>(n, static_cast<std::size_t>(state.end() - at) - 1));
            if (there) state.erase(at + 1, at + 1 + behind);
            else state.insert(at + 1, n, 0);
            return n < 100;
        }
        const std::size_t bit = f.size > 64 ? n * f.size : n;
        if (bit < 8 * f.size) {
            at[static_cast<long>(bit / 8)] ^= static_cast<u8>(1u << bit % 8);
            return true;
        }
        const std::size_t value = n - 8 * f.size + 3;
        *at ^= static_cast<u8>(value);
        return f.size <= 4 && value < 256;
    }

    // Every field of the machine at the first hash of a recording. Kinds of fields with those that were named, and not.
    void walk(const Recording& r, const MachineConfig& config) {
        auto made = Execution::create(r, config);
        ASSERT_TRUE(made) << made.error().text;
        Execution& run = **made;
        run.run_to(Icount{kPartsEvery - 1});
        ASSERT_EQ(run.position().v, kPartsEvery - 1);
        const auto mark = run.mark();
        FieldArchive ar;
        run.machine().serialize(ar);
        const auto state = ar.take();
        run.run_to(Icount{kPartsEvery});
        DumpArchive good;
        run.machine().serialize(good);
        FieldArchive behind_archive;
        run.machine().serialize(behind_archive);
        const auto behind = behind_archive.take();
        ASSERT_EQ(run.replayer().outcome(), Replayer::Outcome::Running);
        for (const auto& f : ar.fields()) {
            const std::string kind = kind_of(f.path);
            if (kOtherwise.contains(kind)) continue;
            const bool consumed = kConsumed.contains(kind);
            bool named = false;
            for (std::size_t n = 0; !named; ++n) {
                auto bad = consumed ? behind : state;
                if (!alternative(bad, f, n)) break;
                run.restore(mark);
                if (consumed) run.machine().run(Icount{kPartsEvery});
                if (!run.machine().load_state(bad)) continue;            // contradicts itself: no machine is ever in it
                if (consumed) run.replayer().arrived(run.machine());
                else run.run_to(Icount{kPartsEvery});
                if (run.replayer().outcome() != Replayer::Outcome::Different) continue;      // the step overwrote it
                const Difference& d = run.replayer().difference();
                if (d.bad.v != kPartsEvery || std::find(d.parts.begin(), d.parts.end(), f.section) == d.parts.end()) continue;
                DumpArchive now;
                run.machine().serialize(now);
                for (const auto& line : diff_dumps(good, now, 1000)) named |= line.starts_with(f.path + " = ") && line.find(" != ") != std::string::npos;
            }
            auto& counts = seen_[kind];
            ++(named ? counts.named : counts.not_named);
            sections_.insert(f.section);
        }
    }

    struct Counts {
        unsigned named = 0, not_named = 0;
    };
    std::map<std::string, Counts> seen_;
    std::set<std::string> sections_;
};

// Three machines, as a sequence that is empty has no elements, and a drive that waits for nothing no request.
TEST_F(PlantedFields, each_is_named_with_its_device) {
    const WitnessDisk disk;
    MachineConfig config = vmm::testing::disk_config(DISK_WALKER_ROM, disk.path);
    config.vga = VgaCard::Std;
    config.serial_present = {true, true, true, true};
    config.drives.push_back({.bus = 1, .media = Media::Cdrom});
    walk(vmm::testing::record(12, kPartsEvery + 100'000, config, false, ~u64{0}), config);
    config = vmm::testing::witness_config(disk.path);
    config.serial_present = {true, true, true, true};
    walk(vmm::testing::record_witness(config, kPartsEvery + 100'000, false), config);
    // Keys that are held for longer than the run takes.
    bool posted = false;
    walk(vmm::testing::record_run(config, [&posted](Machine& machine, Control& control) {
        if (!std::exchange(posted, true)) machine.inbox().post(key_chord(std::array{Key::k_a, Key::k_b}, 3'600'000));
        if (machine.icount().v > kPartsEvery + 100'000) control.quit();
    }), config);
    for (const auto& [kind, counts] : seen_) EXPECT_GT(counts.named, 0u) << kind << ": planted " << counts.not_named << " times, never named";
    EXPECT_GT(seen_.size(), 400u);
    EXPECT_GT(sections_.size(), 25u);
}

// A clock that was disturbed is somewhere else, and nothing that comes is for it.
TEST_F(PlantedFields, the_position_is_told) {
    const WitnessDisk disk;
    const MachineConfig config = vmm::testing::disk_config(DISK_WALKER_ROM, disk.path);
    Recording r = vmm::testing::record(12, kPartsEvery + 100'000, config, false, ~u64{0});
    for (const bool cut : {false, true}) {
        if (cut) r.end.reset();
        for (unsigned bit = 0; bit < 40; bit += 7) {
            auto run = Execution::create(r, config);
            ASSERT_TRUE(run);
            (*run)->run_to(Icount{kPartsEvery - 1'000'000});
            SectionArchive ar;
            (*run)->machine().serialize(ar);
            ASSERT_EQ(ar.sections()[0].name, "clock");
            auto state = ar.take();
            state[bit / 8] ^= static_cast<u8>(1u << bit % 8);
            ASSERT_TRUE((*run)->machine().load_state(state));
            (*run)->run();
            EXPECT_EQ((*run)->replayer().outcome(), Replayer::Outcome::Different) << "bit " << bit << ": " << (*run)->replayer().report();
        }
    }
}

TEST_F(PlantedFields, a_bit_of_what_the_disk_was_given_is_told) {
    const WitnessDisk disk;
    const MachineConfig config = vmm::testing::disk_config(DISK_WALKER_ROM, disk.path);
    const Recording r = vmm::testing::record(12, kPartsEvery + 100'000, config, false, ~u64{0});
    auto run = Execution::create(r, config);
    ASSERT_TRUE(run);
    (*run)->run_to(Icount{kPartsEvery - 1000});
    block::Overlay* overlay = (*run)->machine().disks().queues()[0]->overlay();
    std::vector<u8> sector;
    const auto take = [&sector](block::Reply reply) { sector = std::move(reply.data); };
    bool found = false;
    overlay->version().map.each([&](u64 number, const block::Cluster& cluster) {
        if (found || (cluster.present & 1) == 0) return;
        found = true;
        overlay->submit({block::Op::Read, number * block::Cluster::kBytes, block::kSector, {}}, take);
        sector[17] ^= 8;
        overlay->submit({block::Op::Write, number * block::Cluster::kBytes, sector.size(), sector}, [](block::Reply) {});
    });
    ASSERT_TRUE(found);
    (*run)->run_to(Icount{kPartsEvery});
    EXPECT_EQ((*run)->replayer().difference().bad.v, kPartsEvery);
    EXPECT_EQ((*run)->replayer().difference().parts, std::vector<std::string>{"disk-content"});
}

}  // namespace
}  // namespace vmm::replay
