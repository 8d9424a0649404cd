// SPDX-License-Identifier: Apache-2.0
// Session: one debugger, from attaching to its end: what the packets mean. Machine thread only; the bytes are server.h's.
//
// Done: registers, memory (linear and physical), break- and watchpoints, stepping and continuing in both directions, monitor
// commands, detach and kill. Missing: non-stop mode, several threads (there is one processor), conditions evaluated here.
// Documents: "Debugging with GDB", appendix E, "Packets" to "Stop Reply Packets"; QEMU's own packets as QEMU answers them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

#include "vmm/control.h"
#include "vmm/monitor/command.h"

namespace vmm::gdb {

struct SessionHost {
    std::function<void(std::string payload)> send;
    std::function<void()> hang_up;               // after what was sent
    bool quit_when_ended = true;                 // no -no-shutdown: a guest that has ended goes when nobody looks at it
};

class Session : public std::enable_shared_from_this<Session> {
  public:
    Session(Control& control, const monitor::CommandTable& commands, SessionHost host);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void attach();                               // stops the machine
    void packet(std::string_view payload);
    void too_long();                             // a packet came that was beyond the size that was offered
    void interrupt();                            // Ctrl-C
    void lost();                                 // the connection is gone; the machine stays as it is
    void program_ends(int status);

  private:
    struct Verb {
        std::string_view name;
        bool whole;                              // the name is all of the packet
        void (Session::*run)(std::string_view rest);
    };
    static const Verb* find_verb(std::string_view payload);

    // What gdb asked for, by its type, address and length.
    using PointKey = std::tuple<u8, u32, u32>;
    struct Wanted {
        Point point;
        std::optional<DebugPoints::Id> id;       // once the machine knows it
    };

    void leave(bool resume);
    void happened(Happening what, const PauseEvent& event);
    void stopped(const PauseEvent& event);
    std::string stop_reply(const PauseEvent& event) const;
    std::string hit_reason(const Hit& hit) const;
    void resume(const Go& go);
    void sync_points();
    bool writable();                             // or says why not

    void ok() { host_.send("OK"); }
    void error(std::string_view text) { host_.send("E." + std::string(text)); }
    void malformed() { host_.send("E.malformed packet"); }
    void console(std::string_view text);         // gdb prints it

    // Verbs, named after their packets.
    void why_stopped(std::string_view);
    void read_registers(std::string_view);
    void write_registers(std::string_view text);
    void read_register(std::string_view text);
    void write_register(std::string_view text);
    void read_memory(std::string_view text);
    void read_memory_binary(std::string_view text);
    void write_memory(std::string_view text);
    void write_memory_binary(std::string_view text);
    void insert_point(std::string_view text) { change_point(text, true); }
    void remove_point(std::string_view text) { change_point(text, false); }
    void change_point(std::string_view text, bool insert);
    void v_cont(std::string_view text);
    void v_cont_actions(std::string_view);
    void v_kill(std::string_view);
    void go_on(std::string_view text) { go_at(text, false); }
    void step(std::string_view text) { go_at(text, true); }
    void go_on_signal(std::string_view text);
    void step_signal(std::string_view text);
    void go_at(std::string_view address, bool one_step);
    void back_step(std::string_view);
    void back(std::string_view);
    void detach(std::string_view);
    void kill(std::string_view);
    void accept(std::string_view) { ok(); }
    void supported(std::string_view text);
    void features(std::string_view text);
    void thread_info(std::string_view);
    void rest_of_threads(std::string_view);
    void this_thread(std::string_view);
    void thread_name(std::string_view);
    void attached(std::string_view);
    void offsets(std::string_view);
    void monitor_command(std::string_view text);
    void set_flushes(std::string_view);
    void hint(Icount before);
    void physical_mode(std::string_view);
    void set_physical_mode(std::string_view text);
    void step_bits(std::string_view);
    void step_mode(std::string_view);
    void set_step_mode(std::string_view text);

    std::optional<std::vector<u8>> memory(std::string_view text, std::size_t most);
    void store(u64 address, u64 length, std::span<const u8> bytes);

    Control& control_;
    const monitor::CommandTable& commands_;
    SessionHost host_;
    std::optional<unsigned> observer_;
    std::map<PointKey, Wanted> points_;
    std::vector<DebugPoints::Id> dropped_;       // the machine still knows them
    bool moving_ = false;                        // gdb waits for a stop reply
    bool commanding_ = false;                    // ... or for a monitor command
    bool physical_ = false;
    bool flushes_ = false;                       // gdb reads its registers anew after monitor commands, or was told to
    bool says_swbreak_ = false, says_hwbreak_ = false;
};

}  // namespace vmm::gdb
