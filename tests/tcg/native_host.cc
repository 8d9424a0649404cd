// SPDX-License-Identifier: Apache-2.0
#include "tests/tcg/native_host.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "vmm/check.h"

namespace vmm::test {

NativeHost::NativeHost() {
    const int memory = memfd_create("cases", 0);
    CHECK(memory >= 0 && ftruncate(memory, sizeof(Shared)) == 0, "memory for native cases");
    void* const at = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    CHECK(at != MAP_FAILED, "memory for native cases");
    shared_ = static_cast<Shared*>(at);
    std::memset(shared_->code, 0x90, sizeof shared_->code);
    int down[2];
    int up[2];
    CHECK(pipe(down) == 0 && pipe(up) == 0, "pipes to the native runner");
    child_ = fork();
    CHECK(child_ >= 0, "fork");
    if (child_ == 0) {
        // Out of the way first: 3, 4 and 5 may be in use.
        const int fds[3] = {fcntl(memory, F_DUPFD, 10), fcntl(down[0], F_DUPFD, 10), fcntl(up[1], F_DUPFD, 10)};
        for (int i = 0; i < 3; ++i) dup2(fds[i], 3 + i);
        for (int fd = 6; fd < 64; ++fd) close(fd);
        execl(NATIVE_RUNNER, NATIVE_RUNNER, static_cast<char*>(nullptr));
        _exit(127);
    }
    close(memory);
    close(down[0]);
    close(up[1]);
    to_child_ = down[1];
    from_child_ = up[0];
    signal(SIGPIPE, SIG_IGN);
}

NativeHost::~NativeHost() {
    close(to_child_);
    close(from_child_);
    waitpid(child_, nullptr, 0);
    munmap(shared_, sizeof(Shared));
}

void NativeHost::set_memory(std::span<const std::uint8_t> data, std::span<const std::uint8_t> read_only) {
    std::memcpy(shared_->initial, data.data(), kDataSize);
    std::memcpy(shared_->data, data.data(), kDataSize);
    std::memcpy(shared_->read_only, read_only.data(), sizeof shared_->read_only);
    shared_->initial_digest = digest(shared_->initial);
}

bool NativeHost::run(unsigned count) {
    std::memcpy(shared_->data, shared_->initial, kDataSize);
    shared_->count = count;
    char byte = 1;
    return write(to_child_, &byte, 1) == 1 && read(from_child_, &byte, 1) == 1;
}

}  // namespace vmm::test
