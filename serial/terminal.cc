// SPDX-License-Identifier: Apache-2.0
#include "serial/terminal.h"

#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace vmm {
namespace {

// Read by signal handlers. `held` is set last and cleared first.
struct Held {
    volatile std::sig_atomic_t held = 0;
    int fd = -1;
    termios cooked{}, raw{};
};
Held g_held;                                           // NOLINT: see terminal.h

constexpr int kDeadly[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT};

bool in_foreground() { return ::tcgetpgrp(g_held.fd) == ::getpgrp(); }

void give_back() {
    if (g_held.held == 0) return;
    g_held.held = 0;
    if (in_foreground()) ::tcsetattr(g_held.fd, TCSANOW, &g_held.cooked);
}

void on_deadly(int signal) {
    give_back();
    ::raise(signal);                                   // SA_RESETHAND made it the default again
}

void on_continue(int) {
    if (g_held.held != 0 && in_foreground()) ::tcsetattr(g_held.fd, TCSANOW, &g_held.raw);
}

// Nobody else's handler is replaced.
void install(int signal, void (*handler)(int), int flags) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) return;
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    ::sigaction(signal, &action, nullptr);
}

void uninstall(int signal, void (*handler)(int)) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == handler) ::signal(signal, SIG_DFL);
}

}  // namespace

std::unique_ptr<RawTerminal> RawTerminal::take(int fd, bool keep_signals) {
    if (g_held.held != 0 || ::isatty(fd) == 0 || ::tcgetattr(fd, &g_held.cooked) != 0) return nullptr;
    g_held.fd = fd;
    g_held.raw = g_held.cooked;
    termios& t = g_held.raw;
    t.c_iflag &= ~static_cast<tcflag_t>(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    t.c_oflag |= OPOST;                                // a bare line feed of the guest still begins a line
    t.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | IEXTEN | (keep_signals ? 0 : ISIG));
    t.c_cflag = (t.c_cflag & ~static_cast<tcflag_t>(CSIZE | PARENB)) | CS8;
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    g_held.held = 1;
    for (const int signal : kDeadly) install(signal, on_deadly, SA_RESETHAND | SA_NODEFER);
    install(SIGCONT, on_continue, SA_RESTART);
    std::atexit(give_back);
    if (in_foreground()) ::tcsetattr(fd, TCSANOW, &t);
    return std::unique_ptr<RawTerminal>(new RawTerminal);
}

RawTerminal::~RawTerminal() {
    give_back();
    for (const int signal : kDeadly) uninstall(signal, on_deadly);
    uninstall(SIGCONT, on_continue);
}

}  // namespace vmm
