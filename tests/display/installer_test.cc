// SPDX-License-Identifier: Apache-2.0
// Debian's installer (netboot) on the text screen: its first dialogs, cell by cell where they say something, and a keyboard that
// moves through them. What they say: the templates of its packages localechooser and console-setup, as newt draws them.
#include "devices/user_input.h"
#include "tests/display/guest_screen.h"
#include "tests/machine/lane.h"

namespace vmm::display {
namespace {

constexpr u64 kBoot = 25'000'000'000, kDialog = 8'000'000'000, kMoment = 400'000'000;   // steps, at most
constexpr u8 kRed = 4;                     // newt's background of what is chosen

class Installer : public ::testing::Test {
  protected:
    Installer() : guest(config()) {}
    static MachineConfig config() {
        MachineConfig c;
        c.ram_bytes = 512u << 20;
        c.kernel = vmm::testing::guest_file("installer-linux");
        c.initrd = vmm::testing::guest_file("installer-initrd.gz");
        c.append = "vga=normal quiet nomodeset fb=false";      // the text screen
        return c;
    }
    // The dialog with this title, and all of it: newt draws its help line last.
    ::testing::AssertionResult shows(const std::string& title, u64 steps) {
        const bool there = guest.run_until([&] {
            const std::string text = guest.text();
            return text.find(title) != std::string::npos && text.find("<Tab> moves; <Space> selects; <Enter> activates buttons") != std::string::npos;
        }, steps);
        guest.run_until([] { return false; }, kMoment);
        return there ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << "no " << title << " in\n" << guest.text();
    }
    void type(std::string_view chord) {
        const auto input = sendkey(chord);
        ASSERT_TRUE(input) << input.error().text;
        guest.machine->inbox().apply(*input);
        guest.run_until([] { return false; }, kMoment);
    }
    void expect_lines(std::initializer_list<std::string> lines) {
        std::string text = guest.text();
        std::size_t at = 0;
        for (const std::string& line : lines) {
            const auto found = text.find(line + "\n", at);
            ASSERT_NE(found, std::string::npos) << "not there, or not in this order:\n" << line << "\nin\n" << text;
            at = found + line.size();
        }
    }
    // What is chosen.
    std::string marked() const {
        const auto text = read_text(guest.screen());
        std::string out;
        for (u32 i = 0; text && i < text->cells.size(); ++i)
            if ((text->cells[i].attribute >> 4 & 7) == kRed) out += static_cast<char>(text->cells[i].character);
        return out.substr(0, out.find_last_not_of(' ') + 1);
    }
    GuestScreen guest;
};

TEST_F(Installer, reaches_the_language_dialog_and_goes_on_by_keyboard) {
    ASSERT_TRUE(shows("┤ [!!] Select a language ├", kBoot));
    expect_lines({"  ┌───────────────────────┤ [!!] Select a language ├────────────────────────┐",
                  "  │ Choose the language to be used for the installation process. The        │",
                  "  │ selected language will also be the default language for the installed   │",
                  "  │ system.                                                                 │",
                  "  │ Language:                                                               │",
                  "  │             C                    -  No localization      ↑              │",
                  "  │             Catalan              -  Català               ■              │",
                  "  │             English              -  English              ▒              │",
                  "  │             French               -  Français             ▒              │",
                  "  │             German               -  Deutsch              ↓              │",
                  "  │     <Go Back>                                                           │",
                  "  └─────────────────────────────────────────────────────────────────────────┘",
                  "<Tab> moves; <Space> selects; <Enter> activates buttons"});
    EXPECT_EQ(marked(), "English              -  English");
    type("down");
    EXPECT_EQ(marked(), "Finnish              -  Suomi");
    type("down");
    type("up");
    type("up");
    EXPECT_EQ(marked(), "English              -  English");
    type("ret");

    ASSERT_TRUE(shows("┤ [!!] Select your location ├", kDialog));
    expect_lines({"  │ Country, territory or area:                                             │",
                  "  │                         United Kingdom       ▒                          │"});
    EXPECT_EQ(marked(), "United States");
    type("up");
    EXPECT_EQ(marked(), "United Kingdom");
    type("ret");

    ASSERT_TRUE(shows("┤ [!!] Configure the keyboard ├", kDialog));
    EXPECT_EQ(marked(), "British English");
    type("home");
    EXPECT_EQ(marked(), "American English");
}

}  // namespace
}  // namespace vmm::display
