// SPDX-License-Identifier: Apache-2.0
// Bookmarks in a recording's file: chunks that a reader may skip, behind whatever is there, the end included. The latest of a
// name counts. Whoever replays a file adds to it; several at once are normal. Document: docs/recording-format.md, "Bookmarks".
#pragma once

#include <vector>

#include "replay/log_format.h"
#include "vmm/bookmarks.h"

namespace vmm::replay {

std::string encode(const Bookmark& bookmark, bool gone);
struct BookmarkNote {
    Bookmark bookmark;
    bool gone = false;
};
std::optional<BookmarkNote> decode_bookmark(std::string_view payload);

// What is in the file, up to where it is cut or makes no sense.
std::vector<Bookmark> read_bookmarks(const std::string& path);
// Behind its last chunk. A file that is damaged there is left alone.
Result<void> append_bookmark(const std::string& path, const Bookmark& bookmark, bool gone);

}  // namespace vmm::replay
