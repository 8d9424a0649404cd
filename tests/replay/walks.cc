// SPDX-License-Identifier: Apache-2.0
// walks RECORDING: random walks over a recording, through the same front end that gdb and the monitor use: seeks, steps, continuing in
// both directions with break- and watchpoints, remembered positions, branches. At every stop the machine's hash must be that of a
// straight replay at that position, and a stop at a point must be one, with none between it and where the move began.
//
// VMM_WALK_SEED, VMM_WALK_FIRST and VMM_WALK_CASES say which walks; VMM_WALK_MOVES how long. A walk that fails prints its number and
// the shortest list of its moves that still fails. Exit status 1 then.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <map>
#include <random>
#include <string>
#include <thread>

#include "replay/session.h"
#include "replay/timeline.h"
#include "vmm/runner.h"
#include "vmm/tcg/mmu.h"
#include "vmm/tcg/translator.h"

namespace {

using namespace vmm;
using replay::Recording;

constexpr u64 kFarContinue = 200'000'000;            // steps that a move with points goes at most

int fail(const std::string& text) {
    std::fprintf(stderr, "walks: %s\n", text.c_str());
    return 2;
}

u64 setting(const char* name, u64 otherwise) {
    const char* text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// A place of the straight replay: what points are put at.
struct Place {
    Icount at{};
    u32 pc = 0, esp = 0;
};

enum class Kind : u8 { Seek, Step, StepBack, Near, On, Back, Remember, Restart, Branch, Rejoin };
struct Move {
    Kind kind{};
    u64 number = 0;                                  // a position, a distance, how many steps
    std::size_t place = 0;                           // of On and Back
    bool watch = false;
};

std::string describe(const Move& m) {
    static constexpr const char* kNames[] = {"seek", "step", "step-back", "seek-near", "continue", "reverse-continue", "remember", "restart", "branch", "rejoin"};
    std::string out = kNames[static_cast<std::size_t>(m.kind)];
    if (m.kind == Kind::On || m.kind == Kind::Back) return out + (m.watch ? " watch of place " : " break at place ") + std::to_string(m.place);
    return out + " " + std::to_string(m.number);
}

std::vector<Move> draw(u64 seed, unsigned moves, Icount end, std::size_t places) {
    std::mt19937_64 random(seed);
    std::vector<Move> out;
    for (unsigned i = 0; i < moves; ++i) {
        Move m;
        m.kind = static_cast<Kind>(random() % 10);
        switch (m.kind) {
            case Kind::Seek: m.number = random() % (end.v + 1); break;
            case Kind::Step:
            case Kind::StepBack: m.number = 1 + random() % 6; break;
            case Kind::Near: m.number = random() % 2'000'001; break;
            default: m.number = random(); break;
        }
        m.place = static_cast<std::size_t>(random() % places);
        m.watch = random() % 2 == 0;
        out.push_back(m);
    }
    return out;
}

// The machine under its runner, on a thread; moves from outside, one at a time.
class Walker {
  public:
    Walker(const Recording& recording, const MachineConfig& config, u64 budget) : replayer_(recording) {
        auto made = Machine::create(config, {});
        if (!made) std::exit(fail(made.error().text));
        machine_ = std::move(*made);
        replay::Timeline::Options options;
        options.budget = budget;
        line_ = std::make_unique<replay::Timeline>(*machine_, replayer_, std::move(options));
        control_ = std::make_unique<Control>(*machine_, RrMode::Replay, "");
        control_->set_travel(line_.get(), {});
        control_->hold(true);
        control_->observe([this](Happening what, const PauseEvent& event) {
            if (what == Happening::Paused && waiting_) std::exchange(waiting_, nullptr)->set_value(event);
        });
        thread_ = std::thread([this, no_reboot = config.no_reboot] {
            RunnerOptions o;
            o.no_reboot = no_reboot;
            o.start_paused = o.pause_at_end = true;
            run_machine(*control_, o, *line_);
        });
    }
    ~Walker() {
        control_->post([this] { control_->quit(); });
        thread_.join();
    }
    Walker(const Walker&) = delete;
    Walker& operator=(const Walker&) = delete;

    template <class F>
    auto call(F work) {
        std::promise<decltype(work())> done;
        auto result = done.get_future();
        control_->post([&] { done.set_value(work()); });
        return result.get();
    }
    PauseEvent move(const Go& go) {
        std::promise<PauseEvent> done;
        auto result = done.get_future();
        control_->post([&] {
            waiting_ = &done;
            control_->go(go);
        });
        return result.get();
    }
    Control& control() { return *control_; }
    Machine& machine() { return *machine_; }
    TimeTravel& line() { return *line_; }

  private:
    replay::Replayer replayer_;
    std::unique_ptr<Machine> machine_;
    std::unique_ptr<replay::Timeline> line_;
    std::unique_ptr<Control> control_;
    std::promise<PauseEvent>* waiting_ = nullptr;    // machine thread's
    std::thread thread_;
};

u32 pc_of(Machine& m) {
    const CpuState& s = m.translator().state();
    return s.seg[kCs].base + s.eip;
}

struct Stood {
    Icount at{};
    u64 hash = 0;
    std::size_t move = 0;
};

// What went wrong on the way; the stops are for the straight replay to judge.
std::optional<std::string> walk(const Recording& recording, const MachineConfig& config, const std::vector<Place>& places,
                                const std::vector<Move>& moves, u64 budget, std::vector<Stood>& stops) {
    Walker w(recording, config, budget);
    Control& control = w.control();
    const Icount end = *w.line().end_position();
    std::vector<Icount> remembered;
    auto now = [&] { return w.call([&] { return w.machine().icount(); }); };
    for (std::size_t n = 0; n < moves.size(); ++n) {
        const Move& m = moves[n];
        const auto wrong = [&](const std::string& what) { return "move " + std::to_string(n) + " (" + describe(m) + "): " + what; };
        auto seek = [&](Icount to) -> std::optional<std::string> {
            const auto done = w.call([&] { return control.seek(to); });
            if (!done) return wrong(done.error().text);
            if (now() != to) return wrong("at " + std::to_string(now().v));
            return std::nullopt;
        };
        const Icount from = w.call([&] { return w.line().branch().value_or(w.machine().icount()); });
        const bool branch = w.call([&] { return w.line().branch().has_value(); });
        std::optional<std::string> trouble;
        switch (m.kind) {
            case Kind::Seek: trouble = seek(Icount{m.number}); break;
            case Kind::Near: trouble = seek(std::min(end, Icount{from.v + m.number > 1'000'000 ? from.v + m.number - 1'000'000 : 0})); break;
            case Kind::Remember: remembered.push_back(from); break;
            case Kind::Restart:
                if (!remembered.empty()) trouble = seek(remembered[m.number % remembered.size()]);
                break;
            case Kind::Step:
            case Kind::StepBack:
                for (u64 i = 0; i < m.number && !trouble; ++i) {
                    Go go;
                    go.one_step = true;
                    go.direction = m.kind == Kind::Step ? Direction::Forward : Direction::Backward;
                    const bool branched = w.call([&] { return w.line().branch().has_value(); });
                    const Icount before = branched && m.kind == Kind::StepBack ? from : now();
                    const PauseEvent event = w.move(go);
                    if (event.why == Pause::HistoryEnd || event.why == Pause::HistoryBegin || event.why == Pause::Ended) break;
                    const Icount expected = m.kind == Kind::Step ? before + 1 : before - 1;
                    if (now() != expected) trouble = wrong("a step from " + std::to_string(before.v) + " to " + std::to_string(now().v) + ": " + event.text);
                }
                break;
            case Kind::On:
            case Kind::Back: {
                const Place& place = places[m.place];
                const Point point{m.watch ? PointKind::Write : PointKind::Execute, m.watch ? place.esp : place.pc, m.watch ? 4u : 1u, false, {}};
                const bool back = m.kind == Kind::Back;
                const Icount start = back ? from : now();
                const auto id = w.call([&] { return control.points().add(point); });
                Go go;
                go.direction = back ? Direction::Backward : Direction::Forward;
                go.until = back ? Icount{start.v > kFarContinue ? start.v - kFarContinue : 0} : start + kFarContinue;
                const PauseEvent event = w.move(go);
                const Icount at = now();
                if (event.why == Pause::Point) {
                    if (back ? at >= start : at <= start) trouble = wrong("stopped at " + std::to_string(at.v) + ", came from " + std::to_string(start.v));
                    else if (!m.watch && w.call([&] { return pc_of(w.machine()); }) != place.pc) trouble = wrong("stopped where the point is not");
                    else if (back) {
                        // The other way it is the next stop as well: none was passed over.
                        Go on;
                        on.until = start;
                        const PauseEvent again = w.move(on);
                        const Icount there = now();
                        const Icount expected = m.watch ? at + 1 : start;
                        if (m.watch ? there != expected : there < start)
                            trouble = wrong("forward from " + std::to_string(at.v) + " it stops at " + std::to_string(there.v) + ", not at " + std::to_string(expected.v) +
                                            " (" + std::to_string(static_cast<int>(again.why)) + ")");
                    }
                }
                w.call([&] { control.points().remove(id); return 0; });
                break;
            }
            case Kind::Branch: {
                // To memory that is there; elsewhere there is no branch.
                const auto written = w.call([&] {
                    const u32 at = w.machine().translator().state().gpr[kEsp] & ~3u;
                    const u8 bytes[4] = {1, 2, 3, static_cast<u8>(m.number)};
                    return static_cast<bool>(control.write_memory(at, bytes, false));
                });
                if (written) {
                    Go go;
                    go.until = now() + 1 + m.number % 100'000;
                    (void)w.move(go);
                    if (!w.call([&] { return w.line().branch().has_value(); })) trouble = wrong("a write opened no branch");
                }
                break;
            }
            case Kind::Rejoin:
                if (branch) {
                    w.call([&] { w.line().rejoin(); return 0; });
                    if (now() != from) trouble = wrong("rejoined at " + std::to_string(now().v) + ", not " + std::to_string(from.v));
                }
                break;
        }
        if (trouble) return trouble;
        if (!w.call([&] { return w.line().branch().has_value(); }))
            stops.push_back({now(), w.call([&] { return w.machine().state_hash(); }), n});
    }
    return std::nullopt;
}

// A replay that only goes forward, asked at rising positions.
std::map<Icount, u64> straight(const Recording& recording, const MachineConfig& config, const std::vector<Icount>& at, std::vector<Place>* places = nullptr) {
    std::map<Icount, u64> out;
    for (const Icount position : at) out[position] = 0;
    auto machine = Machine::create(config, {});
    if (!machine) std::exit(fail(machine.error().text));
    replay::Replayer replayer(recording);
    replay::Timeline::Options options;
    options.automatic = false;
    replay::Timeline line(**machine, replayer, std::move(options));
    for (auto& [position, hash] : out) {
        if (auto done = line.seek(position); !done) std::exit(fail("the straight replay: " + done.error().text));
        hash = (*machine)->state_hash();
        const CpuState& s = (*machine)->translator().state();
        if (places != nullptr) places->push_back({position, pc_of(**machine), (s.seg[kSs].base + s.gpr[kEsp]) & ~3u});
    }
    return out;
}

std::optional<std::string> judge(const std::vector<Move>& moves, const std::vector<Stood>& stops, const std::map<Icount, u64>& oracle) {
    for (const Stood& stop : stops)
        if (oracle.at(stop.at) != stop.hash)
            return "move " + std::to_string(stop.move) + " (" + describe(moves[stop.move]) + "): at " + std::to_string(stop.at.v) + " the state is not that of a straight replay";
    return std::nullopt;
}

std::vector<Icount> positions(const std::vector<Stood>& stops) {
    std::vector<Icount> out;
    for (const Stood& stop : stops) out.push_back(stop.at);
    return out;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return fail("usage: walks RECORDING");
    const auto recording = replay::read_recording(argv[1]);
    if (!recording) return fail(recording.error().text);
    const auto config = replay::replay_config(*recording, argv[1], {});
    if (!config) return fail(config.error().text);
    const u64 seed = setting("VMM_WALK_SEED", 1), first = setting("VMM_WALK_FIRST", 0), cases = setting("VMM_WALK_CASES", 4);
    const auto moves = static_cast<unsigned>(setting("VMM_WALK_MOVES", 30));
    const Icount end = recording->end ? recording->end->at : recording->valid_to;

    std::mt19937_64 random(seed);
    std::vector<Icount> at;
    for (unsigned i = 0; i < 64; ++i) at.push_back(Icount{random() % end.v});
    std::vector<Place> places;
    (void)straight(*recording, *config, at, &places);

    struct Case {
        u64 number;
        std::vector<Move> moves;
        std::vector<Stood> stops;
        std::optional<std::string> trouble;
    };
    auto budget = [](u64 number) { return (number % 2 == 0 ? u64{512} : u64{48}) << 20; };
    std::vector<Case> done;
    std::vector<Icount> asked;
    for (u64 number = first; number < first + cases; ++number) {
        Case c{number, draw(seed * 1'000'003 + number, moves, end, places.size()), {}, {}};
        c.trouble = walk(*recording, *config, places, c.moves, budget(number), c.stops);
        for (const Icount position : positions(c.stops)) asked.push_back(position);
        done.push_back(std::move(c));
    }
    const auto oracle = straight(*recording, *config, asked);
    u64 stops = 0, failed = 0;
    for (Case& c : done) {
        stops += c.stops.size();
        if (!c.trouble) c.trouble = judge(c.moves, c.stops, oracle);
        if (!c.trouble) continue;
        ++failed;
        std::printf("walk %" PRIu64 " of seed %" PRIu64 " failed: %s\n", c.number, seed, c.trouble->c_str());
        // Leave out one move after another for as long as it goes wrong.
        for (std::size_t n = c.moves.size(); n-- > 0;) {
            auto fewer = c.moves;
            fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(n));
            std::vector<Stood> there;
            auto trouble = walk(*recording, *config, places, fewer, budget(c.number), there);
            if (!trouble) trouble = judge(fewer, there, straight(*recording, *config, positions(there)));
            if (!trouble) continue;
            c.moves = std::move(fewer);
            c.trouble = std::move(trouble);
        }
        std::printf("the shortest that fails, %zu moves: %s\n", c.moves.size(), c.trouble->c_str());
        for (const Move& m : c.moves) std::printf("  %s\n", describe(m).c_str());
        for (const Move& m : c.moves)
            if (m.kind == Kind::On || m.kind == Kind::Back)
                std::printf("  place %zu: pc 0x%08x, esp 0x%08x\n", m.place, places[m.place].pc, places[m.place].esp);
        std::fflush(stdout);
    }
    std::printf("%" PRIu64 " walks of %u moves over %" PRIu64 " steps, %" PRIu64 " stops compared, %" PRIu64 " walks failed\n", cases, moves, end.v, stops, failed);
    return failed == 0 ? 0 : 1;
}
