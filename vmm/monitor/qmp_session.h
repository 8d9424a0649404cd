// SPDX-License-Identifier: Apache-2.0
// QmpSession: one client of QMP: greeting, negotiation, commands in order, events.
//
// A command that needs the machine is a task for the machine thread; the next waits for its answer, so that answers come in
// the order of the commands. What a client sends ahead is bounded: kAhead commands, then it is not read until they are done.
// Missing: out-of-band commands (`exec-oob`), which QEMU offers as a capability and this does not.
// Document: QMP specification; QEMU 7.2's answers.
#pragma once

#include <deque>

#include "vmm/monitor/client.h"

namespace vmm::monitor {

class QmpSession final : public Client {
  public:
    QmpSession(const Host& host, Wire wire);

    void begin() override;
    bool wants() const override { return waiting_.size() < kAhead; }
    void bytes(std::string_view data) override;
    void event(const std::string& line) override;

  private:
    static constexpr std::size_t kAhead = 8;

    struct Message {
        Json value;
        std::string error;                               // what was wrong with the text, instead
    };
    void next();
    void execute(const Json& message);
    void fail(const std::string& text, const char* error_class = "GenericError");
    void answer(Json body);

    const Host& host_;
    const Wire wire_;
    JsonStream stream_;
    std::deque<Message> waiting_;
    std::optional<Json> id_;                             // of the command that is being served
    bool busy_ = false, negotiated_ = false;
    Attendance attendance_;
};

}  // namespace vmm::monitor
