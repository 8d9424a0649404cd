// SPDX-License-Identifier: Apache-2.0
#include "vmm/options.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "vmm/option_table.h"

namespace vmm {
namespace {

// Messages are one line, whatever was typed.
std::string printable(std::string_view s) {
    std::string out;
    for (const char c : s) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) out += '?';
        else out.push_back(c);
    }
    return out;
}

// Insertions, deletions, replacements and swaps of neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    std::iota(d[0].begin(), d[0].end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1] ? 1 : 0)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.size()][b.size()];
}

std::string_view strip_dashes(std::string_view arg) {
    arg.remove_prefix(1);
    if (arg.starts_with('-')) arg.remove_prefix(1);
    return arg;
}

Error unknown_option(std::string_view arg, std::string_view name) {
    std::vector<std::string_view> names;
    for (const Option& o : option_table()) names.push_back(o.name);
    const std::string hint = did_you_mean(name, names, "-");
    return {"unknown option '" + std::string(arg) + "'" + (hint.empty() ? "; --help lists the options" : hint)};
}

Result<void> parse_one(OptionState& state, std::span<const std::string> args, std::size_t& i) {
    const std::string& arg = args[i];
    if (!arg.empty() && arg[0] != '-') return find_option("hda")->apply(state, "-hda", arg);   // as in QEMU
    if (arg.size() < 2 || arg == "--") return Error{"unexpected argument '" + arg + "'"};
    std::string_view name = strip_dashes(arg);
    std::optional<std::string_view> value;
    const Option* option = find_option(name);
    if (option == nullptr) {
        if (const auto equals = name.find('='); equals != std::string_view::npos) {
            value = name.substr(equals + 1);
            name = name.substr(0, equals);
            option = find_option(name);
        }
    }
    if (option == nullptr) return unknown_option(arg, name);
    const std::string shown = "-" + std::string(option->name);
    if (option->apply == nullptr) return Error{"not available yet: " + shown};
    if (option->value.empty()) {
        if (value) return Error{shown + " takes no value"};
        return option->apply(state, shown, "");
    }
    if (!value) {
        if (i + 1 >= args.size()) return Error{shown + " needs a value: " + shown + " " + std::string(option->value)};
        value = args[++i];
    }
    if (value->empty() && option->name != "append") return Error{shown + " needs a value: " + shown + " " + std::string(option->value)};
    if (value->find('\0') != std::string_view::npos) return Error{shown + ": the value has a zero byte in it"};
    return option->apply(state, shown, *value);
}

}  // namespace

std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates) {
    if (word.size() > 64) return std::nullopt;
    std::optional<std::string_view> best;
    std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (const std::string_view c : candidates) {
        const std::size_t distance = edit_distance(word, c);
        if (distance >= best_distance || distance >= c.size()) continue;
        best_distance = distance;
        best = c;
    }
    return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates, std::string_view prefix) {
    const auto n = nearest(word, candidates);
    return n ? "; did you mean " + std::string(prefix) + std::string(*n) + "?" : "";
}

Result<CommandLine> parse_command_line(std::span<const std::string> args) { return parse_command_line(args, MachineConfig{}); }

Result<CommandLine> parse_command_line(std::span<const std::string> args, const MachineConfig& base) {
    OptionState state;
    state.line.config = base;
    state.line.config.serial_present = {};             // complete() gives the default port
    for (std::size_t i = 0; i < args.size(); ++i) {
        if (auto ok = parse_one(state, args, i); !ok) return Error{printable(ok.error().text)};
        if (state.line.action != CommandLine::Action::Run) return state.line;
    }
    state.line.serial_given = state.serial_given;
    if (auto ok = complete(state); !ok) return Error{printable(ok.error().text)};
    return state.line;
}

Result<CommandLine> parse_command_line(int argc, const char* const* argv) {
    const std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
    return parse_command_line(args);
}

std::optional<u64> parse_steps(std::string_view text) {
    u64 factor = 1;
    if (!text.empty()) {
        switch (text.back()) {
            case 'K': case 'k': factor = 1'000; break;
            case 'M': factor = 1'000'000; break;
            case 'G': factor = 1'000'000'000; break;
            default: break;
        }
        if (factor != 1) text.remove_suffix(1);
    }
    u64 n = 0;
    const auto r = std::from_chars(text.data(), text.data() + text.size(), n);
    if (text.empty() || r.ec != std::errc() || r.ptr != text.data() + text.size() || n > ~u64{0} / factor) return std::nullopt;
    return n * factor;
}

}  // namespace vmm
