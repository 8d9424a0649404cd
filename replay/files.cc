// SPDX-License-Identifier: Apache-2.0
#include "replay/files.h"

#include <sys/stat.h>

#include <filesystem>

#include "replay/rewrite.h"
#include "vmm/archive.h"
#include "vmm/board.h"
#include "vmm/file.h"
#include "vmm/loader/multiboot.h"

namespace vmm::replay {
namespace {

namespace fs = std::filesystem;

Result<FileIdentity> identify(const std::string& role, const std::string& path) {
    const auto content = read_file(path);
    if (!content) return Error{"-" + role + ": " + content.error().text};
    std::error_code ec;
    const fs::path absolute = fs::absolute(path, ec);
    FileIdentity id{.role = role, .path = ec ? path : absolute.string(), .size = content->size()};
    struct stat st{};
    if (stat(path.c_str(), &st) == 0) id.mtime = st.st_mtime;
    id.xxh3 = hash_bytes(*content);
    return id;
}

// Is there a file with this content? `problem` gathers why not.
bool holds(const FileIdentity& id, const std::string& path, std::string& problem) {
    const auto content = read_file(path);
    if (content && content->size() == id.size && hash_bytes(*content) == id.xxh3) return true;
    problem += (problem.empty() ? "" : "; ") + (content ? path + " has another content than when it was recorded" : content.error().text);
    return false;
}

}  // namespace

Result<std::vector<FileIdentity>> identify_files(const MachineConfig& config) {
    std::vector<FileIdentity> out;
    const auto add = [&out](const std::string& role, const std::string& path) -> Result<void> {
        auto id = identify(role, path);
        if (!id) return id.error();
        out.push_back(std::move(*id));
        return {};
    };
    if (auto ok = add("bios", Board::firmware_file(config)); !ok) return ok.error();
    if (const std::string vga_bios = Board::vga_bios_file(config); !vga_bios.empty())
        if (auto ok = add("vga-bios", vga_bios); !ok) return ok.error();
    if (config.kernel.empty()) return out;
    if (auto ok = add("kernel", config.kernel); !ok) return ok.error();
    if (config.initrd.empty()) return out;
    const auto kernel = read_file(config.kernel);
    if (kernel && is_multiboot_image(*kernel)) {
        for (const auto& module : split_modules(config.initrd))
            if (auto ok = add("module", module.file); !ok) return ok.error();
    } else if (auto ok = add("initrd", config.initrd); !ok) {
        return ok.error();
    }
    return out;
}

Result<void> find_files(const Recording& recording, const std::string& path, MachineConfig& config) {
    for (std::size_t n = 0; n < recording.header.files.size(); ++n) {
        const FileIdentity& id = recording.header.files[n];
        std::string* place = id.role == "bios" ? &config.bios : id.role == "vga-bios" ? &config.vga_bios : id.role == "kernel" ? &config.kernel : id.role == "initrd" ? &config.initrd : nullptr;
        if (const auto packed = place != nullptr && !recording.images.empty() ? unpacked_file(recording, n) : std::nullopt) {
            *place = *packed;
            continue;
        }
        std::vector<std::string> candidates;
        if (place != nullptr && !place->empty()) candidates.push_back(*place);
        candidates.push_back(id.path);
        if (place != nullptr) candidates.push_back((fs::path(path).parent_path() / fs::path(id.path).filename()).string());
        std::string problem, found;
        for (std::size_t i = 0; i < candidates.size() && found.empty(); ++i) {
            if (i > 0 && candidates[i] == candidates[i - 1]) continue;
            if (holds(id, candidates[i], problem)) found = candidates[i];
        }
        if (found.empty()) return Error{"the recorded " + id.role + " is not there: " + problem};
        if (place != nullptr) *place = found;
    }
    return {};
}

}  // namespace vmm::replay
