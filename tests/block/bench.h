// SPDX-License-Identifier: Apache-2.0
// What tests of disks need: files with known sectors, and requests that are waited for.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <random>

#include "block/host_io.h"
#include "block/image.h"

namespace vmm::block {

// A file that goes with its owner.
struct TempFile {
    TempFile() : path((std::filesystem::temp_directory_path() / "vmm-disk-XXXXXX").string()) {
        const int fd = mkstemp(path.data());
        EXPECT_GE(fd, 0);
        close(fd);
    }
    explicit TempFile(u64 size) : TempFile() { std::filesystem::resize_file(path, size); }
    ~TempFile() { std::filesystem::remove(path); }
    TempFile(const TempFile&) = delete;
    TempFile& operator=(const TempFile&) = delete;

    void put(u64 offset, std::span<const u8> bytes) const {
        std::fstream f(path, std::ios::in | std::ios::out | std::ios::binary);
        f.seekp(static_cast<std::streamoff>(offset));
        f.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    std::vector<u8> content() const {
        std::ifstream f(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(f), {}};
    }
    u64 size() const { return std::filesystem::file_size(path); }

    std::string path;
};

// Sectors that say which they are.
inline std::vector<u8> pattern(u64 sector, u64 count, u8 salt = 0) {
    std::vector<u8> out(count * kSector);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<u8>((sector + i / kSector) * 37 + i % kSector * (2 * salt + 1) + salt);
    return out;
}

inline std::vector<u8> noise(std::mt19937_64& random, std::size_t bytes) {
    std::vector<u8> out(bytes);
    for (u8& b : out) b = static_cast<u8>(random());
    return out;
}

// Asked and waited for.
inline Reply ask(HostIo& io, Node& node, Request request) {
    struct Answer {
        std::mutex mutex;
        std::optional<Reply> reply;
    };
    const auto answer = std::make_shared<Answer>();
    node.submit(std::move(request), [answer](Reply reply) {
        const std::lock_guard lock(answer->mutex);
        EXPECT_FALSE(answer->reply) << "answered twice";
        answer->reply = std::move(reply);
    });
    const bool came = io.wait([&] {
        const std::lock_guard lock(answer->mutex);
        return answer->reply.has_value();
    }, 20'000'000'000);
    EXPECT_TRUE(came) << "no answer";
    return came ? std::move(*answer->reply) : Reply{-1, {}};
}

}  // namespace vmm::block
