// SPDX-License-Identifier: Apache-2.0
#include "vmm/file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <sys/stat.h>

namespace vmm {

Result<std::vector<u8>> read_file(const std::string& path) {
    auto wrong = [&path] { return Error{"cannot read " + path + ": " + std::strerror(errno)}; };
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
    if (!file) return wrong();
    struct stat st{};
    if (fstat(fileno(file.get()), &st) != 0) return wrong();
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return wrong();
    }
    std::vector<u8> out;
    u8 buffer[65536];
    for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, file.get())) > 0;) out.insert(out.end(), buffer, buffer + n);
    if (std::ferror(file.get()) != 0) return wrong();
    return out;
}

}  // namespace vmm
