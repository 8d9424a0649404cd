// SPDX-License-Identifier: Apache-2.0
#include "replay/rewrite.h"

#include <xxhash.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "block/layer.h"
#include "vmm/archive.h"
#include "vmm/file.h"

namespace vmm::replay {
namespace {

constexpr std::size_t kPieceBytes = 4u << 20;

// XXH3 of a file that comes in pieces, and what is between them is zeros.
class WholeHash {
  public:
    WholeHash() : state_(XXH3_createState(), &XXH3_freeState) { XXH3_64bits_reset(state_.get()); }
    // False: it is there already.
    bool add(u64 at, std::string_view bytes) {
        if (at < size_) return false;
        zeros_to(at);
        XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
        size_ += bytes.size();
        return true;
    }
    u64 of(u64 size) {
        zeros_to(size);
        return XXH3_64bits_digest(state_.get());
    }

  private:
    void zeros_to(u64 end) {
        static constexpr char kZeros[65536] = {};
        for (; size_ < end; size_ += std::min<u64>(end - size_, sizeof kZeros)) XXH3_64bits_update(state_.get(), kZeros, std::min<u64>(end - size_, sizeof kZeros));
    }
    std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
    u64 size_ = 0;
};

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

}  // namespace

Result<std::unique_ptr<Rewrite>> Rewrite::begin(const std::string& path, const Recording& recording, const std::string& to) {
    std::unique_ptr<Rewrite> made(new Rewrite(recording, path, to));
    struct stat there{};
    if (to != path && stat(to.c_str(), &there) == 0 && there.st_size > 0) return Error{to + ": is there already; not overwritten"};
    std::string name = to + ".new-XXXXXX";
    made->fd_ = mkostemp(name.data(), O_CLOEXEC);
    if (made->fd_ < 0) return Error{name + ": " + std::strerror(errno)};
    made->temporary_ = name;
    const mode_t mask = umask(0);
    umask(mask);
    struct stat old{};
    (void)!fchmod(made->fd_, stat(path.c_str(), &old) == 0 ? old.st_mode & 0777 : 0666 & ~mask);
    return made;
}

Rewrite::~Rewrite() {
    if (fd_ >= 0) close(fd_);
    if (!temporary_.empty()) unlink(temporary_.c_str());
}

void Rewrite::put(std::string_view bytes) {
    if (!error_ && !write_all(fd_, bytes)) error_ = Error{temporary_ + ": " + std::strerror(errno)};
}

Result<void> Rewrite::copy(const std::function<bool(const Packed&)>& wanted) {
    const auto content = read_file(path_);
    if (!content) return content.error();
    const std::string_view bytes(reinterpret_cast<const char*>(content->data()), content->size());
    if (bytes.size() < recording_.used_bytes) return Error{path_ + ": changed while it was read"};
    put(preamble());
    for (u64 at = kPreambleBytes; at + kFrameBytes <= recording_.used_bytes;) {
        const Frame frame = read_frame(bytes.substr(at));
        const u64 size = kFrameBytes + frame.stored;
        if (size > recording_.used_bytes - at) return Error{path_ + ": changed while it was read"};
        if (wanted({at, frame})) put(bytes.substr(at, size));
        at += size;
    }
    return {};
}

void Rewrite::add(ChunkType type, std::string_view payload) { put(make_chunk(type, recording_.valid_to, payload, 1)); }

Result<void> Rewrite::finish() {
    if (!error_ && (fsync(fd_) != 0 || std::rename(temporary_.c_str(), to_.c_str()) != 0)) error_ = Error{to_ + ": " + std::strerror(errno)};
    if (error_) return *error_;
    temporary_.clear();
    return {};
}

namespace {

constexpr std::string_view kImage = "image:";

const block::ImageConfig* image_of(const FileIdentity& id, const MachineConfig& config) {
    const auto found = std::find_if(config.images.begin(), config.images.end(), [&](const auto& image) { return id.role == std::string(kImage) + image.id; });
    return found == config.images.end() ? nullptr : &*found;
}

// As the guest sees it. Pieces of zeros only are left out, but for the last one.
Result<void> pack_image(Rewrite& rewrite, std::size_t number, const FileIdentity& id, const block::ImageConfig& image) {
    const auto disk = block::open_layer(image.file, image.format, {.lock = false});
    if (!disk) return disk.error();
    std::string piece;
    WholeHash hash;
    for (u64 at = 0; at < id.size; at += kPieceBytes) {
        piece.resize(std::min<u64>(kPieceBytes, id.size - at));
        if (at + piece.size() > (*disk)->size()) return Error{"cannot read " + image.file + ": it became shorter"};
        if (const int error = (*disk)->read(at, {reinterpret_cast<u8*>(piece.data()), piece.size()}, true); error != 0)
            return Error{"cannot read " + image.file + ": " + std::strerror(error)};
        hash.add(at, piece);
        if (at + piece.size() == id.size || piece.find_first_not_of('\0') != std::string::npos) rewrite.add(ChunkType::Image, encode(ImagePiece{number, at, piece}));
    }
    rewrite.add(ChunkType::ImageHash, encode(ImageHash{number, hash.of(id.size)}));
    return {};
}

}  // namespace

Result<void> pack(const Recording& recording, const MachineConfig& config, const std::string& path, const std::string& to) {
    auto rewrite = Rewrite::begin(path, recording, to);
    if (!rewrite) return rewrite.error();
    if (auto ok = (*rewrite)->copy([](const Packed& c) { return ChunkType{c.frame.type} != ChunkType::Image && ChunkType{c.frame.type} != ChunkType::ImageHash; }); !ok) return ok;
    for (std::size_t i = 0; i < recording.header.files.size(); ++i) {
        const FileIdentity& id = recording.header.files[i];
        if (id.role.starts_with(kImage)) {
            const auto* image = image_of(id, config);
            if (image == nullptr) return Error{path + ": the recorded " + id.role + " is not in the machine"};
            if (auto packed = pack_image(**rewrite, i, id, *image); !packed) return packed;
            continue;
        }
        const std::string& from = id.role == "bios" ? config.bios : id.role == "vga-bios" ? config.vga_bios : id.role == "kernel" ? config.kernel : config.initrd;
        if (id.role == "module") return Error{path + ": Multiboot modules cannot be packed; their guest knows their paths"};
        const auto content = read_file(from);
        if (!content) return content.error();
        if (content->size() != id.size || hash_bytes(*content) != id.xxh3) return Error{from + " has another content than when it was recorded"};
        for (std::size_t at = 0; at < content->size(); at += kPieceBytes) {
            const std::size_t n = std::min(kPieceBytes, content->size() - at);
            (*rewrite)->add(ChunkType::Image, encode(ImagePiece{i, at, {reinterpret_cast<const char*>(content->data()) + at, n}}));
        }
    }
    return (*rewrite)->finish();
}

std::optional<std::string> unpacked_file(const Recording& recording, std::size_t file) {
    const FileIdentity& id = recording.header.files[file];
    std::string content;
    for (const Packed& chunk : recording.images) {
        const auto payload = unpack(recording, chunk);
        const auto piece = payload ? decode_image(*payload) : std::nullopt;
        if (!piece || piece->file != file) continue;
        if (piece->offset != content.size() || piece->bytes.size() > id.size - content.size()) return std::nullopt;
        content += piece->bytes;
    }
    if (content.size() != id.size || hash_bytes({reinterpret_cast<const u8*>(content.data()), content.size()}) != id.xxh3) return std::nullopt;
    const int fd = memfd_create(id.role.c_str(), MFD_CLOEXEC);
    if (fd < 0 || !write_all(fd, content)) return std::nullopt;
    return "/proc/self/fd/" + std::to_string(fd);        // stays open: the path is to work later
}

std::optional<std::string> unpacked_image(const Recording& recording, std::size_t file) {
    const FileIdentity& id = recording.header.files[file];
    int fd = -1;
    bool good = true;
    WholeHash hash;
    for (const Packed& chunk : recording.images) {
        const auto payload = unpack(recording, chunk);
        const auto piece = payload ? decode_image(*payload) : std::nullopt;
        if (!piece || piece->file != file) continue;
        std::error_code none;
        if (fd < 0) {
            fd = open(std::filesystem::temp_directory_path(none).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
            if (fd < 0 || ftruncate(fd, static_cast<off_t>(id.size)) != 0) good = false;
        }
        good = good && piece->offset <= id.size && piece->bytes.size() <= id.size - piece->offset && lseek(fd, static_cast<off_t>(piece->offset), SEEK_SET) >= 0 &&
               write_all(fd, piece->bytes) && hash.add(piece->offset, piece->bytes);
        if (!good) break;
    }
    if (fd < 0) return std::nullopt;
    if (const auto whole = recording.image_hashes.find(file); good && whole != recording.image_hashes.end()) good = hash.of(id.size) == whole->second;
    if (!good) {
        close(fd);
        return std::nullopt;
    }
    return "/proc/self/fd/" + std::to_string(fd);        // stays open, and goes with this process
}

}  // namespace vmm::replay
