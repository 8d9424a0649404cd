// SPDX-License-Identifier: Apache-2.0
// A kernel with its console on the screen, typed at and pointed at at random times, recorded and replayed: the replay finds
// every hash, and its screen ends as the recorded one did, dot by dot.
#include "devices/user_input.h"
#include "replay/replayer.h"
#include "tests/display/guest_screen.h"
#include "tests/replay/recorded.h"

namespace vmm::testing {
namespace {

using display::Screen;

Screen screen_of(Machine& machine) {
    Screen s;
    copy_screen(*machine.board().vga(), machine.time(), s);
    return s;
}

std::string text_of(Machine& machine) {
    const auto text = read_text(screen_of(machine));
    return text ? text->text() : "";
}

constexpr u64 kSteps = 9'000'000'000;
constexpr u32 kTypedHoldMs = 15;

TEST(ScreenReplay, a_kernel_typed_at_at_random_times_shows_the_same_again) {
    MachineConfig config = kernel_config("686", "console=tty0");
    const Temp file;
    const auto header = replay::make_header(config, "test");
    ASSERT_TRUE(header) << header.error().text;
    auto log = replay::LogWriter::create(file.path, *header);
    ASSERT_TRUE(log) << log.error().text;
    display::Image shown;
    std::string said;
    unsigned typed = 0;
    {
        const auto machine = make_machine(config);
        ASSERT_NE(machine, nullptr);
        replay::Recorder recorder(log->get());
        Control control(*machine, RrMode::Record, file.path);
        std::mt19937 random(4711);
        RunnerOptions options;
        options.sleep = false;
        bool command = false;
        Icount next{};
        options.boundary = [&] {
            Inbox& inbox = machine->inbox();
            const bool random_input = !command && machine->icount() >= next;
            if (random_input) {
                next = machine->icount() + random() % 80'000'000;
                const auto keys = *keys_for(static_cast<char32_t>(0x20 + random() % 0x5f));
                inbox.post(random() % 4 != 0 ? key_chord(keys, static_cast<u32>(random() % 30)) : key_event(keys.back(), random() % 2 == 0));
                ++typed;
            }
            if (random_input)
                inbox.post(mouse_event(static_cast<i32>(random() % 300) - 150, static_cast<i32>(random() % 300) - 150, static_cast<i32>(random() % 3) - 1,
                                       static_cast<u8>(random()), static_cast<u8>(random())));
            if (!command && machine->icount().v > kSteps * 3 / 4) {
                command = true;
                // Ctrl-C and an empty line end what chance has typed.
                for (const char c : std::string_view("\3\necho the-$((6*7))-end\n")) inbox.post(key_chord(*keys_for(static_cast<u8>(c)), kTypedHoldMs));
            }
            if (machine->icount().v < kSteps || control.quitting()) return;
            shown = draw(screen_of(*machine));
            said = text_of(*machine);
            control.quit();
        };
        ASSERT_EQ(run_machine(control, options, recorder), 0);
        log->reset();
    }
    EXPECT_NE(said.find("the-42-end"), std::string::npos) << said;
    EXPECT_GT(typed, 20u);

    const auto recording = replay::read_recording(file.path);
    ASSERT_TRUE(recording) << recording.error().text;
    EXPECT_GT(recording->hashes.size(), 50u);
    const auto machine = make_machine(config);
    replay::Replayer replayer(*recording);
    Control control(*machine, RrMode::Replay, file.path);
    EXPECT_EQ(run_machine(control, {}, replayer), 0);
    EXPECT_NE(replayer.report().find("identical"), std::string::npos) << replayer.report();
    EXPECT_EQ(text_of(*machine), said);
    const display::Image again = draw(screen_of(*machine));
    EXPECT_EQ(again.rgb, shown.rgb);
}

}  // namespace
}  // namespace vmm::testing
