// SPDX-License-Identifier: Apache-2.0
#include "replay/rr_command.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>

#include "replay/guest_disk.h"
#include "replay/rewrite.h"
#include "replay/rr_diff.h"
#include "replay/rr_dump.h"
#include "replay/session.h"
#include "replay/verify.h"
#include "vmm/options.h"

namespace vmm::replay {
namespace {

constexpr const char* kHelp =
    "vmm rr COMMAND: look at recordings, check and change them.\n"
    "\n"
    "  vmm --rr record --rrfile boot.rr -kernel bzImage -nographic     make a recording\n"
    "  vmm --rr replay --rrfile boot.rr                                see it again\n"
    "\n"
    "  vmm rr info boot.rr              what machine, how long, what is in it\n"
    "  vmm rr dump boot.rr              every event, hash and checkpoint, one a line\n"
    "  vmm rr dump boot.rr --json       the same as JSON lines, for programs\n"
    "  vmm rr verify boot.rr            replay without output, compare all hashes; status 3 if it differs,\n"
    "                                   and then where, in what, and what a second execution says\n"
    "  vmm rr index boot.rr             put checkpoints into the file (--every 500M: steps; -o NEW: into a copy)\n"
    "  vmm rr verify boot.rr --jobs 4   ... from which four threads verify parts of it side by side\n"
    "  vmm rr diff a.rr b.rr            the first difference of two recordings; status 3 if there is one\n"
    "  vmm rr pack boot.rr -o all.rr    a copy with kernel, firmware and disks inside, which replays anywhere\n"
    "  vmm rr disk boot.rr -o disk.img  the guest's disk as it was at the end (--at POSITION; --image ID: which one)\n";

int fail(const std::string& text) {
    std::fprintf(stderr, "vmm: %s\n", text.c_str());
    return 1;
}

void print(const std::string& text) { std::fputs(text.c_str(), stdout); }

// The words of a command line: files, and settings that take a value or none.
struct Words {
    std::vector<std::string> files;
    std::map<std::string, std::string> settings;
};

Result<Words> parse(const std::string& command, std::span<const std::string> args, std::span<const std::string_view> with_value,
                    std::span<const std::string_view> bare, std::size_t files) {
    Words out;
    for (std::size_t i = 0; i < args.size(); ++i) {
        if (args[i].size() < 2 || args[i][0] != '-') {
            out.files.push_back(args[i]);
            continue;
        }
        std::string name = args[i].substr(args[i].find_first_not_of('-') == std::string::npos ? 1 : args[i].find_first_not_of('-'));
        const auto equals = name.find('=');
        const bool has_value = equals != std::string::npos;
        std::string value = has_value ? name.substr(equals + 1) : "";
        name = name.substr(0, equals);
        const bool wants = std::find(with_value.begin(), with_value.end(), name) != with_value.end();
        if (!wants && (has_value || std::find(bare.begin(), bare.end(), name) == bare.end()))
            return Error{"rr " + command + ": unknown option '" + args[i] + "'; see 'vmm rr --help'"};
        if (wants && !has_value) {
            if (++i == args.size()) return Error{"rr " + command + ": " + args[i - 1] + " needs a value"};
            value = args[i];
        }
        out.settings[name] = value;
    }
    if (out.files.size() != files)
        return Error{"rr " + command + ": " + (files == 1 ? "one file" : "two files") + " must be named, not " + std::to_string(out.files.size()) + "; see 'vmm rr --help'"};
    return out;
}

// The recording, and what to say about how whole it is.
Result<Recording> open(const std::string& path) {
    auto recording = read_recording(path);
    if (recording && !recording->damage.empty()) std::fprintf(stderr, "vmm: %s: %s; what is before it is used\n", path.c_str(), recording->damage.c_str());
    return recording;
}

int info(const Words& w) {
    const auto recording = open(w.files[0]);
    if (!recording) return fail(recording.error().text);
    print(describe(*recording));
    return 0;
}

int dump_all(const Words& w) {
    const auto recording = open(w.files[0]);
    if (!recording) return fail(recording.error().text);
    print(w.settings.contains("json") ? dump_json(*recording) : dump(*recording));
    return 0;
}

int verify_all(const Words& w) {
    unsigned jobs = 1;
    if (const auto given = w.settings.find("jobs"); given != w.settings.end()) {
        const std::string& text = given->second;
        const auto r = std::from_chars(text.data(), text.data() + text.size(), jobs);
        if (r.ec != std::errc() || r.ptr != text.data() + text.size() || jobs == 0 || jobs > 256) return fail("rr verify: --jobs is 1 to 256, not '" + text + "'");
    }
    const auto recording = open(w.files[0]);
    if (!recording) return fail(recording.error().text);
    const auto config = replay_config(*recording, w.files[0], {});
    if (!config) return fail(config.error().text);
    if (jobs > 1 && recording->checkpoints.empty()) std::fprintf(stderr, "vmm: %s has no checkpoints, so one thread does it; 'vmm rr index' adds some\n", w.files[0].c_str());
    const auto verdict = verify(*recording, *config, jobs);
    if (!verdict) return fail(w.files[0] + ": " + verdict.error().text);
    print(w.files[0] + ": " + verdict->text + "\n");
    for (const std::string& line : verdict->explanation) print(line + "\n");
    return verdict->identical ? 0 : kStatusDifferent;
}

int index(const Words& w) {
    const auto recording = open(w.files[0]);
    if (!recording) return fail(recording.error().text);
    const auto config = replay_config(*recording, w.files[0], {});
    if (!config) return fail(config.error().text);
    u64 every = std::max<u64>(recording->valid_to.v / 16 + 1, kHashEvery);
    if (const auto given = w.settings.find("every"); given != w.settings.end()) {
        const auto steps = parse_steps(given->second);
        if (!steps || *steps < 1'000'000) return fail("rr index: --every '" + given->second + "' is not a number of steps of at least a million, such as 500M");
        every = *steps;
    }
    const auto to = w.settings.contains("o") ? w.settings.at("o") : w.files[0];
    const auto count = add_checkpoints(*recording, *config, w.files[0], to, every);
    if (!count) return fail(count.error().text);
    print(to + ": " + std::to_string(*count) + " checkpoints\n");
    return 0;
}

int diff(const Words& w) {
    const auto a = open(w.files[0]), b = open(w.files[1]);
    if (!a) return fail(a.error().text);
    if (!b) return fail(b.error().text);
    const auto lines = differences(*a, *b);
    for (const std::string& line : lines) print(line + "\n");
    if (lines.empty()) print("the same run\n");
    return lines.empty() ? 0 : kStatusDifferent;
}

int pack_all(const Words& w) {
    if (!w.settings.contains("o")) return fail("rr pack: -o NEW says where the copy goes");
    const auto recording = open(w.files[0]);
    if (!recording) return fail(recording.error().text);
    const auto config = replay_config(*recording, w.files[0], {});
    if (!config) return fail(config.error().text);
    // Images are known by samples only: a replay tells that what the guest read of them is what it read then.
    if (!config->images.empty()) {
        const auto verdict = verify(*recording, *config, 1);
        if (!verdict) return fail(w.files[0] + ": " + verdict.error().text);
        if (!verdict->identical) {
            fail(w.files[0] + ": not packed, for it does not replay: " + verdict->text);
            return kStatusDifferent;
        }
    }
    if (const auto done = pack(*recording, *config, w.files[0], w.settings.at("o")); !done) return fail(done.error().text);
    return 0;
}

int disk(const Words& w) {
    if (!w.settings.contains("o")) return fail("rr disk: -o NEW says where the image goes");
    std::optional<Icount> at;
    if (const auto given = w.settings.find("at"); given != w.settings.end()) {
        u64 position = 0;
        const std::string& text = given->second;
        const auto r = std::from_chars(text.data(), text.data() + text.size(), position);
        if (r.ec != std::errc() || r.ptr != text.data() + text.size()) return fail("rr disk: --at is a position, a number of steps, not '" + text + "'");
        at = Icount{position};
    }
    const auto recording = open(w.files[0]);
    if (!recording) return fail(recording.error().text);
    const auto config = replay_config(*recording, w.files[0], {});
    if (!config) return fail(config.error().text);
    const auto id = w.settings.find("image");
    bool differs = false;
    const auto done = write_guest_disk(*recording, *config, at, id == w.settings.end() ? "" : id->second, w.settings.at("o"), differs);
    if (!done) (void)fail("rr disk: " + done.error().text);
    return done ? 0 : differs ? kStatusDifferent : 1;
}

constexpr std::string_view kDisk[] = {"at", "image", "o"}, kJson[] = {"json"}, kJobs[] = {"jobs"}, kIndex[] = {"every", "o"}, kOut[] = {"o"};

struct Command {
    std::string_view name;
    int (*run)(const Words&);
    std::span<const std::string_view> with_value, bare;
    std::size_t files = 1;
};

constexpr Command kCommands[] = {
    {"info", info, {}, {}}, {"dump", dump_all, {}, kJson}, {"verify", verify_all, kJobs, {}}, {"index", index, kIndex, {}},
    {"diff", diff, {}, {}, 2}, {"pack", pack_all, kOut, {}}, {"disk", disk, kDisk, {}},
};

}  // namespace

int rr_command(std::span<const std::string> args) {
    const std::string name = args.empty() ? "" : args[0];
    const bool help = name == "help" || std::any_of(args.begin(), args.end(), [](const std::string& a) { return a == "--help" || a == "-help" || a == "-h"; });
    if (help) {
        print(kHelp);
        return 0;
    }
    const auto* command = std::find_if(std::begin(kCommands), std::end(kCommands), [&](const Command& c) { return c.name == name; });
    if (command == std::end(kCommands)) return fail("rr: " + (name.empty() ? "which command" : "unknown command '" + name + "'") + "? There are info, dump, verify, index, diff, pack and disk; see 'vmm rr --help'");
    const auto words = parse(name, args.subspan(1), command->with_value, command->bare, command->files);
    return words ? command->run(*words) : fail(words.error().text);
}

}  // namespace vmm::replay
