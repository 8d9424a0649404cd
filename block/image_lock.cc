// SPDX-License-Identifier: Apache-2.0
#include "block/image_lock.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

namespace vmm::block {
namespace {

constexpr off_t kUses = 100, kForbids = 200;
constexpr off_t kRead = 0, kWrite = 1, kResize = 3;

struct flock byte_lock(short type, off_t at) {
    struct flock lock{};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = at;
    lock.l_len = 1;
    return lock;
}

}  // namespace

Result<void> lock_image(int fd, const std::string& path, bool writes) {
    const auto take = [fd](off_t at) {
        struct flock lock = byte_lock(F_RDLCK, at);
        return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
    };
    const auto held = [fd](off_t at) {
        struct flock lock = byte_lock(F_WRLCK, at);
        return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    };
    for (const off_t at : {kUses + kRead, writes ? kUses + kWrite : kUses + kRead, kForbids + kWrite, kForbids + kResize}) {
        const int error = take(at);
        if (error == EAGAIN || error == EACCES) return Error{path + " is locked by another program"};
        if (error != 0) return {};
    }
    if (held(kForbids + kRead)) return Error{path + " is in use by another program that keeps it for itself"};
    if (writes && held(kForbids + kWrite)) return Error{path + " is in use by another program, and cannot be written as well"};
    if (held(kUses + kWrite) && writes) return Error{path + " is being written by another program"};
    if (held(kUses + kWrite)) return Error{path + " is being written by another program, and cannot be read meanwhile"};
    return {};
}

}  // namespace vmm::block
