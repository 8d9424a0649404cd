// SPDX-License-Identifier: Apache-2.0
#include "replay/bookmark_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "replay/open_file.h"

namespace vmm::replay {
namespace {

constexpr std::size_t kFixed = 9;                        // bytes before the name
constexpr std::size_t kLargest = 4096;                   // stored bytes of such a chunk, at most

bool read_at(int fd, u64 offset, std::string& out) {
    for (std::size_t done = 0; done < out.size();) {
        const ssize_t n = ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        done += static_cast<std::size_t>(n);
    }
    return true;
}

// Goes from chunk to chunk by the lengths in their frames.
struct Walk {
    u64 end = kPreambleBytes;                            // of the last whole chunk
    Icount valid_to{};
    bool whole = false;                                  // the file ends there
    std::map<std::string, Icount> bookmarks;
};

Walk walk(int fd) {
    Walk w;
    struct stat st{};
    if (::fstat(fd, &st) != 0) return w;
    const auto size = static_cast<u64>(st.st_size);
    std::string frame_bytes(kFrameBytes, '\0');
    while (size - std::min(size, w.end) >= kFrameBytes && read_at(fd, w.end, frame_bytes)) {
        const Frame frame = read_frame(frame_bytes);
        if (frame.stored > size - w.end - kFrameBytes) break;
        if (frame.type == static_cast<u32>(ChunkType::Bookmark) && frame.stored <= kLargest) {
            std::string stored(frame.stored, '\0');
            if (!read_at(fd, w.end + kFrameBytes, stored) || chunk_crc(frame_bytes, stored) != frame.crc) break;
            const auto payload = unpack(frame, stored);
            if (const auto note = payload ? decode_bookmark(*payload) : std::nullopt) {
                if (note->gone) w.bookmarks.erase(note->bookmark.name);
                else w.bookmarks[note->bookmark.name] = note->bookmark.at;
            }
        }
        w.valid_to = std::max(w.valid_to, frame.valid_to);
        w.end += kFrameBytes + frame.stored;
    }
    w.whole = w.end == size;
    return w;
}

}  // namespace

std::string encode(const Bookmark& bookmark, bool gone) {
    std::string out(1, gone ? '\1' : '\0');
    for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<char>(bookmark.at.v >> (8 * i) & 0xff));
    return out + bookmark.name;
}

std::optional<BookmarkNote> decode_bookmark(std::string_view payload) {
    if (payload.size() <= kFixed || payload.size() > kFixed + Bookmarks::kLongestName || static_cast<u8>(payload[0]) > 1) return std::nullopt;
    BookmarkNote note;
    note.gone = payload[0] == '\1';
    for (unsigned i = 0; i < 8; ++i) note.bookmark.at.v |= u64{static_cast<u8>(payload[1 + i])} << (8 * i);
    note.bookmark.name = payload.substr(kFixed);
    return note;
}

std::vector<Bookmark> read_bookmarks(const std::string& path) {
    std::vector<Bookmark> out;
    const OpenFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.fd() < 0) return out;
    for (const auto& [name, at] : walk(file.fd()).bookmarks) out.push_back({name, at});
    return out;
}

Result<void> append_bookmark(const std::string& path, const Bookmark& bookmark, bool gone) {
    const auto wrong = [&path](const std::string& why) { return Error{path + ": " + why}; };
    const OpenFile file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (file.fd() < 0) return wrong(std::strerror(errno));
    if (::flock(file.fd(), LOCK_EX) != 0) return wrong(std::strerror(errno));
    const Walk w = walk(file.fd());
    if (!w.whole) return wrong("is cut inside a chunk, so that nothing can be added");
    const std::string chunk = make_chunk(ChunkType::Bookmark, w.valid_to, encode(bookmark, gone));
    const ssize_t n = ::pwrite(file.fd(), chunk.data(), chunk.size(), static_cast<off_t>(w.end));
    if (n == static_cast<ssize_t>(chunk.size())) return {};
    const std::string why = n < 0 ? std::strerror(errno) : "takes no more";
    (void)!::ftruncate(file.fd(), static_cast<off_t>(w.end));
    return wrong(why);
}

}  // namespace vmm::replay
