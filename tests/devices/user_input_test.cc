// SPDX-License-Identifier: Apache-2.0
// What a user types and moves, as the guest reads it at port 60. Scan codes: set 2 of the IBM PS/2 reference; names: those of
// QEMU's sendkey; the layout of inputs: docs/recording-format.md.
#include "devices/user_input.h"

#include "devices/typist.h"
#include "tests/devices/ps2_fixture.h"

namespace vmm {
namespace {

class UserInputTest : public Ps2Test {
  protected:
    UserInputTest() { typist_ = &bench_.add<Typist>(bench_.timers, keyboard()); }

    void apply(const Input& input) {
        if (input.kind == InputKind::Pointer) apply_pointer(input, mouse());
        else if (input.target == kKeyChord) apply_chord(input, *typist_);
        else apply_key(input, keyboard());
    }
    void apply(Result<Input> input) {
        ASSERT_TRUE(input) << input.error().text;
        apply(*input);
    }
    static std::string chord(std::string_view text) {
        const auto input = sendkey(text, 7);
        return input ? describe_user_input(*input) : input.error().text;
    }
    Typist* typist_;
};

TEST_F(UserInputTest, a_chord_goes_down_in_order_and_up_in_reverse_after_its_hold_time) {
    apply(sendkey("ctrl-alt-delete", 50));
    EXPECT_EQ(during_ms(45), (Bytes{0x14, 0x11, 0xe0, 0x71}));
    EXPECT_EQ(during_ms(10), (Bytes{0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14}));
    EXPECT_EQ(during_ms(100), Bytes{});
}

TEST_F(UserInputTest, chords_follow_one_another) {
    apply(sendkey("a", 20)), apply(sendkey("shift-b", 20)), apply(sendkey("ret", 20));
    EXPECT_EQ(during_ms(15), (Bytes{0x1c}));
    EXPECT_EQ(during_ms(20), (Bytes{0xf0, 0x1c, 0x12, 0x32}));
    EXPECT_EQ(during_ms(100), (Bytes{0xf0, 0x32, 0xf0, 0x12, 0x5a, 0xf0, 0x5a}));
    EXPECT_TRUE(typist_->idle());
}

TEST_F(UserInputTest, keys_go_down_and_up_one_by_one) {
    apply(key_event(Key::k_left, true));
    EXPECT_EQ(during_ms(10), (Bytes{0xe0, 0x6b}));
    apply(key_event(Key::k_left, false));
    EXPECT_EQ(during_ms(10), (Bytes{0xe0, 0xf0, 0x6b}));
}

TEST_F(UserInputTest, chords_are_read_as_sendkey_spells_them) {
    EXPECT_EQ(chord("ctrl-alt-f1"), "ctrl-alt-f1 for 7 ms");
    EXPECT_EQ(chord("0x1e-0xc8"), "a-up for 7 ms");
    EXPECT_EQ(chord("spc"), "spc for 7 ms");
    EXPECT_EQ(chord("shift-<"), "shift-less for 7 ms");
    EXPECT_EQ(chord("ctrl-foo"), "there is no key 'foo'");
    EXPECT_EQ(chord(""), "there is no key ''");
    EXPECT_EQ(chord("a-"), "there is no key ''");
    EXPECT_EQ(chord("0x1e1"), "there is no key '0x1e1'");
    EXPECT_EQ(chord("a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q"), "at most 16 keys at once");
}

TEST_F(UserInputTest, characters_are_typed_on_an_american_keyboard) {
    const auto typed = [](char32_t c) {
        const auto keys = keys_for(c);
        return keys ? describe_user_input(key_chord(*keys, 1)) : "none";
    };
    EXPECT_EQ(typed('q'), "q for 1 ms");
    EXPECT_EQ(typed('Q'), "shift-q for 1 ms");
    EXPECT_EQ(typed('7'), "7 for 1 ms");
    EXPECT_EQ(typed('|'), "shift-backslash for 1 ms");
    EXPECT_EQ(typed('"'), "shift-apostrophe for 1 ms");
    EXPECT_EQ(typed('\n'), "ret for 1 ms");
    EXPECT_EQ(typed(3), "ctrl-c for 1 ms");
    EXPECT_EQ(typed(0x1c), "ctrl-backslash for 1 ms");
    EXPECT_EQ(typed(U'é'), "none");
    for (char32_t c = 0x20; c < 0x7f; ++c) EXPECT_TRUE(keys_for(c)) << static_cast<char>(c);
}

TEST_F(UserInputTest, the_mouse_moves_and_keeps_the_buttons_that_do_not_change) {
    to_mouse({0xf4});
    apply(mouse_buttons(1));
    EXPECT_EQ(during_ms(20), (Bytes{0x09, 0, 0}));
    apply(mouse_move(10, -5, 0));
    EXPECT_EQ(during_ms(20), (Bytes{0x09, 10, 5}));                  // left is down still; up is positive
    apply(mouse_event(0, 0, 0, 2, 2));
    EXPECT_EQ(during_ms(20), (Bytes{0x0b, 0, 0}));
    apply(mouse_buttons(0));
    EXPECT_EQ(during_ms(20), (Bytes{0x08, 0, 0}));
}

TEST_F(UserInputTest, inputs_lie_in_recordings_as_documented) {
    EXPECT_EQ(key_event(Key::k_shift_r, true).data, std::string("\x01\x01", 2));
    EXPECT_EQ(key_chord(std::vector{Key::k_shift, Key::k_alt}, 0x201).data, std::string("\x01\x02\x00\x00\x00\x02", 6));
    EXPECT_EQ(mouse_event(1, -2, 3, 4, 5).data, std::string("\x01\0\0\0\xfe\xff\xff\xff\x03\0\0\0\x04\x05", 14));
}

TEST_F(UserInputTest, inputs_that_make_no_sense_do_nothing) {
    for (const std::string& data : {std::string(), std::string("\xff\x01"), std::string(1, '\0'), std::string("\1\0\0\0\xff"), std::string(60, '\0')}) {
        apply(Input{InputKind::Key, kKeyEvent, data});
        apply(Input{InputKind::Key, kKeyChord, data});
        apply(Input{InputKind::Pointer, 0, data});
    }
    EXPECT_EQ(during_ms(50), Bytes{});
}

TEST(Typist, state_is_complete) {
    GenericDevice d;
    d.make = [](Bench& b) {
        make_ps2(b);
        b.add<Typist>(b.timers, b.device<Ps2Keyboard>(0));
    };
    d.ports = {{0x60, 1}, {0x64, 1}};
    d.input = [](Bench& b, Random& random) {
        std::vector<Key> keys;
        for (u64 n = random() % 4; n-- > 0;) keys.push_back(static_cast<Key>(random() % kKeyCount));
        b.device<Typist>(3).type(keys, random() % 5'000'000);
    };
    expect_state_is_complete(d);
    expect_survives_traffic(d);
}

}  // namespace
}  // namespace vmm
