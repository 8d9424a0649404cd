// SPDX-License-Identifier: Apache-2.0
// The ends of a character line on the host. Nothing here knows a guest.
//
//   front end (UART, monitor) --write--> CharLine --> [CharMux] --> back end --> host       on the caller's thread
//   front end <--room, bytes-- CharInput <-- [CharMux] <-- back end <-- host                on the I/O thread
//
// Writing never drops: a host that does not read stalls the caller. Nobody connected is not a stall: the bytes are discarded.
// Reading happens only while the front end has room. The end of the host's input is quiet; output goes on.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "serial/char_config.h"
#include "vmm/io_thread.h"
#include "vmm/types.h"

namespace vmm {

// Who takes what the host sends. Called on the I/O thread only.
class CharInput {
  public:
    virtual ~CharInput() = default;
    virtual std::size_t room() = 0;                     // bytes it takes now; after a change it calls IoThread::wake()
    virtual void bytes(std::string_view data) = 0;      // 1..room() bytes
    virtual void send_break() {}
    virtual void focus(bool) {}                         // a shared line turned to or away from this user
    virtual void peer(bool) {}                          // of a line of one's own: the other side is there, or has gone
};

// What a front end writes to.
class CharLine {
  public:
    virtual ~CharLine() = default;
    virtual void write(std::string_view data) = 0;      // any thread; see above
    virtual bool terminal() const { return false; }     // somebody types at it
    virtual void connect(CharInput* input) = 0;         // nullptr: nobody listens. After it returned the old one is not called
};

class CharBackend : public CharLine {
  public:
    // From now on no write waits: what the host does not take at once is lost. For quitting; any thread.
    virtual void give_up() { given_up_ = true; }
    // Where it is, for `info chardev` and the user: "/dev/pts/3", "tcp:127.0.0.1:4444".
    virtual std::string where() const = 0;

  protected:
    std::atomic<bool> given_up_{false};
};

// What a back end needs of the program around it.
struct CharHost {
    IoThread& io;
    std::function<void(const std::string&)> tell;       // one line for the user: where a pty is, what is waited for
    std::function<void()> quit;                         // Ctrl-A x
};

Result<std::unique_ptr<CharBackend>> open_char_backend(const CharConfig& config, const CharHost& host);

// One each kind, for open_char_backend and tests.
std::unique_ptr<CharBackend> open_null_char();
Result<std::unique_ptr<CharBackend>> open_stdio_char(const CharConfig& config, const CharHost& host);
Result<std::unique_ptr<CharBackend>> open_file_char(const CharConfig& config, const CharHost& host);
Result<std::unique_ptr<CharBackend>> open_pty_char(const CharConfig& config, const CharHost& host);
Result<std::unique_ptr<CharBackend>> open_socket_char(const CharConfig& config, const CharHost& host);

}  // namespace vmm
