// SPDX-License-Identifier: Apache-2.0
// For the tests of qcow2: images in a directory of their own, the peer's tools, every form an image may have, random writing
// against a model in memory.
#pragma once

#include <cstdlib>
#include <sys/wait.h>

#include "block/qcow2_check.h"
#include "block/qcow2_node.h"
#include "block/qcow2_snapshot.h"
#include "tests/block/bench.h"

namespace vmm::block {

inline int run(const std::string& command) {
    const int status = std::system((command + " > /dev/null 2>&1").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct Dir {
    Dir() : path((std::filesystem::temp_directory_path() / "vmm-qcow2-XXXXXX").string()) { EXPECT_NE(mkdtemp(path.data()), nullptr); }
    ~Dir() { std::filesystem::remove_all(path); }
    Dir(const Dir&) = delete;
    Dir& operator=(const Dir&) = delete;
    std::string operator/(const std::string& name) const { return path + "/" + name; }
    std::string path;
};

inline std::vector<u8> read_all(Layer& layer) {
    std::vector<u8> out(layer.size());
    EXPECT_EQ(layer.read(0, out), 0);
    return out;
}

inline void write_file(const std::string& path, std::span<const u8> bytes) {
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

inline std::vector<u8> file_bytes(const std::string& path) {
    std::ifstream f(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(f), {}};
}

// What the peer reads in it.
inline std::vector<u8> by_peer(const Dir& dir, const std::string& image) {
    EXPECT_EQ(run("qemu-img convert -O raw " + image + " " + (dir / "peer.raw")), 0);
    return file_bytes(dir / "peer.raw");
}

inline std::unique_ptr<Qcow2Image> open_image(const std::string& path, bool read_only) {
    auto image = open_qcow2(path, {.read_only = read_only});
    EXPECT_TRUE(image) << (image ? "" : image.error().text);
    return image ? std::move(*image) : nullptr;
}

// Bytes that compress, some that do not, and stretches of zeros.
inline std::vector<u8> content(u64 bytes, u64 seed) {
    std::mt19937_64 random(seed);
    std::vector<u8> out(bytes);
    for (u64 at = 0; at < bytes;) {
        const u64 n = std::min<u64>(bytes - at, 1 + random() % 70000);
        const u64 kind = random() % 3;
        for (u64 i = 0; i < n && kind != 0; ++i) out[at + i] = kind == 1 ? static_cast<u8>(random()) : static_cast<u8>((at + i) / 100);
        at += n;
    }
    return out;
}

struct Form {
    unsigned cluster, refcount_bits;
    const char* options;
};
inline void PrintTo(const Form& form, std::ostream* out) { *out << form.cluster << " refcount " << form.refcount_bits << form.options; }

class Qcow2Forms : public testing::TestWithParam<Form> {
  protected:
    std::string create(const std::string& path, u64 bytes, const std::string& more = "") {
        const Form& f = GetParam();
        const std::string refcount = std::string(f.options).find("0.10") != std::string::npos ? "" : ",refcount_bits=" + std::to_string(f.refcount_bits);
        return "qemu-img create -q -f qcow2 " + more + " -o cluster_size=" + std::to_string(f.cluster) + refcount + f.options + " " + path + " " + std::to_string(bytes);
    }
    std::string convert_options() {
        const Form& f = GetParam();
        const std::string refcount = std::string(f.options).find("0.10") != std::string::npos ? "" : ",refcount_bits=" + std::to_string(f.refcount_bits);
        return " -o cluster_size=" + std::to_string(f.cluster) + refcount + f.options;
    }
    Dir dir;
};

// A few in the quick suite; the others are for the slow one.
#define QCOW2_QUICK_FORMS Form{512, 16, ""}, Form{1024, 2, ""}, Form{8192, 32, ",compression_type=zstd"}, Form{32768, 16, ",compat=0.10"}, Form{65536, 16, ""}
#define QCOW2_OTHER_FORMS \
    Form{512, 1, ""}, Form{512, 64, ""}, Form{2048, 4, ",lazy_refcounts=on"}, Form{4096, 8, ""}, \
    Form{16384, 64, ""}, Form{65536, 16, ",compression_type=zstd"}, Form{131072, 1, ""}, \
    Form{262144, 16, ""}, Form{524288, 2, ""}, Form{1048576, 16, ""}, Form{2097152, 32, ""}, \
    Form{4096, 16, ",compat=0.10"}

// Random requests against a model; in between a look by reopening.
inline void random_writing(const std::string& path, std::vector<u8>& model, u64 seed, unsigned rounds, u64 longest) {
    std::mt19937_64 random(seed);
    auto image = open_image(path, false);
    ASSERT_TRUE(image);
    for (unsigned i = 0; i < rounds; ++i) {
        const u64 sectors = model.size() / kSector, first = random() % sectors, count = 1 + random() % std::min<u64>(random() % 4 == 0 ? longest : 8, sectors - first);
        const auto at = model.begin() + static_cast<i64>(first * kSector);
        const u64 bytes = count * kSector;
        switch (random() % 8) {
            case 0: case 1: case 2: case 3: {
                const auto data = noise(random, bytes);
                std::copy(data.begin(), data.end(), at);
                ASSERT_EQ(image->write(first * kSector, data), 0) << "step " << i;
                break;
            }
            case 4: {
                // Whole clusters are zeros after it, or what they were.
                ASSERT_EQ(image->discard(first * kSector, bytes), 0) << "step " << i;
                std::vector<u8> is(bytes);
                ASSERT_EQ(image->read(first * kSector, is), 0);
                for (u64 b = 0; b < bytes; ++b) ASSERT_TRUE(is[b] == 0 || is[b] == at[static_cast<i64>(b)]) << "step " << i;
                std::copy(is.begin(), is.end(), at);
                break;
            }
            case 5:
                if (random() % 4 == 0) {
                    ASSERT_EQ(image->flush(), 0);
                }
                break;
            case 6:
                if (random() % 16 == 0) {
                    image.reset();
                    image = open_image(path, false);
                    ASSERT_TRUE(image);
                }
                break;
            default: {
                std::vector<u8> is(bytes);
                ASSERT_EQ(image->read(first * kSector, is), 0);
                ASSERT_TRUE(std::equal(is.begin(), is.end(), at)) << "step " << i;
                break;
            }
        }
    }
}

}  // namespace vmm::block
