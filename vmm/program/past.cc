// SPDX-License-Identifier: Apache-2.0
#include "vmm/program/past.h"

#include <glib.h>

#include <algorithm>

#include "replay/bookmark_file.h"
#include "replay/explain.h"
#include "replay/part_hashes.h"
#include "replay/session.h"
#include "vmm/monitor/machine_commands.h"

namespace vmm {

using replay::ChunkType;

Result<std::unique_ptr<Past>> Past::make(const CommandLine& line, const replay::Recording& replayed, Machine& machine, Control& control,
                                         std::function<void(bool)> open, std::function<void(const std::string&)> tell) {
    std::unique_ptr<Past> past(new Past(line, replayed, machine, control, std::move(tell)));
    past->looked_at_ = line.gdb.has_value() || !line.config.host.monitors.empty() || !line.config.host.qmps.empty();
    const bool walked = line.rr == Rr::Live || line.gdb.has_value();   // the past is wanted at once
    // Before the machine is anything but as it was made.
    if (walked || past->looked_at_) past->states_ = std::make_unique<replay::StateWriter>(machine);
    if (auto there = replay::enter_beginning(replayed, machine); !there)
        return Error{(line.rr == Rr::Replay ? line.rrfile : line.rr_from) + ": " + there.error().text};
    if (line.rr == Rr::Replay) {
        for (const Bookmark& bookmark : replay::read_bookmarks(line.rrfile)) control.bookmarks().load(bookmark);
        control.bookmarks().set_keep([file = line.rrfile](const Bookmark& bookmark, bool gone) { return replay::append_bookmark(file, bookmark, gone); });
        past->hold(replayed, std::move(open));
        control.set_record_switch(past.get());
        return past;
    }
    control.bookmarks().set_keep([past = past.get()](const Bookmark& bookmark, bool gone) { return past->keep(bookmark, gone); });
    if (line.rr == Rr::Record) {
        auto log = past->new_file(line.rrfile);
        if (!log) return Error{"-rrfile: " + log.error().text};
        past->log_ = std::move(*log);
    }
    // What is written to an image is lost for a recording that begins later.
    const auto& images = line.config.images;
    const bool images_stay = std::all_of(images.begin(), images.end(), [](const auto& image) { return image.read_only || image.snapshot; });
    const bool kept = walked || (past->looked_at_ && images_stay);
    if (!kept && !past->log_) return past;
    past->recorder_ = std::make_unique<replay::Recorder>(past->log_.get(), kept ? &past->history_ : nullptr, walked || past->log_);
    past->recorder_->begin_at(machine.icount());
    past->journal_ = past->recorder_.get();
    if (past->log_ && line.rr_checkpoint_every != 0) past->recorder_->keep_checkpoints(machine, line.rr_checkpoint_every);
    if (walked) past->hold(past->history_, std::move(open));
    if (kept) control.set_record_switch(past.get());
    return past;
}

Result<std::unique_ptr<replay::LogWriter>> Past::file_from(Icount begins, const std::string& file) {
    auto header = replay::make_header(line_.config, VMM_VERSION);
    if (!header) return header.error();
    header->begins = begins;
    auto log = replay::LogWriter::create(file, *header);
    if (!log || begins.v == 0) return log;
    const auto give = [&](ChunkType type, std::string payload) { (*log)->chunk(type, std::move(payload), begins); };
    if (line_.rr != Rr::Replay && begins == replayed_.header.begins) {
        // The state with which this run began.
        const replay::StoredCheckpoint& first = replayed_.checkpoints[0];
        for (const replay::Packed& chunk : first.pages) give(ChunkType{chunk.frame.type}, replay::unpack(replayed_, chunk).value_or(""));
        give(ChunkType{first.state.frame.type}, replay::unpack(replayed_, first.state).value_or(""));
        return log;
    }
    const auto state = [&] { states_->take(give, true); };
    if (machine_.icount() == begins) state();
    else if (const auto done = timeline_->visit(begins, state); !done) return done.error();
    return log;
}

Result<std::unique_ptr<replay::LogWriter>> Past::new_file(const std::string& file) {
    return file_from(timeline_ ? timeline_->begin() : replayed_.header.begins, file);
}

Result<void> Past::start(const std::string& file) {
    if (log_) return Error{"this run is recorded already, in " + control_.rr_file()};
    if (timeline_ && timeline_->branch()) return Error{"the machine is on a branch that a write opened; 'rejoin' first"};
    auto log = new_file(file);
    if (!log) return log.error();
    log_ = std::move(*log);
    recorder_->begin_file(*log_, head());
    for (const auto& [name, at] : control_.bookmarks().all()) (void)keep({name, at}, false);
    control_.set_recording(RrMode::Record, file);
    return {};
}

Result<void> Past::keep(const Bookmark& bookmark, bool gone) {
    if (!log_) return Error{"this run has no file to keep it in"};
    log_->chunk(replay::ChunkType::Bookmark, replay::encode(bookmark, gone), {});
    return {};
}

Result<void> Past::save(const std::string& file) {
    if (timeline_ && timeline_->branch()) return Error{"the machine is on a branch that a write opened; 'rejoin' first"};
    if (log_ && file == control_.rr_file()) return Error{"this run is being recorded in " + file};
    auto log = new_file(file);
    if (!log) return log.error();
    replay::write_history(**log, history_, head());
    const auto finish = [&] { (*log)->end({machine_.icount(), Ending::Quit, 0, machine_.state_hash(), replay::part_hashes(machine_, true)}); };
    if (machine_.icount() == head()) finish();
    else if (const auto done = timeline_->visit(head(), finish); !done) return done;
    if (const auto trouble = (*log)->trouble()) return *trouble;
    return {};
}

Result<i64> Past::fork(const std::string& file, std::vector<std::string> options) {
    for (const auto& image : line_.config.images)
        if (!image.read_only && !image.snapshot) return Error{"rr-fork: image " + image.id + " changes in this run; --rr live, gdb or snapshot=on keep images as they are"};
    if (!states_) return Error{"rr-fork: this run does not hold its past; a replay with a monitor does, and --rr live"};
    if (const auto fits = parse_command_line(options); !fits) return fits.error();
    const Icount here = machine_.icount();
    {
        const auto log = file_from(here, file);
        if (!log) return log.error();
        (*log)->end({here, Ending::Quit, 0, machine_.state_hash(), replay::part_hashes(machine_, true)});
        if (const auto trouble = (*log)->trouble()) return *trouble;
    }
    options.insert(options.begin(), {"/proc/self/exe", "--rr-from", file});
    std::vector<char*> argv;
    for (std::string& option : options) argv.push_back(option.data());
    argv.push_back(nullptr);
    GPid pid = 0;
    GError* error = nullptr;
    // Reaped by GLib; nothing to read, and nothing to write to but stderr.
    if (g_spawn_async(nullptr, argv.data(), nullptr, G_SPAWN_STDOUT_TO_DEV_NULL, nullptr, nullptr, &pid, &error) == 0) {
        const Error why{std::string("rr-fork: ") + error->message};
        g_error_free(error);
        return why;
    }
    return pid;
}

// --- the guest ----------------------------------------------------------------------------------------------------------------

void Past::guest_calls(GuestCall call, u32 value) {
    switch (call) {
        case GuestCall::Mark: marks_[machine_.icount()] = value; break;
        case GuestCall::RecordStart:
        case GuestCall::RecordStop:
            asked_.push_back(call);
            control_.post([this] { serve(); });
            break;
        case GuestCall::Panic: failed("said that it has failed"); break;
        case GuestCall::TripleFault: failed("had a triple fault"); break;
    }
}

void Past::guest_prints(unsigned port, std::span<const u8> bytes) {
    constexpr std::size_t kMost = 256;                   // as long as a text may be
    std::string& end = printed_[port];
    for (const u8 byte : bytes) {
        end.push_back(static_cast<char>(byte));
        for (const std::string& text : line_.rr_panic)
            if (end.ends_with(text)) failed("printed '" + text + "'");
        if (end.size() >= 2 * kMost) end.erase(0, kMost);
    }
}

void Past::failed(const std::string& how) {
    if (line_.rr != Rr::Live || line_.rrfile.empty()) return;
    failure_ = how;
    control_.post([this] { serve(); });
}

void Past::serve() {
    const auto said = [this](const Result<void>& done) { if (!done) tell_("the guest asked to be recorded: " + done.error().text); };
    for (const GuestCall call : std::exchange(asked_, {})) {
        if (line_.rrfile.empty()) tell_("the guest asked to be recorded; --rr live --rrfile FILE says where");
        else if (line_.rr != Rr::Live) continue;         // a recording is one already, a replay of one as well
        else said(call == GuestCall::RecordStart ? start(line_.rrfile) : stop());
    }
    if (const std::string how = std::exchange(failure_, {}); !how.empty()) {
        const auto done = save(line_.rrfile);
        tell_("the guest " + how + (done ? "; " + line_.rrfile + " has its past" : "; its past could not be written: " + done.error().text));
    }
}

// --- recording ------------------------------------------------------------------------------------------------------------------

Result<void> Past::stop() {
    if (!log_) return Error{"this run is not being recorded"};
    const Icount here = machine_.icount();
    if (timeline_ && timeline_->branch()) return Error{"the machine is on a branch that a write opened; 'rejoin' first"};
    const bool back = timeline_ && here < timeline_->head();
    if (back)
        if (auto there = control_.seek(timeline_->head()); !there) return there;
    recorder_->end_file(machine_);
    const auto trouble = log_->trouble();
    log_.reset();
    control_.set_recording(RrMode::None, control_.rr_file());
    if (back)
        if (auto again = control_.seek(here); !again) return again;
    if (trouble) return Error{trouble->text + "; what is in the file replays"};
    return {};
}

void Past::hold(const replay::Recording& recording, std::function<void(bool)> open) {
    replayer_ = std::make_unique<replay::Replayer>(recording);
    replay::Timeline::Options options;
    options.budget = line_.rr_memory;
    options.ring_ns = line_.rr_ring_ns;
    options.automatic = recorder_ != nullptr || looked_at_;
    options.open = std::move(open);
    options.interrupted = [this] {
        control_.publish();                               // where a long move is, for those who ask
        return control_.interrupted();
    };
    timeline_ = recorder_ ? std::make_unique<replay::Timeline>(machine_, *replayer_, std::move(options), *recorder_, history_)
                          : std::make_unique<replay::Timeline>(machine_, *replayer_, std::move(options));
    control_.set_travel(timeline_.get(), {});
    journal_ = timeline_.get();
}

std::vector<std::string> Past::explanation(const MachineConfig& config, Machine& machine) const {
    if (!replayer_ || recorder_ || timeline_->difference() || !replayer_->different()) return {};
    return replay::explain(replayed_, config, replayer_->difference(), &machine).lines;
}

Result<std::optional<Icount>> Past::explain(const std::function<void(const std::string&)>& say) {
    if (!timeline_ || recorder_) return Error{"this is no replay"};
    if (!timeline_->difference()) return Error{"no difference has shown so far; 'cont' or 'seek end' looks for one"};
    say("the replay " + timeline_->report());
    // The machine as it is, where that is as the difference was found.
    Machine* const found = replayer_->different() && !timeline_->branch() ? &machine_ : nullptr;
    const auto explained = replay::explain(replayed_, line_.config, *timeline_->difference(), found);
    for (const std::string& line : explained.lines) say(line);
    return explained.alike;
}

std::string Past::last_words() const {
    if (log_ && log_->trouble()) return "recording stopped: " + log_->trouble()->text + "; what is in the file replays";
    if (log_) return "recorded " + control_.rr_file() + ": " + monitor::length_and_size(machine_, control_.rr_file());
    if (replayer_ && !recorder_) return "replay: " + timeline_->report();
    return {};
}

}  // namespace vmm
