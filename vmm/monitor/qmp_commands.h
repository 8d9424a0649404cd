// SPDX-License-Identifier: Apache-2.0
// The QMP commands: one table for parsing, query-commands and docs/monitor.md.
#pragma once

#include <functional>
#include <memory>

#include "vmm/drive_config.h"
#include "vmm/monitor/command.h"
#include "vmm/monitor/operator.h"
#include "vmm/monitor/qmp_schema.h"

namespace vmm::monitor {

// What monitors know of the program around them. The functions: any thread.
struct Surroundings {
    std::string guest_name;
    std::vector<DriveConfig> drives;
    i64 thread_id = 0;                                   // of the machine thread
    struct Chardev { std::string id, where; };
    std::function<std::vector<Chardev>()> chardevs = [] { return std::vector<Chardev>{}; };
};

// A command on its way. Exactly one of ok() and fail() is called, once.
class QmpCall {
  public:
    Operator& op;
    const CommandTable& commands;
    const Surroundings& around;
    const Json arguments;                                // fits the command's schema

    void ok(Json value = Json::object()) const { answer({{"return", std::move(value)}}); }
    void fail(const std::string& text, const char* error_class = "GenericError") const {
        answer({{"error", {{"class", error_class}, {"desc", text}}}});
    }
    void done(const Result<void>& result) const { result ? ok() : fail(result.error().text); }

    std::function<void(Json)> answer;

    // The arguments, for those that are there.
    i64 integer(const char* name, i64 otherwise = 0) const { return arguments.value(name, otherwise); }
    std::string text(const char* name) const { return arguments.value(name, std::string()); }
};

struct QmpCommand {
    std::string_view name;
    std::string_view help;
    std::span<const Member> arguments;
    std::string_view returns;                            // for the reference; empty: an empty object
    enum class Where : u8 {
        Here,                                            // on the I/O thread, at once
        Machine,                                         // on the machine thread, at a boundary
    } where;
    void (*run)(const std::shared_ptr<QmpCall>& call);
    bool interrupts = false;                             // ends a long move, to be served
};

std::span<const QmpCommand> qmp_commands();
const QmpCommand* find_qmp_command(std::string_view name);
std::string qmp_reference();                             // Markdown, a line a command

Json version_object();

}  // namespace vmm::monitor
