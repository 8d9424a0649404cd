// SPDX-License-Identifier: Apache-2.0
// Behaviour of the keyboard and the key table; expectations from IBM's PS/2 technical reference and QEMU's key names.
#include "devices/ps2_keyboard.h"

#include <set>

#include "tests/devices/ps2_fixture.h"

namespace vmm {
namespace {

class Keyboard : public Ps2Test {};

TEST(Keys, AreFoundByTheNamesThatSendkeyUses) {
    EXPECT_EQ(key_by_name("a"), Key::k_a);
    EXPECT_EQ(key_by_name("ret"), Key::k_ret);
    EXPECT_EQ(key_by_name("spc"), Key::k_spc);
    EXPECT_EQ(key_by_name("shift_r"), Key::k_shift_r);
    EXPECT_EQ(key_by_name("kp_enter"), Key::k_kp_enter);
    EXPECT_EQ(key_by_name("f12"), Key::k_f12);
    EXPECT_EQ(key_by_name("0"), Key::k_0);
    EXPECT_FALSE(key_by_name("enter"));
    EXPECT_FALSE(key_by_name(""));
}

TEST(Keys, AreFoundBySet1Number) {
    EXPECT_EQ(key_by_number(0x01), Key::k_esc);
    EXPECT_EQ(key_by_number(0x1c), Key::k_ret);
    EXPECT_EQ(key_by_number(0x9c), Key::k_kp_enter);
    EXPECT_EQ(key_by_number(0x53), Key::k_kp_decimal);
    EXPECT_EQ(key_by_number(0xd3), Key::k_delete);
    EXPECT_FALSE(key_by_number(0xff));
}

// The main block of a 101-key keyboard in set 1 is numbered row by row, which checks table and translation at once.
TEST(Keys, TranslateToTheRowsOfSet1) {
    const char* const rows[] = {"esc", "1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "minus", "equal", "backspace", "tab",
        "q", "w", "e", "r", "t", "y", "u", "i", "o", "p", "bracket_left", "bracket_right", "ret", "ctrl",
        "a", "s", "d", "f", "g", "h", "j", "k", "l", "semicolon", "apostrophe", "grave_accent", "shift", "backslash",
        "z", "x", "c", "v", "b", "n", "m", "comma", "dot", "slash", "shift_r", "kp_multiply", "alt", "spc", "caps_lock",
        "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "num_lock", "scroll_lock",
        "kp_7", "kp_8", "kp_9", "kp_subtract", "kp_4", "kp_5", "kp_6", "kp_add", "kp_1", "kp_2", "kp_3", "kp_0", "kp_decimal"};
    u8 number = 1;
    for (const char* name : rows) {
        const auto key = key_by_name(name);
        ASSERT_TRUE(key) << name;
        EXPECT_EQ(translate_set2(static_cast<u8>(codes_of(*key).set2)), number) << name;
        ++number;
    }
    EXPECT_EQ(number, 0x54);
}

TEST(Keys, TranslationIsOneToOne) {
    std::set<u8> seen;
    for (unsigned code = 1; code < 0x80; ++code) seen.insert(translate_set2(static_cast<u8>(code)));
    EXPECT_EQ(seen.size(), 0x7fu);
}

TEST(Keys, Set3CodesAreDistinct) {
    std::set<u8> seen;
    unsigned twice = 0;
    for (u8 i = 0; i < kKeyCount; ++i) {
        const u8 code = codes_of(static_cast<Key>(i)).set3;
        if (code != 0 && !seen.insert(code).second) ++twice;
    }
    EXPECT_EQ(twice, 4u);       // asterisk, print, compose and katakanahiragana are second names of keys
}

TEST_F(Keyboard, SendsMakeAndBreakOfSet2) {
    EXPECT_EQ(press(Key::k_ret), Bytes{0x5a});
    EXPECT_EQ(release(Key::k_ret), (Bytes{0xf0, 0x5a}));
    EXPECT_EQ(press(Key::k_kp_enter), (Bytes{0xe0, 0x5a}));
    EXPECT_EQ(release(Key::k_kp_enter), (Bytes{0xe0, 0xf0, 0x5a}));
}

TEST_F(Keyboard, SendsSet1WhenAskedTo) {
    EXPECT_EQ(to_keyboard({0xf0, 0x01}), (Bytes{0xfa, 0xfa}));
    EXPECT_EQ(press(Key::k_ret), Bytes{0x1c});
    EXPECT_EQ(release(Key::k_ret), Bytes{0x9c});
    EXPECT_EQ(release(Key::k_up), (Bytes{0xe0, 0xc8}));
    EXPECT_EQ(press(Key::k_pause), (Bytes{0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5}));
}

TEST_F(Keyboard, SendsSet3WithBreakCodesOnlyForShiftsAtFirst) {
    to_keyboard({0xf0, 0x03});
    EXPECT_EQ(press(Key::k_f1), Bytes{0x07});
    EXPECT_EQ(release(Key::k_f1), Bytes{});
    EXPECT_EQ(press(Key::k_shift), Bytes{0x12});
    EXPECT_EQ(release(Key::k_shift), (Bytes{0xf0, 0x12}));
}

TEST_F(Keyboard, Set3KeysCanBeToldToSendBreakCodes) {
    to_keyboard({0xf0, 0x03, 0xfc, 0x07, 0x0f, 0xf4});
    EXPECT_EQ(release(Key::k_f1), (Bytes{0xf0, 0x07}));
    EXPECT_EQ(release(Key::k_f2), (Bytes{0xf0, 0x0f}));
    EXPECT_EQ(release(Key::k_f3), Bytes{});
    to_keyboard({0xf8});
    EXPECT_EQ(release(Key::k_f3), (Bytes{0xf0, 0x17}));
}

TEST_F(Keyboard, TellsItsScanCodeSet) {
    EXPECT_EQ(to_keyboard({0xf0, 0x00}), (Bytes{0xfa, 0xfa, 0x02}));
    to_keyboard({0xf0, 0x03});
    EXPECT_EQ(to_keyboard({0xf0, 0x00}), (Bytes{0xfa, 0xfa, 0x03}));
}

TEST_F(Keyboard, PauseSendsItsReleaseAtOnce) {
    EXPECT_EQ(press(Key::k_pause), (Bytes{0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77}));
    EXPECT_EQ(release(Key::k_pause), Bytes{});
}

TEST_F(Keyboard, CtrlPauseIsBreak) {
    press(Key::k_ctrl);
    EXPECT_EQ(press(Key::k_pause), (Bytes{0xe0, 0x7e, 0xe0, 0xf0, 0x7e}));
}

TEST_F(Keyboard, PrintScreenDependsOnTheShiftKeys) {
    EXPECT_EQ(press(Key::k_print), (Bytes{0xe0, 0x12, 0xe0, 0x7c}));
    EXPECT_EQ(release(Key::k_print), (Bytes{0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12}));
    press(Key::k_shift);
    EXPECT_EQ(press(Key::k_print), (Bytes{0xe0, 0x7c}));
    press(Key::k_alt);
    EXPECT_EQ(press(Key::k_print), Bytes{0x84});
}

TEST_F(Keyboard, IdentifiesItself) { EXPECT_EQ(to_keyboard({0xf2}), (Bytes{0xfa, 0xab, 0x83})); }

TEST_F(Keyboard, EchoesAndRefusesWhatItDoesNotKnow) {
    EXPECT_EQ(to_keyboard({0xee}), Bytes{0xee});
    EXPECT_EQ(to_keyboard({0xef}), Bytes{0xfe});
}

TEST_F(Keyboard, ResetPassesTheSelfTestAndRestoresDefaults) {
    to_keyboard({0xed, 0x07, 0xf0, 0x01});
    EXPECT_EQ(to_keyboard({0xff}), (Bytes{0xfa, 0xaa}));
    EXPECT_EQ(keyboard().leds(), 0);
    EXPECT_EQ(press(Key::k_ret), Bytes{0x5a});
}

TEST_F(Keyboard, LedsFollowTheCommand) {
    EXPECT_EQ(to_keyboard({0xed, 0x05}), (Bytes{0xfa, 0xfa}));
    EXPECT_EQ(keyboard().leds(), 5);
}

TEST_F(Keyboard, CommandInPlaceOfAParameterIsObeyed) {
    EXPECT_EQ(to_keyboard({0xed, 0xee}), (Bytes{0xfa, 0xee}));
    EXPECT_EQ(keyboard().leds(), 0);
}

TEST_F(Keyboard, ResendRepeatsTheLastByte) {
    press(Key::k_b);
    EXPECT_EQ(to_keyboard({0xfe}), Bytes{0x32});
}

TEST_F(Keyboard, DisabledKeyboardSendsNothingUntilEnabled) {
    EXPECT_EQ(to_keyboard({0xf5}), Bytes{0xfa});
    EXPECT_EQ(press(Key::k_b), Bytes{});
    EXPECT_EQ(to_keyboard({0xf4}), Bytes{0xfa});
    EXPECT_EQ(press(Key::k_b), Bytes{0x32});
}

TEST_F(Keyboard, BufferHoldsSixteenBytesAndThenTheOverrunCode) {
    command(0xad);
    for (int i = 0; i < 20; ++i) keyboard().key(Key::k_a, true);
    command(0xae);
    Bytes expected(16, 0x1c);
    expected.push_back(0x00);
    EXPECT_EQ(drain(), expected);
}

TEST_F(Keyboard, KeyThatDoesNotFitAsAWholeIsLost) {
    command(0xad);
    for (int i = 0; i < 15; ++i) keyboard().key(Key::k_a, true);
    keyboard().key(Key::k_up, true);
    command(0xae);
    Bytes expected(15, 0x1c);
    expected.push_back(0x00);
    EXPECT_EQ(drain(), expected);
}

// The reference: 10.9 a second after 500 ms unless told otherwise; F3h sets delay (bits 6-5, 250 ms each) and rate (00h: 30 a second).
TEST_F(Keyboard, KeyThatStaysDownRepeats) {
    keyboard().key(Key::k_a, true);
    EXPECT_EQ(during_ms(495), Bytes{0x1c});
    EXPECT_EQ(during_ms(10), Bytes{0x1c});
    EXPECT_EQ(during_ms(1000).size(), 10u);
    keyboard().key(Key::k_a, false);
    EXPECT_EQ(during_ms(2000), (Bytes{0xf0, 0x1c}));
    to_keyboard({0xf3, 0x00});
    keyboard().key(Key::k_a, true);
    EXPECT_EQ(during_ms(245), Bytes{0x1c});
    EXPECT_EQ(during_ms(20), Bytes{0x1c});
    EXPECT_EQ(during_ms(1000).size(), 30u);
}

TEST_F(Keyboard, TheLastKeyRepeatsUntilItIsReleased) {
    keyboard().key(Key::k_a, true);
    keyboard().key(Key::k_b, true);
    EXPECT_EQ(during_ms(510), (Bytes{0x1c, 0x32, 0x32}));
    keyboard().key(Key::k_a, false);
    EXPECT_EQ(during_ms(80), (Bytes{0xf0, 0x1c}));
    EXPECT_EQ(during_ms(20), Bytes{0x32});
    keyboard().key(Key::k_b, true);                    // a display that repeats by itself
    EXPECT_EQ(during_ms(490), Bytes{0x32});
    keyboard().key(Key::k_b, false);
    EXPECT_EQ(during_ms(2000), (Bytes{0xf0, 0x32}));
    keyboard().key(Key::k_pause, true);                // says once that it came and went
    EXPECT_EQ(during_ms(2000).size(), 8u);
    keyboard().key(Key::k_c, true);
    to_keyboard({0xf5});                               // disabled
    EXPECT_EQ(during_ms(2000), Bytes{});
}

TEST_F(Keyboard, ReplyGoesBeforeBufferedKeys) {
    command(0xad);
    keyboard().key(Key::k_a, true);
    EXPECT_EQ(to_keyboard({0xee}), (Bytes{0xee, 0x1c}));
}

}  // namespace
}  // namespace vmm
