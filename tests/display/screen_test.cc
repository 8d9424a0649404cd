// SPDX-License-Identifier: Apache-2.0
// What the screen shows of real firmware and of every kind of mode that the VGA BIOS sets, dot by dot as QEMU shows the same
// guest. Components of 5 or 6 bits are compared as such, as
// programs widen them to 8 bits in different ways. Not compared: planar VBE modes, which the peer leaves black.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "display/image_file.h"
#include "tests/display/guest_screen.h"

namespace vmm::display {
namespace {

constexpr u64 kBoot = 3'000'000'000;       // steps

std::string contents(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

Image from_ppm(const std::string& bytes) {
    std::istringstream in(bytes);
    std::string magic;
    Image image;
    u32 top = 0;
    in >> magic >> image.width >> image.height >> top;
    EXPECT_EQ(magic, "P6");
    EXPECT_EQ(top, 255u);
    in.get();
    image.rgb.resize(std::size_t{3} * image.width * image.height);
    in.read(reinterpret_cast<char*>(image.rgb.data()), static_cast<std::streamsize>(image.rgb.size()));
    return image;
}

TEST(Screen, firmware_says_who_it_is) {
    MachineConfig config;
    config.ram_bytes = 32u << 20;
    GuestScreen guest(config);
    ASSERT_NE(guest.machine, nullptr);
    EXPECT_TRUE(guest.run_until([&] { return guest.text().find("No bootable device") != std::string::npos; }, 20 * kBoot)) << guest.text();
    EXPECT_NE(guest.text().find("SeaBIOS (version "), std::string::npos) << guest.text();
}

class Modes : public testing::TestWithParam<unsigned> {
  protected:
    void SetUp() override {
        char name[] = "/tmp/vmm-screen-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        directory = name;
    }
    void TearDown() override { std::filesystem::remove_all(directory); }

    std::string mode() const {
        char digits[8];
        std::snprintf(digits, sizeof digits, "%04x", GetParam());
        return digits;
    }
    // The same guest on the other emulator; its screen when the guest is done.
    Image peer() const {
        const std::string log = directory + "/debugcon", dump = directory + "/screen.ppm";
        const std::string command = "timeout 100 qemu-system-i386 -accel tcg -display none -net none -m 32 -vga std -monitor stdio -kernel " MODES_GUEST
                                    " -append " + mode() + " -debugcon file:" + log + " > /dev/null 2>&1";
        std::FILE* monitor = popen(command.c_str(), "w");
        EXPECT_NE(monitor, nullptr);
        for (int i = 0; i < 900 && contents(log).find('D') == std::string::npos; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
        std::fprintf(monitor, "screendump %s\nquit\n", dump.c_str());
        std::fflush(monitor);
        EXPECT_EQ(pclose(monitor), 0);
        return from_ppm(contents(dump));
    }

    std::string directory;
};

TEST_P(Modes, show_what_the_peer_shows) {
    MachineConfig config;
    config.ram_bytes = 32u << 20;
    config.kernel = MODES_GUEST;
    config.append = mode();
    GuestScreen guest(config);
    ASSERT_NE(guest.machine, nullptr);
    ASSERT_TRUE(guest.run_until([&] { return !guest.said.empty() && guest.said.find_first_of("DF") != std::string::npos; }, kBoot)) << guest.text();
    ASSERT_EQ(guest.said.back(), 'D') << "the VGA BIOS refused the mode";
    const Image mine = draw(guest.screen());
    const Image theirs = peer();
    ASSERT_EQ(mine.width, theirs.width);
    ASSERT_EQ(mine.height, theirs.height);
    const u32 compared = GetParam() == 0x10d ? 0xf8f8f8 : GetParam() == 0x111 ? 0xf8fcf8 : 0xfcfcfc;   // 15 and 16 bits; the DAC
    const auto text = read_text(guest.screen());
    u32 different = 0;
    std::string first;
    for (u32 y = 0; y < mine.height; ++y)
        for (u32 x = 0; x < mine.width; ++x) {
            if (((mine.pixel(x, y) ^ theirs.pixel(x, y)) & compared) == 0) continue;
            // The peer repeats the eighth dot of B0h-BFh as well; IBM's text has C0h-DFh.
            if (text && x % 9 == 8 && (text->at(x / 9, y / 16).character & 0xf0) == 0xb0) continue;
            if (different++ == 0) {
                char where[96];
                std::snprintf(where, sizeof where, "at %u,%u: %06x, there %06x", x, y, mine.pixel(x, y), theirs.pixel(x, y));
                first = where;
            }
        }
    if (different != 0 && std::getenv("VMM_KEEP_SCREENS") != nullptr) {
        (void)write_image(mine, ImageFormat::Png, std::string(std::getenv("VMM_KEEP_SCREENS")) + "/mine-" + mode() + ".png");
        (void)write_image(theirs, ImageFormat::Png, std::string(std::getenv("VMM_KEEP_SCREENS")) + "/theirs-" + mode() + ".png");
    }
    EXPECT_EQ(different, 0u) << first;
}

INSTANTIATE_TEST_SUITE_P(VgaBios, Modes, testing::Values(0x03, 0x04, 0x05, 0x06, 0x07, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x100, 0x101, 0x103, 0x10d, 0x111, 0x112, 0x118, 0x143),
                         [](const auto& p) { std::ostringstream s; s << std::hex << p.param; return s.str(); });

}  // namespace
}  // namespace vmm::display
