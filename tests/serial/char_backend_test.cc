// SPDX-License-Identifier: Apache-2.0
// Back ends with real files, pseudo-terminals and sockets at the other end.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#include "serial/char_devices.h"
#include "serial/host_fd.h"
#include "serial/serial_input.h"
#include "tests/serial/host_ends.h"

namespace vmm {
namespace {

class BackendTest : public testing::Test {
  protected:
    std::unique_ptr<CharBackend> open(const std::string& spelling) {
        auto choice = parse_char_short("-serial", spelling);
        EXPECT_TRUE(choice) << choice.error().text;
        choice->device.id = "serial0";
        auto backend = open_char_backend(choice->device, host);
        EXPECT_TRUE(backend) << backend.error().text;
        return std::move(*backend);
    }
    std::string last_told() {
        const std::lock_guard lock(mutex);
        return told.empty() ? "" : told.back();
    }

    std::mutex mutex;
    std::vector<std::string> told;
    IoThread io;
    CharHost host{io,
                  [this](const std::string& s) {
                      const std::lock_guard lock(mutex);
                      told.push_back(s);
                  },
                  {}};
    TempDir dir;
    FakeFrontEnd front;
};

Fd connect_unix(const std::string& path) {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    path.copy(a.sun_path, sizeof a.sun_path - 1);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) return Fd();
    return fd;
}

Fd connect_tcp(unsigned port) {
    Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(static_cast<u16>(port));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) return Fd();
    return fd;
}

unsigned port_of(const std::string& where) { return static_cast<unsigned>(std::stoul(where.substr(where.rfind(':') + 1))); }

TEST_F(BackendTest, null_takes_everything) {
    const auto b = open("null");
    b->connect(&front);
    b->write("hello");
    EXPECT_EQ(front.got(), "");
}

TEST_F(BackendTest, file_holds_what_was_written) {
    std::ofstream(dir / "log") << "old";
    open("file:" + (dir / "log"))->write("hello\n");
    EXPECT_EQ(file_content(dir / "log"), "hello\n");
}

TEST_F(BackendTest, file_with_append_keeps_what_was_there) {
    std::ofstream(dir / "log") << "old ";
    auto config = parse_char_long("-chardev", "file,id=a,append=on,path=" + (dir / "log"));
    ASSERT_TRUE(config);
    auto b = open_char_backend(*config, host);
    ASSERT_TRUE(b);
    (*b)->write("new");
    EXPECT_EQ(file_content(dir / "log"), "old new");
}

TEST_F(BackendTest, file_that_cannot_be_opened_is_named) {
    CharConfig config{.kind = CharKind::File};
    config.path = dir / "no/such";
    const auto b = open_char_backend(config, host);
    ASSERT_FALSE(b);
    EXPECT_NE(b.error().text.find(config.path), std::string::npos);
    EXPECT_NE(b.error().text.find("No such file"), std::string::npos);
}

TEST_F(BackendTest, a_full_disk_is_told_once) {
    const auto b = open("file:/dev/full");
    b->write("a");
    b->write("b");
    EXPECT_EQ(told.size(), 1u);
    EXPECT_NE(last_told().find("/dev/full"), std::string::npos);
}

TEST_F(BackendTest, pty_tells_its_path_and_talks_both_ways) {
    const auto b = open("pty");
    EXPECT_EQ(last_told(), "serial0: " + b->where());
    b->connect(&front);
    const Fd slave(::open(b->where().c_str(), O_RDWR | O_NOCTTY));
    ASSERT_TRUE(slave);
    b->write("to host\n");
    EXPECT_EQ(read_exactly(slave.get(), 8), "to host\n");
    put(slave.get(), "to guest\r\x01\x03");
    EXPECT_TRUE(front.receives("to guest\r\x01\x03")) << front.got();
}

TEST_F(BackendTest, pty_discards_while_nobody_has_it_open) {
    const auto b = open("pty");
    b->write(std::string(1 << 20, 'x'));
    const Fd slave(::open(b->where().c_str(), O_RDWR | O_NOCTTY));
    b->write("first");
    EXPECT_EQ(read_exactly(slave.get(), 5), "first");
}

TEST_F(BackendTest, pty_comes_back_after_its_user_left) {
    const auto b = open("pty");
    b->connect(&front);
    { const Fd first(::open(b->where().c_str(), O_RDWR | O_NOCTTY)); put(first.get(), "a"); EXPECT_TRUE(front.receives("a")); }
    b->write("lost");
    settle();
    const Fd second(::open(b->where().c_str(), O_RDWR | O_NOCTTY));
    put(second.get(), "b");
    EXPECT_TRUE(front.receives("ab"));
    b->write("kept");
    EXPECT_EQ(read_exactly(second.get(), 4), "kept");
}

TEST_F(BackendTest, a_pty_reader_that_is_slow_stalls_the_writer_and_loses_nothing) {
    const auto b = open("pty");
    const Fd slave(::open(b->where().c_str(), O_RDWR | O_NOCTTY));
    std::string all;
    for (int i = 0; i < 30000; ++i) all += std::to_string(i) + ",";
    std::atomic<bool> done{false};
    std::thread writer([&] {
        b->write(all);
        done = true;
    });
    settle();
    EXPECT_FALSE(done);
    EXPECT_EQ(read_exactly(slave.get(), all.size()), all);
    writer.join();
}

TEST_F(BackendTest, input_is_read_only_as_far_as_there_is_room) {
    const auto b = open("pty");
    front.set_room(3);
    b->connect(&front);
    const Fd slave(::open(b->where().c_str(), O_RDWR | O_NOCTTY));
    put(slave.get(), "abcdefgh");
    EXPECT_TRUE(front.receives("abc"));
    settle();
    EXPECT_EQ(front.got(), "abc");
    front.set_room(100);
    io.wake();
    EXPECT_TRUE(front.receives("abcdefgh"));
    EXPECT_FALSE(front.overfilled());
}

TEST_F(BackendTest, room_that_is_gone_by_the_time_one_reads_is_no_end_of_input) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const Fd reading(ends[0]), writing(ends[1]), own(::dup(STDIN_FILENO));
    ASSERT_EQ(::dup2(reading.get(), STDIN_FILENO), STDIN_FILENO);
    {
        const auto b = open("stdio");
        front.waver();
        b->connect(&front);
        const std::string all = "some letters, one after the other";
        for (std::size_t n = 1; n <= all.size(); ++n) {
            put(writing.get(), all.substr(n - 1, 1));
            ASSERT_TRUE(eventually([&] { io.wake(); return front.got() == all.substr(0, n); })) << front.got();
        }
    }
    ::dup2(own.get(), STDIN_FILENO);
}

TEST_F(BackendTest, unix_server_takes_one_peer_after_the_other) {
    const auto b = open("unix:" + (dir / "s") + ",server,nowait");
    b->connect(&front);
    b->write("discarded");
    {
        const Fd peer = connect_unix(dir / "s");
        ASSERT_TRUE(peer);
        put(peer.get(), "one");
        ASSERT_TRUE(front.receives("one"));
        b->write("hello one");
        EXPECT_EQ(read_exactly(peer.get(), 9), "hello one");
    }
    const Fd peer = connect_unix(dir / "s");
    put(peer.get(), "two");
    ASSERT_TRUE(front.receives("onetwo"));
    b->write("hello two");
    EXPECT_EQ(read_exactly(peer.get(), 9), "hello two");
}

TEST_F(BackendTest, unix_server_removes_its_socket_and_replaces_one_left_behind) {
    { const auto b = open("unix:" + (dir / "s") + ",server,nowait"); EXPECT_TRUE(std::filesystem::exists(dir / "s")); }
    EXPECT_FALSE(std::filesystem::exists(dir / "s"));
    const Fd stale(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    (dir / "s").copy(a.sun_path, sizeof a.sun_path - 1);
    ASSERT_EQ(::bind(stale.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    const auto b = open("unix:" + (dir / "s") + ",server=on,wait=off");
    EXPECT_TRUE(connect_unix(dir / "s"));
}

TEST_F(BackendTest, unix_server_does_not_remove_a_file_that_is_no_socket) {
    std::ofstream(dir / "precious") << "data";
    CharConfig config{.kind = CharKind::Unix};
    config.path = dir / "precious";
    config.server = true;
    EXPECT_FALSE(open_char_backend(config, host));
    EXPECT_EQ(file_content(dir / "precious"), "data");
}

TEST_F(BackendTest, a_server_that_waits_starts_with_its_first_peer) {
    std::unique_ptr<CharBackend> b;
    std::atomic<bool> opened{false};
    std::thread opener([&] {
        b = open("unix:" + (dir / "s") + ",server");
        opened = true;
    });
    EXPECT_TRUE(eventually([&] { return last_told() == "waiting for a connection on unix:" + (dir / "s"); }));
    EXPECT_FALSE(opened);
    const Fd peer = connect_unix(dir / "s");
    opener.join();
    b->write("from the first byte on");
    EXPECT_EQ(read_exactly(peer.get(), 22), "from the first byte on");
}

TEST_F(BackendTest, unix_client_connects_and_hears) {
    const auto server = open("unix:" + (dir / "s") + ",server,nowait");
    const auto client = open("unix:" + (dir / "s"));
    server->connect(&front);
    client->write("hello");
    EXPECT_TRUE(front.receives("hello"));
}

TEST_F(BackendTest, a_client_with_nobody_there_is_an_error_that_names_the_address) {
    CharConfig config{.kind = CharKind::Unix};
    config.path = dir / "nobody";
    const auto b = open_char_backend(config, host);
    ASSERT_FALSE(b);
    EXPECT_NE(b.error().text.find(dir / "nobody"), std::string::npos);
}

TEST_F(BackendTest, what_a_peer_said_before_it_left_arrives_when_there_is_room) {
    const auto b = open("unix:" + (dir / "s") + ",server,nowait");
    front.set_room(0);
    b->connect(&front);
    { const Fd peer = connect_unix(dir / "s"); put(peer.get(), "command\n"); }
    settle();
    const Fd next = connect_unix(dir / "s");     // the place is free although the guest takes nothing
    ASSERT_TRUE(next);
    ASSERT_TRUE(eventually([&] {
        b->write("!");
        pollfd p{next.get(), POLLIN, 0};
        return ::poll(&p, 1, 0) == 1;
    }));
    front.set_room(100);
    io.wake();
    EXPECT_TRUE(front.receives("command\n"));
}

TEST_F(BackendTest, a_slow_peer_stalls_the_writer_and_one_that_leaves_frees_it) {
    const auto b = open("unix:" + (dir / "s") + ",server,nowait");
    Fd peer = connect_unix(dir / "s");
    b->connect(&front);
    put(peer.get(), "x");
    ASSERT_TRUE(front.receives("x"));
    std::atomic<bool> done{false};
    std::thread writer([&] {
        b->write(std::string(8 << 20, 'y'));
        done = true;
    });
    settle();
    EXPECT_FALSE(done);
    peer = Fd();
    EXPECT_TRUE(eventually([&] { return done.load(); }));
    writer.join();
}

TEST_F(BackendTest, give_up_frees_a_stalled_writer) {
    const auto b = open("unix:" + (dir / "s") + ",server,nowait");
    const Fd peer = connect_unix(dir / "s");
    b->connect(&front);
    put(peer.get(), "x");
    ASSERT_TRUE(front.receives("x"));
    std::thread writer([&] { b->write(std::string(8 << 20, 'y')); });
    settle();
    b->give_up();
    writer.join();                               // the test's time limit is the expectation
}

TEST_F(BackendTest, tcp_server_and_client_talk_both_ways) {
    const auto server = open("tcp:127.0.0.1:0,server,nowait");
    server->connect(&front);
    const Fd peer = connect_tcp(port_of(server->where()));
    ASSERT_TRUE(peer) << server->where();
    put(peer.get(), "in");
    ASSERT_TRUE(front.receives("in"));
    server->write("out");
    EXPECT_EQ(read_exactly(peer.get(), 3), "out");

    FakeFrontEnd other;
    const auto server2 = open("tcp::0,server,nowait");
    server2->connect(&other);
    const auto client = open("tcp:localhost:" + std::to_string(port_of(server2->where())));
    client->write("as a client");
    EXPECT_TRUE(other.receives("as a client"));
}

TEST_F(BackendTest, tcp_port_in_use_is_an_error_that_names_it) {
    const auto first = open("tcp:127.0.0.1:0,server,nowait");
    CharConfig config{.kind = CharKind::Tcp};
    config.host = "127.0.0.1";
    config.port = std::to_string(port_of(first->where()));
    config.server = true;
    const auto second = open_char_backend(config, host);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().text.find(config.port), std::string::npos);
}

// --- SerialInput

TEST(SerialInput, posts_bytes_and_breaks_for_its_port_within_the_published_room) {
    IoThread io;
    Inbox inbox;
    SerialInput input(inbox, io, 2);
    EXPECT_EQ(input.room(), 0u);                 // nothing before the machine says so
    input.publish(5);
    EXPECT_EQ(input.room(), 5u);
    input.bytes("abc");
    EXPECT_EQ(input.room(), 2u);
    input.send_break();
    EXPECT_EQ(input.room(), 1u);
    const auto posted = inbox.take();
    ASSERT_EQ(posted.size(), 2u);
    EXPECT_EQ(posted[0].kind, InputKind::Serial);
    EXPECT_EQ(posted[0].target, 2);
    EXPECT_EQ(posted[0].data, "abc");
    EXPECT_EQ(posted[1].data, "");
}

TEST_F(BackendTest, a_slow_machine_gets_a_long_paste_whole_and_in_order) {
    const auto b = open("pty");
    Inbox inbox;
    SerialInput input(inbox, io, 0);
    b->connect(&input);
    const Fd slave(::open(b->where().c_str(), O_RDWR | O_NOCTTY));
    std::string all;
    for (int i = 0; i < 1000; ++i) all += std::to_string(i) + " ";
    std::thread paster([&] { put(slave.get(), all); });
    std::string got;
    const bool complete = eventually([&] {
        for (int i = 0; i < 200 && got.size() < all.size(); ++i) {
            for (const Input& in : inbox.take()) {
                EXPECT_LE(in.data.size(), 16u);
                got += in.data;
            }
            input.publish(0);
            input.publish(16);
            std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
        return got.size() >= all.size();
    });
    paster.join();
    EXPECT_TRUE(complete);
    EXPECT_EQ(got, all);
    b->connect(nullptr);
}

// --- several devices

TEST_F(BackendTest, devices_are_opened_by_id_and_have_one_user_unless_shared) {
    CharDevices devices(host);
    ASSERT_TRUE(devices.open({{.kind = CharKind::Null, .id = "a"}, {.kind = CharKind::Null, .id = "m", .mux = true}}));
    EXPECT_TRUE(devices.line("a", "serial0"));
    const auto second = devices.line("a", "monitor");
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().text.find("'a' belongs to serial0"), std::string::npos);
    EXPECT_TRUE(devices.line("m", "serial1"));
    EXPECT_TRUE(devices.line("m", "monitor"));
    EXPECT_FALSE(devices.line("none", "serial2"));
}

TEST_F(BackendTest, two_users_of_the_terminal_are_refused) {
    CharDevices devices(host);
    const auto r = devices.open({{.kind = CharKind::Stdio, .id = "a"}, {.kind = CharKind::Stdio, .id = "b"}});
    ASSERT_FALSE(r);
    EXPECT_NE(r.error().text.find("'b'"), std::string::npos);
    EXPECT_NE(r.error().text.find("'a'"), std::string::npos);
}

}  // namespace
}  // namespace vmm
