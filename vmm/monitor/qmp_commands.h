// SPDX-License-Identifier: Apache-2.0
// The commands of QMP: one table of names, arguments and what they do; parsing, `query-commands` and docs/monitor.md follow it.
// Documents: QEMU's "QMP Reference Manual" for names, members and the words of errors.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "vmm/control.h"
#include "vmm/monitor/command.h"

namespace vmm::monitor {

using Json = nlohmann::json;

struct QmpError {
    std::string error_class = "GenericError";
    std::string text;
};
using QmpResult = std::variant<Json, QmpError>;

enum class QmpType : u8 { String, Integer, Boolean, List, Object };

struct QmpArgument {
    std::string name;
    QmpType type;
    bool optional = false;
};

struct QmpCommand {
    std::string name;
    std::vector<QmpArgument> arguments;
    std::string help;                                      // one line, for docs/monitor.md
    std::function<QmpResult(Control&, const Json&)> run;   // machine thread
};

class QmpTable {
  public:
    explicit QmpTable(const CommandTable& human);          // what human-monitor-command runs
    const QmpCommand* find(const std::string& name) const;
    const std::vector<QmpCommand>& all() const { return commands_; }
    // What is wrong with these arguments, if anything.
    static std::optional<QmpError> check(const QmpCommand& command, const Json& arguments);
    // The table in docs/monitor.md.
    std::string markdown() const;

  private:
    std::vector<QmpCommand> commands_;
};

}  // namespace vmm::monitor
