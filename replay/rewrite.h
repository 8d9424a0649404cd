// SPDX-License-Identifier: Apache-2.0
// Rewrite: a recording made out of another: its chunks, or some of them, and further ones behind. The new file appears whole or
// not at all, and may take the place of the old one. Document: docs/recording-format.md.
#pragma once

#include <functional>
#include <memory>

#include "replay/log_reader.h"
#include "vmm/config.h"

namespace vmm::replay {

class Rewrite {
  public:
    static Result<std::unique_ptr<Rewrite>> begin(const std::string& path, const Recording& recording, const std::string& to);
    ~Rewrite();
    Rewrite(const Rewrite&) = delete;
    Rewrite& operator=(const Rewrite&) = delete;

    // The whole chunks of the old file that `wanted` says.
    Result<void> copy(const std::function<bool(const Packed&)>& wanted);
    void add(ChunkType type, std::string_view payload);      // of a type that may be skipped
    Result<void> finish();

  private:
    Rewrite(const Recording& recording, std::string path, std::string to) : recording_(recording), path_(std::move(path)), to_(std::move(to)) {}
    void put(std::string_view bytes);

    const Recording& recording_;
    const std::string path_, to_;
    std::string temporary_;
    int fd_ = -1;
    std::optional<Error> error_;
};

// The files of the machine, by content, into the recording: it replays anywhere. `config`: with their paths (session.h).
Result<void> pack(const Recording& recording, const MachineConfig& config, const std::string& path, const std::string& to);

// A file that was packed in, as a path that can be opened for as long as this process lives. Nothing: it is not there.
std::optional<std::string> unpacked_file(const Recording& recording, std::size_t file);
// The same of a disk image: a file without a name beside the temporary ones, with holes. Its content is
// as its hash says; where the recording has none (it was packed by an older program), it is for the caller to judge.
std::optional<std::string> unpacked_image(const Recording& recording, std::size_t file);

}  // namespace vmm::replay
