// SPDX-License-Identifier: Apache-2.0
#include "block/layer.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "block/node.h"
#include "block/qcow2_image.h"

namespace vmm::block {
namespace {

struct Magic {
    const char* name;
    std::array<u8, 4> bytes;
};
constexpr Magic kMagics[] = {{"qcow2", {'Q', 'F', 'I', 0xfb}}, {"vmdk", {'K', 'D', 'M', 'V'}}, {"vhdx", {'v', 'h', 'd', 'x'}}};

using Chain = std::vector<const ImageFile*>;

Result<std::unique_ptr<Layer>> open_chain(const std::string& path, const std::string& format, const LayerOptions& options, Chain& chain);

Result<std::unique_ptr<Qcow2Image>> open_qcow2_on(std::unique_ptr<ImageFile> file, const LayerOptions& options, Chain& chain) {
    chain.push_back(file.get());
    auto header = Qcow2Image::read_header(*file);
    if (!header) return header.error();
    std::unique_ptr<Layer> backing;
    if (!header->backing_file.empty() && options.backing) {
        const std::string& name = header->backing_file;
        const std::string below = backing_path(file->path(), name);
        if (below.empty()) return Error{file->path() + ": its backing file is " + name + "; only files are possible"};
        LayerOptions plain = options;
        plain.read_only = true;
        auto opened = open_chain(below, header->backing_format, plain, chain);
        if (!opened) return Error{file->path() + ": its backing file: " + opened.error().text};
        backing = std::move(*opened);
    }
    return Qcow2Image::open(std::move(file), std::move(*header), std::move(backing), options.repairs);
}

Result<std::unique_ptr<Layer>> open_chain(const std::string& path, const std::string& format, const LayerOptions& options, Chain& chain) {
    if (chain.size() >= kMaxDepth) return Error{path + ": more than " + std::to_string(kMaxDepth) + " images, each backed by the next"};
    auto file = ImageFile::open(path, options.read_only, options.cache, options.lock);
    if (!file) return file.error();
    for (const ImageFile* above : chain)
        if (above->same_as(**file)) return Error{path + " is below itself in a chain of backing files"};
    const auto is = format_of(path, format);
    if (!is) return is.error();
    if (*is == "raw") {
        chain.push_back(file->get());
        return std::unique_ptr<Layer>(std::make_unique<RawLayer>(std::move(*file)));
    }
    auto image = open_qcow2_on(std::move(*file), options, chain);
    if (!image) return image.error();
    return std::unique_ptr<Layer>(std::move(*image));
}

}  // namespace

std::string probe_format(std::span<const u8> start) {
    for (const Magic& m : kMagics)
        if (start.size() >= m.bytes.size() && std::equal(m.bytes.begin(), m.bytes.end(), start.begin())) return m.name;
    return "raw";
}

std::string backing_path(const std::string& image, const std::string& name) {
    std::string file = name.starts_with("file:") ? name.substr(5) : name;
    const auto colon = file.find(':');
    if (file.empty() || (!name.starts_with("file:") && colon != std::string::npos && file.find('/') > colon)) return {};    // nbd://, json:{
    if (file.front() == '/') return file;
    return (std::filesystem::path(image).parent_path() / file).string();
}

Result<std::string> format_of(const std::string& path, const std::string& format) {
    std::string is = format;
    if (format.empty()) {
        const auto file = ImageFile::open(path, true, Cache::WriteBack, false);
        if (!file) return file.error();
        std::array<u8, kSector> start{};
        (*file)->read(0, start);
        is = probe_format(start);
    }
    if (is == "raw" || is == "qcow2") return is;
    if (format.empty()) return Error{path + " is a " + is + " image, which is not available; 'qemu-img convert -O qcow2' makes one that is (format=raw takes it as it is)"};
    return Error{path + ": the format " + is + " is not available, only raw and qcow2"};
}

Result<std::unique_ptr<Layer>> open_layer(const std::string& path, const std::string& format, const LayerOptions& options) {
    Chain chain;
    return open_chain(path, format, options, chain);
}

Result<std::unique_ptr<Qcow2Image>> open_qcow2(const std::string& path, const LayerOptions& options) {
    auto file = ImageFile::open(path, options.read_only, options.cache, options.lock);
    if (!file) return file.error();
    Chain chain;
    return open_qcow2_on(std::move(*file), options, chain);
}

}  // namespace vmm::block
