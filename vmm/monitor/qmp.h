// SPDX-License-Identifier: Apache-2.0
// QmpMonitor: one QMP monitor on a character line: greeting, negotiation, commands in, answers and events out.
//
// Bytes come on the I/O thread. A command runs as a task of the machine thread, one after another; its answer and the events
// leave through a thread of their own. Documents: QEMU's "QMP Specification"; docs/monitor.md.
#pragma once

#include <memory>

#include "vmm/monitor/json_stream.h"
#include "vmm/monitor/line_output.h"
#include "vmm/monitor/qmp_commands.h"

namespace vmm::monitor {

class QmpMonitor final : public CharInput {
  public:
    QmpMonitor(CharLine& line, IoThread& io, Control& control, const QmpTable& table);
    ~QmpMonitor() override;               // when the machine's loop is over
    QmpMonitor(const QmpMonitor&) = delete;
    QmpMonitor& operator=(const QmpMonitor&) = delete;

    // Machine thread.
    void event(std::string_view name, Json data = nullptr);

    // CharInput
    std::size_t room() override { return waiting_ < kAhead ? 65536 : 0; }
    void bytes(std::string_view data) override;
    void peer(bool there) override;

  private:
    static constexpr unsigned kAhead = 64;    // commands that wait for the machine thread
    void value(std::string_view text, bool whole);
    void command(const Json& message);
    void answer(const Json& id, const QmpResult& result);
    void send(const Json& message);

    CharLine& line_;
    IoThread& io_;
    Control& control_;
    const QmpTable& table_;
    LineOutput output_;
    JsonStream stream_;
    std::atomic<bool> negotiated_{false};
    std::atomic<unsigned> waiting_{0};
    std::atomic<u64> client_{0};              // answers of commands of an earlier client are not for this one
};

}  // namespace vmm::monitor
