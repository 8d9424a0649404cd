// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/command.h"

#include <algorithm>

#include "vmm/check.h"
#include "vmm/option_table.h"

namespace vmm::monitor {
namespace {

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool begins_with(const std::vector<std::string>& words, const std::vector<std::string>& first) {
    return first.size() <= words.size() && std::equal(first.begin(), first.end(), words.begin());
}

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, 80)) out.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c);
    return out;
}

}  // namespace

std::vector<std::string> split_words(std::string_view line) {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < line.size();) {
        if (blank(line[i])) {
            ++i;
            continue;
        }
        std::string word;
        char quote = 0;
        for (; i < line.size() && (quote != 0 || !blank(line[i])); ++i) {
            const char c = line[i];
            if (quote != 0) {
                if (c == quote) quote = 0;
                else word.push_back(c);
            } else if (c == '"' || c == '\'') {
                quote = c;
            } else if (c == '/' && out.empty() && !word.empty()) {
                break;
            } else {
                word.push_back(c);
            }
        }
        out.push_back(std::move(word));
    }
    return out;
}

std::string join(Args words) {
    std::string out;
    for (const std::string& w : words) out += (out.empty() ? "" : " ") + w;
    return out;
}

CommandTable::CommandTable() {
    add({"help|?", "[COMMAND]", "lists the commands, or says what one does", [this](const Context& c, Args args) -> Result<Outcome> {
             const std::string text = help(join(args));
             if (text.empty()) return Error{unknown({args.begin(), args.end()})};
             c.print(text);
             return Outcome::Done;
         }});
}

void CommandTable::add(Command command) {
    Entry entry;
    for (std::size_t from = 0; from <= command.name.size();) {
        const auto to = std::min(command.name.find('|', from), command.name.size());
        auto words = split_words(std::string_view(command.name).substr(from, to - from));
        for (const Entry& e : entries_)
            for (const auto& s : e.spellings) CHECK(s != words, "two monitor commands of one name");
        entry.spellings.push_back(std::move(words));
        from = to + 1;
    }
    entry.command = std::move(command);
    entries_.push_back(std::move(entry));
}

// The longest name that the words begin with.
const CommandTable::Entry* CommandTable::find(const std::vector<std::string>& words, std::size_t& used) const {
    const Entry* best = nullptr;
    used = 0;
    for (const Entry& e : entries_)
        for (const auto& s : e.spellings)
            if (s.size() > used && begins_with(words, s)) {
                best = &e;
                used = s.size();
            }
    return best;
}

void CommandTable::run(std::string_view line, const Context& context) const {
    auto words = split_words(line);
    if (words.empty()) return context.finished();
    if (words[0] == "i") words[0] = "info";
    std::size_t used = 0;
    const Entry* entry = find(words, used);
    if (entry == nullptr) {
        // "info" alone lists what there is to know.
        const std::string group = words.size() == 1 ? help(words[0]) : "";
        context.print(group.empty() ? "Error: " + unknown(words) + "\n" : group);
        return context.finished();
    }
    const auto outcome = entry->command.run(context, std::span(words).subspan(used));
    if (outcome && *outcome == Outcome::Later) return;
    if (!outcome) context.print("Error: " + outcome.error().text + "\n");
    context.finished();
}

std::string CommandTable::unknown(const std::vector<std::string>& words) const {
    const bool two = words.size() > 1 && words[0] == "info";
    const std::string asked = two ? words[0] + " " + words[1] : words.empty() ? "" : words[0];
    std::vector<std::string_view> names;
    for (const Entry& e : entries_) names.push_back(std::string_view(e.command.name).substr(0, e.command.name.find('|')));
    const std::string hint = did_you_mean(asked, names);
    return "unknown command '" + printable(asked) + "'" + (hint.empty() ? "; 'help' lists the commands" : hint);
}

std::vector<std::string> CommandTable::complete(std::string_view begun) const {
    std::vector<std::string> out;
    for (const Entry& e : entries_)
        for (const auto& s : e.spellings)
            if (std::string name = join(s); name.starts_with(begun)) out.push_back(std::move(name));
    std::sort(out.begin(), out.end());
    return out;
}

std::string CommandTable::help(std::string_view about) const {
    const auto words = split_words(about);
    std::vector<std::string> lines;
    for (const Entry& e : entries_) {
        if (std::none_of(e.spellings.begin(), e.spellings.end(), [&](const auto& s) { return begins_with(s, words); })) continue;
        std::string line = e.command.name + (e.command.args.empty() ? "" : " " + e.command.args);
        lines.push_back(line + " -- " + e.command.help + "\n");
    }
    std::sort(lines.begin(), lines.end());
    std::string out;
    for (const std::string& l : lines) out += l;
    return out;
}

}  // namespace vmm::monitor
