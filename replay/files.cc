// SPDX-License-Identifier: Apache-2.0
#include "replay/files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "block/layer.h"
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

constexpr std::string_view kImage = "image:";

// Size and content of a disk as its guest sees it, whatever its format and the files below it; judged by samples: its first
// 2 MiB, its last 64 KiB, 64 pages in between.
Result<FileIdentity> sample(const std::string& role, const std::string& path, const std::string& format) {
    constexpr u64 kFirst = 2u << 20, kLast = 64u << 10, kPage = 4096, kPages = 64;
    const auto disk = block::open_layer(path, format, {.lock = false});
    if (!disk) return disk.error();
    std::error_code ec;
    const fs::path absolute = fs::absolute(path, ec);
    FileIdentity id{.role = role, .path = ec ? path : absolute.string(), .size = (*disk)->size()};
    struct stat st{};
    if (stat(path.c_str(), &st) == 0) id.mtime = st.st_mtime;
    std::vector<u8> bytes;
    int error = 0;
    const auto take = [&](u64 from, u64 length) {
        const std::size_t at = bytes.size();
        bytes.resize(at + std::min(length, id.size - std::min(id.size, from)));
        if (error == 0) error = (*disk)->read(from, std::span(bytes).subspan(at), true);
    };
    take(0, kFirst);
    for (u64 i = 1; i <= kPages; ++i) take(id.size / (kPages + 1) * i / kPage * kPage, kPage);
    take(id.size > kLast ? id.size - kLast : 0, kLast);
    if (error != 0) return Error{"cannot read " + path + ": " + std::strerror(error)};
    id.xxh3 = hash_bytes(bytes);
    return id;
}

bool holds_image(const FileIdentity& id, const std::string& path, const std::string& format, std::string& problem) {
    const auto found = sample(id.role, path, format);
    if (found && found->size == id.size && found->xxh3 == id.xxh3) return true;
    problem += problem.empty() ? "" : "; ";
    if (!found) problem += found.error().text;
    else if (found->size != id.size) problem += path + " has " + std::to_string(found->size) + " bytes, the recorded image has " + std::to_string(id.size);
    else problem += path + " has another content than when it was recorded";
    return false;
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
    for (const auto& image : config.images) {
        auto id = sample(std::string(kImage) + image.id, image.file, image.format);
        if (!id) return Error{"-drive " + image.id + ": " + id.error().text};
        out.push_back(std::move(*id));
    }
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

Result<void> find_files(const Recording& recording, const std::string& path, MachineConfig& config,
                        const std::vector<std::pair<std::string, std::string>>& places) {
    for (const auto& [id, unused] : places)
        if (std::none_of(config.images.begin(), config.images.end(), [&](const auto& image) { return image.id == id; }))
            return Error{"--image: the recorded machine has no image " + id};
    for (std::size_t n = 0; n < recording.header.files.size(); ++n) {
        const FileIdentity& id = recording.header.files[n];
        std::string* place = id.role == "bios" ? &config.bios : id.role == "vga-bios" ? &config.vga_bios : id.role == "kernel" ? &config.kernel : id.role == "initrd" ? &config.initrd : nullptr;
        const bool is_image = id.role.starts_with(kImage);
        std::string only, no_format;
        std::string* format = &no_format;
        if (is_image) {
            const std::string name = id.role.substr(kImage.size());
            for (auto& image : config.images)
                if (image.id == name) {
                    place = &image.file;
                    format = &image.format;
                }
            for (const auto& [for_id, file] : places)
                if (for_id == name) only = file;
            const auto packed = only.empty() && place != nullptr && !recording.images.empty() ? unpacked_image(recording, n) : std::nullopt;
            if (std::string unused; packed && holds_image(id, *packed, "raw", unused)) {
                *place = *packed;
                *format = "raw";
                continue;
            }
        } else if (const auto packed = place != nullptr && !recording.images.empty() ? unpacked_file(recording, n) : std::nullopt) {
            *place = *packed;
            continue;
        }
        std::vector<std::string> candidates;
        if (place != nullptr && !place->empty()) candidates.push_back(*place);
        candidates.push_back(id.path);
        if (place != nullptr) candidates.push_back((fs::path(path).parent_path() / fs::path(id.path).filename()).string());
        if (!only.empty()) candidates = {only};
        std::string problem, found;
        for (std::size_t i = 0; i < candidates.size() && found.empty(); ++i) {
            if (i > 0 && candidates[i] == candidates[i - 1]) continue;
            if (is_image ? holds_image(id, candidates[i], *format, problem) : holds(id, candidates[i], problem)) found = candidates[i];
        }
        if (found.empty()) return Error{"the recorded " + id.role + " is not there: " + problem + (is_image ? " (--image " + id.role.substr(kImage.size()) + "=PATH says where it is)" : "")};
        if (place != nullptr) *place = found;
    }
    return {};
}

}  // namespace vmm::replay
