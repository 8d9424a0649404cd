// SPDX-License-Identifier: Apache-2.0
// What reads the bytes of monitors' clients, for libFuzzer, as fuzzer.cc does for files: VMM_FUZZ says which: json (what a QMP client
// sends; its arguments are held against those of a command), line (what is typed at a monitor).
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "vmm/monitor/json_stream.h"
#include "vmm/monitor/line_editor.h"
#include "vmm/monitor/qmp_schema.h"

namespace {

using namespace vmm;

void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "fuzzer: %s\n", what);
    std::abort();
}

// Of every kind of argument one.
constexpr std::string_view kWords[] = {"one", "two"};
constexpr monitor::Type kWord{monitor::Type::Kind::Enum, "word", kWords};
constexpr monitor::Member kPair[] = {{"a", &monitor::kInteger}, {"b", &monitor::kBoolean, true}};
constexpr monitor::Type kStruct{.kind = monitor::Type::Kind::Struct, .name = "pair", .members = kPair};
constexpr monitor::Member kBranches[] = {{"word", &kWord}, {"pair", &kStruct}};
constexpr monitor::Type kUnion{.kind = monitor::Type::Kind::Union, .name = "union", .branches = kBranches};
constexpr monitor::Type kArray{.kind = monitor::Type::Kind::Array, .name = "array", .element = &kUnion};
constexpr monitor::Member kArguments[] = {{"keys", &kArray}, {"text", &monitor::kString, true}};

// What a stream makes of bytes: values and errors, a line each.
std::vector<std::string> read_json(std::string_view bytes, std::size_t piece) {
    std::vector<std::string> out;
    monitor::JsonStream stream;
    stream.value = [&](const monitor::Json& value) { out.push_back(monitor::to_line(value)); };
    stream.error = [&](const std::string& text) {
        require(!text.empty() && text.size() < 4096, "an error without words, or without end");
        out.push_back("!" + text);
    };
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) stream.feed(bytes.substr(0, piece));
    return out;
}

void json(std::string_view bytes) {
    // However it is cut, it says the same; and after FFh the next message is heard.
    const std::string whole = std::string(bytes) + "\xff\n[1, \"heard\"]\n";
    const auto at_once = read_json(whole, whole.size()), in_pieces = read_json(whole, 1 + bytes.size() % 7);
    require(at_once == in_pieces, "what is read depends on how it is cut");
    require(!at_once.empty() && at_once.back() == "[1, \"heard\"]", "the next message is not heard");
    for (const std::string& line : at_once) {
        if (line[0] == '!') continue;
        require(read_json(line, line.size() + 1) == std::vector{line} || line.find_first_of("[{\"") == std::string::npos, "what was written is not read");
        if (const auto value = monitor::Json::parse(line, nullptr, false); value.is_object())
            if (const auto wrong = monitor::check_arguments(value, kArguments)) require(!wrong->empty(), "a wrong argument without words");
    }
}

void line(std::string_view bytes) {
    std::size_t said = 0;
    monitor::LineEditor editor("(vmm) ", [&](const std::string& text) { said += text.size(); }, [](std::string_view begun) {
        std::vector<std::string> names;
        for (const char* name : {"info registers", "info replay", "quit"})
            if (std::string_view(name).starts_with(begun)) names.emplace_back(name);
        return names;
    });
    editor.prompt();
    for (const char c : bytes) {
        const auto typed = editor.key(c);
        require(!typed || typed->size() <= 4096 + 16, "a line without end");
        require(!typed || typed->find_first_of("\r\n") == std::string::npos, "a line of several");
    }
    require(said <= 100 + bytes.size() * 8192, "it says too much");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, unsigned long size) {
    static const bool typed = [] {
        const char* wanted = std::getenv("VMM_FUZZ");
        if (wanted != nullptr && std::strcmp(wanted, "line") == 0) return true;
        if (wanted != nullptr && std::strcmp(wanted, "json") == 0) return false;
        std::fprintf(stderr, "fuzzer: VMM_FUZZ is json or line\n");
        std::exit(2);
    }();
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    typed ? line(bytes) : json(bytes);
    return 0;
}
