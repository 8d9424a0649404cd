// SPDX-License-Identifier: Apache-2.0
// The parsers of what comes from files and command lines, for libFuzzer: whatever the bytes, the answer is a value or one sentence,
// soon, and in memory in proportion to the input. VMM_FUZZ says which: recording (a file's bytes), chunks (a well-formed file
// made of them, so that the CRC does not stop them at the door), header, config, options (an argument a line).
// tests/fuzz/run runs it for a bounded time; libFuzzer's own options work as well.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "replay/log_reader.h"
#include "vmm/options.h"

namespace {

using namespace vmm;
using namespace vmm::replay;

void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "fuzzer: %s\n", what);
    std::abort();
}

void one_sentence(const std::string& text) {
    require(!text.empty(), "an error without words");
    require(text.find('\n') == std::string::npos, "an error of several lines");
    require(text.size() < 4096, "an error without end");
}

void recording(std::string_view bytes) {
    const auto r = parse_recording(bytes, "F");
    if (!r) return one_sentence(r.error().text);
    require(r->used_bytes <= bytes.size(), "more used than there is");
}

// Each chunk: type, length in two bytes, payload.
void chunks(std::string_view bytes) {
    std::string file = preamble();
    while (bytes.size() >= 3) {
        const auto type = static_cast<u8>(bytes[0]);
        const std::size_t length = static_cast<u8>(bytes[1]) | std::size_t{static_cast<u8>(bytes[2])} << 8;
        bytes.remove_prefix(3);
        const auto payload = bytes.substr(0, length);
        bytes.remove_prefix(payload.size());
        file += make_chunk(ChunkType{type}, Icount{file.size()}, payload);
    }
    recording(file);
}

void header(std::string_view bytes) {
    if (const auto h = decode_header(bytes); !h) one_sentence(h.error().text);
}

void config(std::string_view bytes) {
    if (const auto c = config_from_text(bytes); !c) one_sentence(c.error().text);
}

void options(std::string_view bytes) {
    std::vector<std::string> args;
    for (std::size_t at = 0; at < bytes.size();) {
        const auto end = std::min(bytes.find('\n', at), bytes.size());
        args.emplace_back(bytes.substr(at, end - at));
        at = end + 1;
    }
    if (const auto parsed = parse_command_line(args); !parsed) one_sentence(parsed.error().text);
}

constexpr struct {
    const char* name;
    void (*run)(std::string_view);
} kTargets[] = {{"recording", recording}, {"chunks", chunks}, {"header", header}, {"config", config}, {"options", options}};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, unsigned long size) {
    static const auto run = [] {
        const char* wanted = std::getenv("VMM_FUZZ");
        for (const auto& target : kTargets)
            if (wanted != nullptr && std::strcmp(wanted, target.name) == 0) return target.run;
        std::fprintf(stderr, "fuzzer: VMM_FUZZ is one of recording, chunks, header, config, options\n");
        std::exit(2);
    }();
    run({reinterpret_cast<const char*>(data), size});
    return 0;
}
