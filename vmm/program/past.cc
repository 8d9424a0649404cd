// SPDX-License-Identifier: Apache-2.0
#include "vmm/program/past.h"

#include <algorithm>

#include "replay/bookmark_file.h"
#include "replay/explain.h"
#include "replay/session.h"
#include "vmm/monitor/machine_commands.h"

namespace vmm {

Result<std::unique_ptr<Past>> Past::make(const CommandLine& line, const replay::Recording& replayed, Machine& machine, Control& control,
                                         std::function<void(bool)> open) {
    std::unique_ptr<Past> past(new Past(line, replayed, machine, control));
    past->looked_at_ = line.gdb.has_value() || !line.config.host.monitors.empty() || !line.config.host.qmps.empty();
    if (line.rr == Rr::Replay) {
        for (const Bookmark& bookmark : replay::read_bookmarks(line.rrfile)) control.bookmarks().load(bookmark);
        control.bookmarks().set_keep([file = line.rrfile](const Bookmark& bookmark, bool gone) { return replay::append_bookmark(file, bookmark, gone); });
        past->hold(replayed, std::move(open));
        return past;
    }
    control.bookmarks().set_keep([past = past.get()](const Bookmark& bookmark, bool gone) { return past->keep(bookmark, gone); });
    if (line.rr == Rr::Record) {
        auto log = past->new_file(line.rrfile);
        if (!log) return Error{"-rrfile: " + log.error().text};
        past->log_ = std::move(*log);
    }
    const bool walked = line.rr == Rr::Live || line.gdb.has_value();   // the past is wanted at once
    // What is written to an image is lost for a recording that begins later.
    const auto& images = line.config.images;
    const bool images_stay = std::all_of(images.begin(), images.end(), [](const auto& image) { return image.read_only || image.snapshot; });
    const bool kept = walked || (past->looked_at_ && images_stay);
    if (!kept && !past->log_) return past;
    past->recorder_ = std::make_unique<replay::Recorder>(past->log_.get(), kept ? &past->history_ : nullptr, walked || past->log_);
    past->journal_ = past->recorder_.get();
    if (past->log_ && line.rr_checkpoint_every != 0) past->recorder_->keep_checkpoints(machine, line.rr_checkpoint_every);
    if (walked) past->hold(past->history_, std::move(open));
    if (kept) control.set_record_switch(past.get());
    return past;
}

Result<std::unique_ptr<replay::LogWriter>> Past::new_file(const std::string& file) const {
    const auto header = replay::make_header(line_.config, VMM_VERSION);
    if (!header) return header.error();
    return replay::LogWriter::create(file, *header);
}

Result<void> Past::start(const std::string& file) {
    if (log_) return Error{"this run is recorded already, in " + control_.rr_file()};
    auto log = new_file(file);
    if (!log) return log.error();
    log_ = std::move(*log);
    recorder_->begin_file(*log_, timeline_ ? timeline_->head() : machine_.icount());
    for (const auto& [name, at] : control_.bookmarks().all()) (void)keep({name, at}, false);
    control_.set_recording(RrMode::Record, file);
    return {};
}

Result<void> Past::keep(const Bookmark& bookmark, bool gone) {
    if (!log_) return Error{"this run has no file to keep it in"};
    log_->chunk(replay::ChunkType::Bookmark, replay::encode(bookmark, gone), {});
    return {};
}

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
    options.automatic = recorder_ != nullptr || looked_at_;
    options.open = std::move(open);
    options.interrupted = [this] {
        control_.publish();                               // where a long move is, for those who ask
        return control_.interrupted();
    };
    timeline_ = recorder_ ? std::make_unique<replay::Timeline>(machine_, *replayer_, std::move(options), *recorder_, recording)
                          : std::make_unique<replay::Timeline>(machine_, *replayer_, std::move(options));
    control_.set_travel(timeline_.get(), {});
    journal_ = timeline_.get();
}

std::vector<std::string> Past::explanation(const MachineConfig& config, Machine& machine) const {
    if (!replayer_ || recorder_ || replayer_->outcome() != replay::Replayer::Outcome::Different) return {};
    return replay::explain(replayed_, config, replayer_->difference(), &machine);
}

std::string Past::last_words() const {
    if (log_ && log_->trouble()) return "recording stopped: " + log_->trouble()->text + "; what is in the file replays";
    if (log_) return "recorded " + control_.rr_file() + ": " + monitor::length_and_size(machine_, control_.rr_file());
    if (replayer_ && !recorder_) return "replay: " + replayer_->report();
    return {};
}

}  // namespace vmm
