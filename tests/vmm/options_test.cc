// SPDX-License-Identifier: Apache-2.0
// The command line: what QEMU's users type must mean the same here, and every mistake is one clear line.
#include "vmm/options.h"

#include <gtest/gtest.h>

#include <random>

#include "vmm/option_table.h"

namespace vmm {
namespace {

std::vector<std::string> words(const std::string& line) {
    std::vector<std::string> out;
    std::string now;
    for (const char c : line + " ") {
        if (c != ' ') now.push_back(c);
        else if (!now.empty()) out.push_back(std::exchange(now, {}));
    }
    return out;
}

Result<CommandLine> parse(const std::string& line) { return parse_command_line(words(line)); }

MachineConfig config(const std::string& line) {
    const auto r = parse(line);
    EXPECT_TRUE(r) << line << ": " << (r ? "" : r.error().text);
    return r ? r->config : MachineConfig{};
}

std::string failure(const std::string& line) {
    const auto r = parse(line);
    return r ? "(accepted)" : r.error().text;
}

// --- what is right

TEST(Options, nothing_given_is_a_pc_with_qemus_defaults) {
    const auto c = config("");
    EXPECT_EQ(c.machine, "pc");
    EXPECT_EQ(c.ram_bytes, u64{128} << 20);
    EXPECT_EQ(c.cpu, "pentium4");
    EXPECT_EQ(c.shift, 0u);
    EXPECT_EQ(c.vga, VgaCard::Std);
    EXPECT_TRUE(c.serial_present[0]);
    EXPECT_FALSE(c.serial_present[1]);
    EXPECT_EQ(c.host.accels, std::vector{Accel::Tcg});
    EXPECT_TRUE(c.host.chardevs.empty());
}

TEST(Options, rr_is_spelled_in_two_ways) {
    const auto own = parse("--rr record --rrfile a.rr"), qemus = parse("-icount shift=4,rr=replay,rrfile=b.rr");
    ASSERT_TRUE(own && qemus);
    EXPECT_EQ(own->rr, Rr::Record);
    EXPECT_EQ(own->rrfile, "a.rr");
    EXPECT_EQ(qemus->rr, Rr::Replay);
    EXPECT_EQ(qemus->rrfile, "b.rr");
    EXPECT_EQ(qemus->config.shift, 4u);
}

class Memory : public testing::TestWithParam<std::pair<const char*, u32>> {};
TEST_P(Memory, is_in_megabytes_unless_it_says_otherwise) {
    EXPECT_EQ(config(std::string("-m ") + GetParam().first).ram_bytes, u64{GetParam().second} << 20);
}
INSTANTIATE_TEST_SUITE_P(sizes, Memory,
                         testing::Values(std::pair{"256", 256u}, std::pair{"256M", 256u}, std::pair{"256m", 256u}, std::pair{"1G", 1024u},
                                         std::pair{"1.5G", 1536u}, std::pair{"size=512", 512u}, std::pair{"size=2g", 2048u},
                                         std::pair{"65536K", 64u}, std::pair{"1048576b", 1u}, std::pair{"1", 1u}, std::pair{"3584", 3584u}));

TEST(Options, one_dash_two_dashes_and_an_equals_sign_mean_the_same) {
    for (const char* line : {"-m 64", "--m 64", "--m=64", "-m=64"}) EXPECT_EQ(config(line).ram_bytes, u64{64} << 20) << line;
}

TEST(Options, the_last_of_several_counts) { EXPECT_EQ(config("-m 64 -m 32").ram_bytes, u64{32} << 20); }

TEST(Options, a_linux_kernel_on_the_terminal) {
    const auto r = parse_command_line(std::vector<std::string>{"-kernel", "bzImage", "-initrd", "i.gz", "-append", "console=ttyS0 quiet", "-nographic"});
    ASSERT_TRUE(r);
    EXPECT_EQ(r->config.kernel, "bzImage");
    EXPECT_EQ(r->config.initrd, "i.gz");
    EXPECT_EQ(r->config.append, "console=ttyS0 quiet");
    ASSERT_EQ(r->config.host.chardevs.size(), 1u);
    const CharConfig& terminal = r->config.host.chardevs[0];
    EXPECT_EQ(terminal.kind, CharKind::Stdio);
    EXPECT_TRUE(terminal.mux);
    EXPECT_FALSE(terminal.signal);
    EXPECT_EQ(r->config.host.serial[0], terminal.id);
    EXPECT_EQ(r->config.host.monitors, std::vector{terminal.id});
}

TEST(Options, nographic_gives_the_terminal_to_whoever_did_not_ask_for_something_else) {
    const auto monitor_elsewhere = config("-nographic -monitor none");
    EXPECT_EQ(monitor_elsewhere.host.serial[0], "serial0");
    EXPECT_TRUE(monitor_elsewhere.host.monitors.empty());
    EXPECT_FALSE(monitor_elsewhere.host.chardevs[0].mux);
    EXPECT_FALSE(monitor_elsewhere.host.chardevs[0].signal);

    const auto serial_elsewhere = config("-nographic -serial file:log");
    ASSERT_EQ(serial_elsewhere.host.chardevs.size(), 2u);
    EXPECT_EQ(serial_elsewhere.host.chardevs[1].kind, CharKind::Stdio);
    EXPECT_EQ(serial_elsewhere.host.monitors, std::vector<std::string>{"monitor0"});

    const auto both = config("-nographic -serial mon:stdio");
    ASSERT_EQ(both.host.chardevs.size(), 1u);
    EXPECT_TRUE(both.host.chardevs[0].mux);
    EXPECT_EQ(both.host.monitors.size(), 1u);
}

TEST(Options, plain_stdio_leaves_the_interrupt_key_to_the_program) {
    const auto c = config("-serial stdio -display none");
    EXPECT_TRUE(c.host.chardevs[0].signal);
    EXPECT_FALSE(c.host.chardevs[0].mux);
}

TEST(Options, each_serial_option_is_the_next_port) {
    const auto c = config("-serial null -serial none -serial file:a,b -serial chardev:x -chardev socket,id=x,path=s,server=on,wait=off");
    EXPECT_TRUE(c.serial_present[0]);
    EXPECT_FALSE(c.serial_present[1]);
    EXPECT_TRUE(c.serial_present[2]);
    EXPECT_TRUE(c.serial_present[3]);
    ASSERT_EQ(c.host.chardevs.size(), 3u);
    EXPECT_EQ(c.host.chardevs[1].path, "a,b");
    EXPECT_EQ(c.host.serial[2], c.host.chardevs[1].id);
    EXPECT_EQ(c.host.serial[3], "x");
    EXPECT_TRUE(c.host.chardevs[2].server);
    EXPECT_FALSE(c.host.chardevs[2].wait);
}

TEST(Options, nodefaults_has_only_what_was_asked_for) {
    const auto c = config("-nodefaults -serial null");
    EXPECT_EQ(c.vga, VgaCard::None);
    EXPECT_TRUE(c.host.monitors.empty());
    EXPECT_TRUE(c.serial_present[0]);
    EXPECT_FALSE(config("-nodefaults -nographic").serial_present[0]);
    EXPECT_EQ(config("-nodefaults -vga std").vga, VgaCard::Std);
}

TEST(Options, sockets_in_the_short_spelling) {
    const auto c = config("-serial tcp:localhost:4444,server,nowait -serial unix:/tmp/s -serial tcp::0,server=on,wait=off -serial tcp:[::1]:23");
    const auto& d = c.host.chardevs;
    EXPECT_EQ(d[0].kind, CharKind::Tcp);
    EXPECT_EQ(d[0].host, "localhost");
    EXPECT_EQ(d[0].port, "4444");
    EXPECT_TRUE(d[0].server);
    EXPECT_FALSE(d[0].wait);
    EXPECT_EQ(d[1].kind, CharKind::Unix);
    EXPECT_EQ(d[1].path, "/tmp/s");
    EXPECT_FALSE(d[1].server);
    EXPECT_EQ(d[2].host, "");
    EXPECT_EQ(d[3].host, "::1");
}

TEST(Options, a_chardev_may_be_shared_with_mux_only) {
    const auto c = config("-chardev stdio,id=t,mux=on,signal=off -serial chardev:t -mon chardev=t,mode=readline -debugcon chardev:t");
    EXPECT_EQ(c.host.serial[0], "t");
    EXPECT_EQ(c.host.monitors, std::vector<std::string>{"t"});
    EXPECT_EQ(c.host.debugcon, "t");
    EXPECT_FALSE(c.host.chardevs[0].signal);
    EXPECT_EQ(failure("-chardev pty,id=p -serial chardev:p -mon p"), "-monitor: the chardev 'p' is in use already; mux=on lets several share it");
}

TEST(Options, processors_and_features) {
    const auto c = config("-cpu pentium3,+sse2,-pae,apic=off,pge=on");
    EXPECT_EQ(c.cpu, "pentium3");
    EXPECT_EQ(c.cpu_add, (std::vector<std::string>{"sse2", "pge"}));
    EXPECT_EQ(c.cpu_remove, (std::vector<std::string>{"pae", "apic"}));
    EXPECT_EQ(config("-cpu 486,-fpu,+fpu").cpu_remove.size(), 0u);
    EXPECT_EQ(config("-cpu pentium4,+pni").cpu_add, std::vector<std::string>{"sse3"});
    for (const char* m : {"486", "pentium", "pentium3", "pentium4"}) EXPECT_EQ(config(std::string("-cpu ") + m).cpu, m);
}

TEST(Options, accelerators_in_order) {
    EXPECT_EQ(config("-accel kvm -accel tcg").host.accels, (std::vector{Accel::Kvm, Accel::Tcg}));
    EXPECT_EQ(config("-machine pc,accel=kvm:tcg").host.accels, (std::vector{Accel::Kvm, Accel::Tcg}));
    EXPECT_EQ(config("-enable-kvm").host.accels, std::vector{Accel::Kvm});
    EXPECT_EQ(config("-accel tcg,thread=single").host.accels, std::vector{Accel::Tcg});
}

TEST(Options, icount) {
    EXPECT_EQ(config("-icount shift=7,sleep=off,align=off").shift, 7u);
    EXPECT_FALSE(config("-icount shift=7,sleep=off").sleep);
    EXPECT_EQ(config("-icount 3").shift, 3u);
    EXPECT_TRUE(config("-icount 3").sleep);
}

TEST(Options, rtc) {
    EXPECT_EQ(config("-rtc base=localtime,clock=vm").rtc_from, RtcFrom::Localtime);
    const auto c = config("-rtc base=2026-11-21T18:30:00");
    EXPECT_EQ(c.rtc_from, RtcFrom::Date);
    EXPECT_EQ(c.rtc_base, 1795285800);
    EXPECT_EQ(config("-rtc base=2000-02-29").rtc_base, 951782400);
    EXPECT_EQ(config("-rtc base=1999-12-31T23:59:59").rtc_base, 946684799);
    EXPECT_EQ(config("-rtc base=2106-03-01").rtc_base, 4296844800);
}

TEST(Options, boot) {
    EXPECT_EQ(config("-boot d").boot_order, "d");
    const auto c = config("-boot order=cd,once=n,menu=on,strict=on");
    EXPECT_EQ(c.boot_order, "cd");
    EXPECT_EQ(c.boot_once, "n");
    EXPECT_TRUE(c.boot_menu);
    EXPECT_TRUE(c.boot_strict);
}

TEST(Options, devices) {
    const auto c = config("-device isa-debug-exit,iobase=0xf4,iosize=0x04 -chardev file,id=log,path=bios.log "
                          "-device isa-debugcon,iobase=0x402,chardev=log -device isa-serial,index=2,baud=exact");
    EXPECT_TRUE(c.debug_exit);
    EXPECT_EQ(c.debug_exit_port, 0xf4);
    EXPECT_EQ(c.debug_exit_size, 4);
    EXPECT_EQ(c.debugcon_port, 0x402);
    EXPECT_EQ(c.host.debugcon, "log");
    EXPECT_TRUE(c.serial_present[2]);
    EXPECT_TRUE(c.serial_exact[2]);
    EXPECT_FALSE(c.serial_present[0]);
    EXPECT_EQ(config("-device isa-debug-exit").debug_exit_port, 0x501);
    EXPECT_EQ(config("-device isa-debug-exit").debug_exit_size, 2);
    EXPECT_FALSE(config("").debug_exit);
    EXPECT_EQ(config("-debugcon stdio").debugcon_port, 0xe9);
    EXPECT_FALSE(config("").debugcon_port.has_value());
}

TEST(Options, switches) {
    const auto c = config("-no-reboot -no-shutdown -name box,process=x -net none -nic none -display none -vga none -smp 1 -smp cpus=1,cores=1 -M pc");
    EXPECT_TRUE(c.no_reboot);
    EXPECT_TRUE(c.no_shutdown);
    EXPECT_EQ(c.host.name, "box");
    EXPECT_EQ(c.vga, VgaCard::None);
}

TEST(Options, where_a_debugger_connects) {
    const auto s = parse("-s -S");
    ASSERT_TRUE(s && s->gdb);
    EXPECT_TRUE(s->start_paused);
    EXPECT_EQ(s->gdb->host + ":" + s->gdb->port, ":1234");
    const auto tcp = parse("-gdb tcp:0.0.0.0:99");
    ASSERT_TRUE(tcp && tcp->gdb);
    EXPECT_EQ(tcp->gdb->host + ":" + tcp->gdb->port, "0.0.0.0:99");
    const auto unix_socket = parse("-gdb unix:/tmp/g,server=on,wait=off");
    ASSERT_TRUE(unix_socket && unix_socket->gdb);
    EXPECT_EQ(unix_socket->gdb->path, "/tmp/g");
    EXPECT_FALSE(parse("-s -gdb none")->gdb);
    EXPECT_FALSE(parse("-m 64")->gdb);
}

// --- help

TEST(Options, help_teaches_by_examples_that_work_and_names_every_option) {
    const auto r = parse("--help");
    ASSERT_TRUE(r);
    EXPECT_EQ(r->action, CommandLine::Action::Print);
    for (const Option& o : option_table())
        if (!o.group.empty()) {
            EXPECT_NE(r->text.find("\n  -" + std::string(o.name)), std::string::npos) << o.name;
            EXPECT_FALSE(o.help.empty()) << o.name;
        }
    int examples = 0;
    for (std::size_t at = 0; (at = r->text.find("\n  vmm ", at)) != std::string::npos; ++examples) {
        at += 7;
        const std::string example = r->text.substr(at, r->text.find('\n', at) - at);
        EXPECT_TRUE(parse(example)) << example << ": " << failure(example);
    }
    EXPECT_GE(examples, 4);
}

TEST(Options, lists_and_version_print_and_leave) {
    for (const char* line : {"-cpu help", "-M help", "-machine ?", "-device help", "-chardev help", "-version", "-h", "-m 64 --help"}) {
        const auto r = parse(line);
        ASSERT_TRUE(r) << line;
        EXPECT_EQ(r->action, CommandLine::Action::Print) << line;
        EXPECT_TRUE(r->text.ends_with('\n')) << line;
    }
    EXPECT_NE(parse("-cpu help")->text.find("pentium3"), std::string::npos);
    EXPECT_EQ(parse("-accel help")->action, CommandLine::Action::AccelHelp);
}

// --- what is wrong

struct Wrong {
    const char* line;
    const char* says;   // a part of the message
};
class Mistake : public testing::TestWithParam<Wrong> {};
TEST_P(Mistake, is_refused_in_one_line_that_names_it) {
    const std::string text = failure(GetParam().line);
    EXPECT_NE(text.find(GetParam().says), std::string::npos) << GetParam().line << "\n  gives: " << text << "\n  not:   " << GetParam().says;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    EXPECT_FALSE(text.ends_with('.')) << text;
}
INSTANTIATE_TEST_SUITE_P(
    mistakes, Mistake,
    testing::Values(
        Wrong{"-seral stdio", "unknown option '-seral'; did you mean -serial?"},
        Wrong{"--kernal x", "unknown option '--kernal'; did you mean -kernel?"},
        Wrong{"-nograhpic", "did you mean -nographic?"},
        Wrong{"-no-reboots", "did you mean -no-reboot?"},
        Wrong{"-virtfs x", "unknown option '-virtfs'; --help lists the options"},
        Wrong{"-", "unexpected argument '-'"},
        Wrong{"--", "unexpected argument '--'"},
        Wrong{"-m", "-m needs a value: -m [size=]MEGABYTES"},
        Wrong{"-nographic=on", "-nographic takes no value"},
        Wrong{"--rr record", "-rrfile FILE"}, Wrong{"--rr again --rrfile f", "record, replay, live or ring=MINUTES, not 'again'"},
        Wrong{"--rrfile f", "goes with -rr"},
        Wrong{"-gdb stdio", "-gdb: 'stdio' is none of tcp:[HOST]:PORT, unix:PATH, none"}, Wrong{"-gdb tcp:1234", "-gdb: tcp needs HOST:PORT"},
        Wrong{"-gdb tcp::99999", "-gdb: port 99999 is above 65535"}, Wrong{"-s=1", "-s takes no value"},
        Wrong{"-icount shift=1,rr=record", "-rrfile FILE"}, Wrong{"-icount 1,rrsnapshot=a", "not available yet: -icount rrsnapshot="},
        Wrong{"-device rtl8139", "not available yet: -device rtl8139"},
        Wrong{"-display gtk", "not available yet: -display gtk"},
        Wrong{"-display cursed", "-display: 'cursed' is neither none nor curses; did you mean curses?"},
        Wrong{"-display curses -nographic -serial null -monitor null", "-display curses and -nographic exclude each other"},
        Wrong{"-display curses -serial stdio", "-display curses needs the terminal, which 'serial0' has"},
        Wrong{"-display curses -vga none", "-display curses: there is no graphics card"},
        Wrong{"-nic user", "not available yet: -nic user"},
        Wrong{"-rtc clock=host", "not available yet: -rtc clock=host"},
        Wrong{"-m 0", "-m: '0' is outside 1..3584 MB"},
        Wrong{"-m 4G", "-m: '4G' is outside 1..3584 MB"},
        Wrong{"-m 3585", "outside 1..3584"},
        Wrong{"-m -5", "-m: '-5'"},
        Wrong{"-m 256MB", "-m: '256MB' is not a size"},
        Wrong{"-m much", "-m: 'much' is not a size"},
        Wrong{"-m nan", "-m: 'nan' is not a size"},
        Wrong{"-m 1.3M", "not a whole number of megabytes"},
        Wrong{"-m 64,slots=2", "-m: 'slots'"},
        Wrong{"-cpu pentium5", "-cpu: unknown model 'pentium5'"},
        Wrong{"-cpu pentim3", "did you mean pentium3?"},
        Wrong{"-cpu pentium4,+ssse9", "-cpu: unknown feature 'ssse9'"},
        Wrong{"-cpu pentium4,nx", "-cpu: a feature is switched with +NAME"},
        Wrong{"-smp 2", "-smp: the machine has one processor, not 2"},
        Wrong{"-smp two", "-smp: 'two' is not a number"},
        Wrong{"-machine q35", "-machine: 'q35' is not offered"},
        Wrong{"-M pc,usb=on", "-M: this machine has no usb"},
        Wrong{"-accel hax", "-accel: unknown accelerator 'hax'"},
        Wrong{"-icount shift=11", "outside 0..10"},
        Wrong{"-icount shift=auto", "-icount: shift=auto follows the host's clock"},
        Wrong{"-icount shif=1", "-icount: unknown setting 'shif' (shift, sleep, align, rr, rrfile); did you mean shift?"},
        Wrong{"-rtc base=2026-02-29", "-rtc: base= is utc, localtime or a date"},
        Wrong{"-rtc base=yesterday", "not 'yesterday'"},
        Wrong{"-boot x", "-boot: 'x' has letters other than"},
        Wrong{"-initrd i", "-initrd goes with -kernel only"},
        Wrong{"-append a", "-append goes with -kernel only"},
        Wrong{"-vga cirrus", "-vga: 'cirrus' is not offered"},
        Wrong{"-serial stdoi", "-serial: 'stdoi' is none of none, null, stdio"},
        Wrong{"-serial file:", "-serial: a path is missing"},
        Wrong{"-serial tcp:host", "-serial: tcp needs HOST:PORT, not 'host'"},
        Wrong{"-serial tcp:h:99999", "-serial: port 99999 is above 65535"},
        Wrong{"-serial tcp::5", "-serial: a host to connect to is missing"},
        Wrong{"-serial unix:s,sever", "-serial: unknown socket option 'sever'"},
        Wrong{"-serial unix:s,server=maybe", "-serial: 'server' is on or off, not 'maybe'"},
        Wrong{"-serial vc", "-serial: not available yet: 'vc'"},
        Wrong{"-serial chardev:x", "-serial: there is no -chardev with id='x'"},
        Wrong{"-serial null -serial null -serial null -serial null -serial null", "-serial: the machine has four serial ports"},
        Wrong{"-serial stdio -monitor stdio", "stdio can be used once only: 'serial0' and 'monitor0'"},
        Wrong{"-chardev stdio", "-chardev: id= is missing"},
        Wrong{"-chardev id=x", "-chardev: begins with a back end"},
        Wrong{"-chardev sdtio,id=x", "-chardev: unknown back end 'sdtio'"},
        Wrong{"-chardev socket,id=x", "-chardev: a port is missing"},
        Wrong{"-chardev socket,id=x,path=p,port=1", "-chardev: a socket has either path= or"},
        Wrong{"-chardev null,id=x -chardev null,id=x", "-chardev: the id 'x' is given twice"},
        Wrong{"-chardev pty,id=a,path=b", "-chardev: 'pty' has no option 'path'"},
        Wrong{"-mon chardev=q", "-monitor: there is no -chardev with id='q'"},
        Wrong{"-mon mode=readline", "-mon: chardev= is missing"},
        Wrong{"-debugcon stdio -debugcon null", "-debugcon: there is one debug console only"},
        Wrong{"-device isa-debug-exti", "-device: unknown device 'isa-debug-exti'; did you mean isa-debug-exit?"},
        Wrong{"-device isa-debug-exit,iobase=0x10000", "-device isa-debug-exit: iobase=0x10000 is outside 0..65535"},
        Wrong{"-device isa-debug-exit,iosize=3", "iosize is 1, 2 or 4"},
        Wrong{"-device isa-debug-exit,iobase", "-device isa-debug-exit: the setting 'iobase' needs a value"},
        Wrong{"-device isa-debug-exit,iobase=0xffff", "the ports end beyond 0xffff"},
        Wrong{"-device isa-serial,chardev=no", "there is no -chardev with id='no'"}));

TEST(Options, control_characters_in_an_argument_do_not_break_the_line) {
    const auto r = parse_command_line(std::vector<std::string>{"-ser\nial", "x"});
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().text.find('\n'), std::string::npos);
}

// Any words at all: either a configuration that survives its text form, or one line.
TEST(Options, any_arguments_give_a_sound_configuration_or_one_line) {
    std::mt19937 random(7);
    const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
    const std::vector<std::string> values = {
        "none", "stdio", "mon:stdio", "pty", "file:x", "unix:s,server,nowait", "tcp::1,server", "chardev:a", "null,id=a", "stdio,id=a,mux=on",
        "256", "1G", "pentium3,+sse2", "pc", "tcg", "kvm", "shift=3", "base=utc", "isa-debug-exit,iobase=0xf4", "isa-serial,chardev=a",
        "order=c", "std", "", ",", "=", ",,", "a=b,c", "0x", "99999999999999999999", "1e9", "on", "help", "a\nb\\c", "\xff\xfe", "root=/dev/sda,x"};
    int accepted = 0;
    for (int round = 0; round < 20000; ++round) {
        std::vector<std::string> args;
        for (std::size_t n = pick(6); n > 0; --n) {
            const auto table = option_table();
            std::string name = "-" + std::string(table[pick(table.size())].name);
            if (pick(8) == 0) name[pick(name.size())] = static_cast<char>(random());
            args.push_back(name);
            if (pick(4) != 0) {
                std::string value = values[pick(values.size())];
                if (!value.empty() && pick(6) == 0) value[pick(value.size())] = static_cast<char>(random());
                args.push_back(value);
            }
        }
        const auto r = parse_command_line(args);
        if (!r) {
            EXPECT_FALSE(r.error().text.empty());
            EXPECT_EQ(r.error().text.find('\n'), std::string::npos) << r.error().text;
            continue;
        }
        if (r->action != CommandLine::Action::Run) continue;
        ++accepted;
        const auto again = config_from_text(to_text(r->config));
        ASSERT_TRUE(again) << again.error().text << "\n" << to_text(r->config);
        EXPECT_EQ(*again, r->config) << to_text(r->config);
    }
    EXPECT_GT(accepted, 500);
}

}  // namespace
}  // namespace vmm
