// SPDX-License-Identifier: Apache-2.0
// Standard input and output on a real terminal: a child program (stdio_helper) runs in a session whose terminal is ours.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <utmp.h>

#include <csignal>

#include "serial/host_fd.h"
#include "tests/serial/host_ends.h"

namespace vmm {
namespace {

class Terminal {
  public:
    Terminal(const std::string& mode, const std::string& twist = "") {
        int master = -1, slave = -1;
        if (::openpty(&master, &slave, nullptr, nullptr, nullptr) != 0) std::abort();
        master_ = Fd(master);
        slave_ = Fd(slave);
        ::tcgetattr(slave, &before_);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::login_tty(slave);
            for (const int s : {SIGHUP, SIGINT, SIGQUIT}) ::signal(s, SIG_DFL);      // nohup and background jobs ignore them
            ::execl(STDIO_HELPER, STDIO_HELPER, mode.c_str(), twist.c_str(), nullptr);
            ::_exit(99);
        }
    }
    ~Terminal() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }
    void type(const std::string& s) { put(master_.get(), s); }
    // Everything on the screen up to and including `text`; what came before the failure if it never comes.
    bool shows(const std::string& text) {
        while (screen_.find(text) == std::string::npos) {
            const std::string c = read_exactly(master_.get(), 1);
            if (c.empty()) return false;
            screen_ += c;
        }
        screen_.erase(0, screen_.find(text) + text.size());
        return true;
    }
    std::string rest_after_settling() {
        settle();
        std::string out = screen_;
        pollfd p{master_.get(), POLLIN, 0};
        while (::poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0) out += read_exactly(master_.get(), 1);
        return out;
    }
    int wait() {
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return status;
    }
    void signal(int s) { ::kill(pid_, s); }
    pid_t pid() const { return pid_; }
    termios mode() const {
        termios t{};
        ::tcgetattr(slave_.get(), &t);
        return t;
    }
    void set_mode(const termios& t) { ::tcsetattr(slave_.get(), TCSANOW, &t); }
    bool raw() const { return (mode().c_lflag & (ICANON | ECHO)) == 0; }
    bool as_before() const {
        const termios t = mode();
        return t.c_iflag == before_.c_iflag && t.c_oflag == before_.c_oflag && t.c_lflag == before_.c_lflag && t.c_cflag == before_.c_cflag;
    }

  private:
    Fd master_, slave_;
    termios before_{};
    pid_t pid_ = -1;
    std::string screen_;
};

TEST(StdioChar, the_terminal_is_raw_while_it_runs_and_given_back_at_the_end) {
    Terminal t("mux");
    ASSERT_TRUE(t.shows("ready"));
    EXPECT_TRUE(t.raw());
    t.type("\x01x");
    EXPECT_EQ(WEXITSTATUS(t.wait()), 7);
    EXPECT_TRUE(t.as_before());
}

TEST(StdioChar, line_feeds_begin_a_line) {
    Terminal t("mux");
    EXPECT_TRUE(t.shows("ready\r\n"));
}

TEST(StdioChar, keys_go_to_the_guest_as_they_are_interrupt_key_included) {
    Terminal t("mux");
    ASSERT_TRUE(t.shows("ready"));
    t.type("a\r\x03\x1a\x1c\x11\x13");
    for (const char* k : {"ser<97>", "ser<13>", "ser<3>", "ser<26>", "ser<28>", "ser<17>", "ser<19>"}) EXPECT_TRUE(t.shows(k)) << k;
}

TEST(StdioChar, ctrl_a_twice_is_one_ctrl_a) {
    Terminal t("mux");
    ASSERT_TRUE(t.shows("ready"));
    t.type("\x01\x01z");
    EXPECT_TRUE(t.shows("ser<1>\r\nser<122>"));
}

TEST(StdioChar, ctrl_a_b_sends_a_break_in_order) {
    Terminal t("mux");
    ASSERT_TRUE(t.shows("ready"));
    t.type("1\x01" "b2");
    EXPECT_TRUE(t.shows("ser<49>\r\nser<break>\r\nser<50>"));
}

TEST(StdioChar, ctrl_a_c_turns_to_the_monitor_and_back) {
    Terminal t("mux");
    ASSERT_TRUE(t.shows("ready"));
    t.type("\x01" "c");
    EXPECT_TRUE(t.shows("mon<in>"));
    t.type("i");
    EXPECT_TRUE(t.shows("mon<105>"));
    t.type("\x01" "c");
    EXPECT_TRUE(t.shows("mon<out>"));
    t.type("j");
    EXPECT_TRUE(t.shows("ser<106>"));
}

TEST(StdioChar, ctrl_a_h_lists_the_keys_and_s_does_nothing) {
    Terminal t("mux");
    ASSERT_TRUE(t.shows("ready\r\n"));
    t.type("\x01h");
    EXPECT_TRUE(t.shows("Ctrl-A x"));
    EXPECT_TRUE(t.shows("Ctrl-A Ctrl-A"));
    t.rest_after_settling();
    t.type("\x01s");
    EXPECT_EQ(t.rest_after_settling().find("ser<"), std::string::npos);
}

TEST(StdioChar, ctrl_a_t_stamps_each_line) {
    Terminal t("mux");
    ASSERT_TRUE(t.shows("ready\r\n"));
    t.type("\x01t");
    t.type("k");
    EXPECT_TRUE(t.shows("[00:00:00.000] ser<107>\r\n"));
    t.type("\x01t");
    t.type("l");
    ASSERT_TRUE(t.shows("ser<108>\r\n"));
    EXPECT_EQ(t.rest_after_settling().find('['), std::string::npos);
}

TEST(StdioChar, ctrl_a_x_works_while_the_guest_takes_no_input) {
    Terminal t("mux", "hang");
    ASSERT_TRUE(t.shows("ready"));
    t.type(std::string(300, 'n') + "\x01x");
    EXPECT_EQ(WEXITSTATUS(t.wait()), 7);
}

TEST(StdioChar, without_mux_ctrl_a_is_a_key_and_the_interrupt_key_ends_the_program_cleanly) {
    Terminal t("plain");
    ASSERT_TRUE(t.shows("ready"));
    t.type("\x01x");
    EXPECT_TRUE(t.shows("ser<1>\r\nser<120>"));
    t.type("\x03");
    const int status = t.wait();
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGINT);
    EXPECT_TRUE(t.as_before());
}

class StdioCharDeath : public testing::TestWithParam<int> {};
TEST_P(StdioCharDeath, the_terminal_is_given_back) {
    Terminal t("mux");
    ASSERT_TRUE(t.shows("ready"));
    ASSERT_TRUE(t.raw());
    t.signal(GetParam());
    const int status = t.wait();
    EXPECT_EQ(WTERMSIG(status), GetParam());
    EXPECT_TRUE(t.as_before());
}
INSTANTIATE_TEST_SUITE_P(signals, StdioCharDeath, testing::Values(SIGTERM, SIGHUP, SIGINT, SIGQUIT));

TEST(StdioChar, an_abort_gives_the_terminal_back) {
    Terminal t("mux", "abort");
    const int status = t.wait();
    EXPECT_EQ(WTERMSIG(status), SIGABRT);
    EXPECT_TRUE(t.as_before());
}

TEST(StdioChar, a_program_that_was_stopped_finds_its_terminal_raw_again) {
    Terminal t("mux");
    ASSERT_TRUE(t.shows("ready"));
    termios cooked = t.mode();
    t.signal(SIGSTOP);
    int status = 0;
    ASSERT_EQ(::waitpid(t.pid(), &status, WUNTRACED), t.pid());
    cooked.c_lflag |= ICANON | ECHO;             // as a shell does
    t.set_mode(cooked);
    ASSERT_FALSE(t.raw());
    t.signal(SIGCONT);
    EXPECT_TRUE(eventually([&] { return t.raw(); }));
}

// Without a terminal: pipes.
struct Piped {
    Fd to, from;
    pid_t pid = -1;
    explicit Piped(const std::string& mode) {
        int in[2], out[2];
        if (::pipe(in) != 0 || ::pipe(out) != 0) std::abort();
        pid = ::fork();
        if (pid == 0) {
            ::dup2(in[0], 0);
            ::dup2(out[1], 1);
            for (const int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
            ::execl(STDIO_HELPER, STDIO_HELPER, mode.c_str(), nullptr);
            ::_exit(99);
        }
        ::close(in[0]);
        ::close(out[1]);
        to = Fd(in[1]);
        from = Fd(out[0]);
    }
    ~Piped() {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
};

TEST(StdioChar, pipes_work_and_the_end_of_input_is_quiet) {
    Piped p("plain");
    EXPECT_EQ(read_exactly(p.from.get(), 6), "ready\n");
    put(p.to.get(), "a");
    EXPECT_EQ(read_exactly(p.from.get(), 8), "ser<97>\n");
    p.to = Fd();
    settle();
    EXPECT_EQ(::waitpid(p.pid, nullptr, WNOHANG), 0);   // still running, and no output
    pollfd poll_out{p.from.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&poll_out, 1, 0), 0);
}

TEST(StdioChar, a_reader_that_closes_the_pipe_does_not_end_the_program) {
    Piped p("plain");
    EXPECT_EQ(read_exactly(p.from.get(), 6), "ready\n");
    p.from = Fd();
    put(p.to.get(), "aaaa");
    settle();
    EXPECT_EQ(::waitpid(p.pid, nullptr, WNOHANG), 0);
}

}  // namespace
}  // namespace vmm
