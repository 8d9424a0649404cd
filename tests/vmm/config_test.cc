// SPDX-License-Identifier: Apache-2.0
// The configuration as text, as a recording carries it.
#include "vmm/config.h"

#include <gtest/gtest.h>

namespace vmm {
namespace {

MachineConfig rich() {
    MachineConfig c;
    c.ram_bytes = u64{512} << 20;
    c.cpu = "pentium3";
    c.cpu_add = {"sse2", "nx"};
    c.cpu_remove = {"apic"};
    c.shift = 4;
    c.kernel = "/a path/with = signs,and \\ slashes";
    c.append = "two\nlines";
    c.boot_order = "cd";
    c.boot_menu = true;
    c.rtc_from = RtcFrom::Date;
    c.rtc_base = -5;
    c.vga = VgaCard::None;
    c.serial_present = {true, false, false, true};
    c.serial_exact = {true, false, false, false};
    c.debugcon_port = 0x402;
    c.debug_exit = true;
    c.debug_exit_port = 0xf4;
    c.debug_exit_size = 4;
    c.host.name = "box";
    c.host.accels = {Accel::Kvm, Accel::Tcg};
    c.sleep = false;
    CharConfig socket{.kind = CharKind::Tcp, .id = "s"};
    socket.host = "::1";
    socket.port = "4444";
    socket.server = true;
    socket.wait = false;
    CharConfig file{.kind = CharKind::File, .id = "f"};
    file.path = "a,b=c";
    file.append = true;
    c.host.chardevs = {socket, file, {.kind = CharKind::Stdio, .id = "t", .mux = true, .signal = false}};
    c.host.serial = {"s", "", "", "t"};
    c.host.monitors = {"t"};
    c.host.debugcon = "f";
    return c;
}

TEST(Config, text_gives_the_same_configuration_back) {
    for (const MachineConfig& c : {MachineConfig{}, rich()}) {
        const auto back = config_from_text(to_text(c));
        ASSERT_TRUE(back) << back.error().text;
        EXPECT_EQ(*back, c) << to_text(c);
    }
}

TEST(Config, every_line_is_a_key_and_a_value) {
    const std::string text = to_text(rich());
    EXPECT_NE(text.find("\nram-bytes=536870912\n"), std::string::npos) << text;
    EXPECT_NE(text.find("\nappend=two\\nlines\n"), std::string::npos) << text;
    EXPECT_NE(text.find("\ncpu-add=sse2\ncpu-add=nx\n"), std::string::npos) << text;
    EXPECT_NE(text.find("\nserial-present0=on\nserial-present1=off\nserial-present2=off\nserial-present3=on\n"), std::string::npos) << text;
}

TEST(Config, guest_text_is_the_same_whatever_the_host_does) {
    MachineConfig other = rich();
    other.host = {};
    other.sleep = true;
    other.no_reboot = true;
    EXPECT_EQ(guest_text(other), guest_text(rich()));
    EXPECT_EQ(guest_text(rich()).find("host."), std::string::npos);
    other.shift = 5;
    EXPECT_NE(guest_text(other), guest_text(rich()));
}

TEST(Config, the_calendar_comes_from_the_host_once) {
    MachineConfig c;
    resolve_rtc(c, 1000000, 7200);
    EXPECT_EQ(c.rtc_base, 1000000);
    resolve_rtc(c, 2000000, 7200);
    EXPECT_EQ(c.rtc_base, 1000000);
    c.rtc_from = RtcFrom::Localtime;
    resolve_rtc(c, 1000000, 7200);
    EXPECT_EQ(c.rtc_base, 1007200);
}

TEST(Config, a_guest_text_alone_is_a_configuration) {
    const auto c = config_from_text(guest_text(rich()));
    ASSERT_TRUE(c) << c.error().text;
    EXPECT_EQ(guest_text(*c), guest_text(rich()));
}

struct Bad {
    const char* text;
    const char* says;
};
class BadText : public testing::TestWithParam<Bad> {};
TEST_P(BadText, is_refused_by_name) {
    const auto r = config_from_text(GetParam().text);
    ASSERT_FALSE(r);
    EXPECT_NE(r.error().text.find(GetParam().says), std::string::npos) << r.error().text;
}
INSTANTIATE_TEST_SUITE_P(texts, BadText,
                         testing::Values(Bad{"flux-capacitor=on\n", "unknown key 'flux-capacitor'"}, Bad{"ram-bytes\n", "no '=' in 'ram-bytes'"},
                                         Bad{"ram-bytes=lots\n", "'lots' is no value of 'ram-bytes'"}, Bad{"ram-bytes=-1\n", "'-1' is no value"},
                                         Bad{"ram-bytes=5000\n", "5000 bytes are not 1 to 3584 whole megabytes"}, Bad{"shift=3\nshift=4\n", "'shift' is given twice"},
                                         Bad{"vga=qxl\n", "'qxl' is no value of 'vga'"}, Bad{"append=a\\\n", "is no value of 'append'"},
                                         Bad{"debug-exit=5\n", "is no value of 'debug-exit'"}, Bad{"serial-exact4=on\n", "unknown key 'serial-exact4'"},
                                         Bad{"host.chardev=junk\n", "is no value of 'host.chardev'"},
                                         Bad{"host.monitor=m\n", "there is no -chardev with id='m'"}));

TEST(Config, text_cut_at_any_place_is_read_or_refused) {
    const std::string text = to_text(rich());
    for (std::size_t n = 0; n < text.size(); ++n) {
        const auto r = config_from_text(text.substr(0, n));
        EXPECT_TRUE(r || r.error().text.starts_with("configuration: ")) << n;
    }
}

}  // namespace
}  // namespace vmm
