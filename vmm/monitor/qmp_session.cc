// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/qmp_session.h"

#include <utility>

namespace vmm::monitor {

QmpSession::QmpSession(const Host& host, Wire wire) : host_(host), wire_(std::move(wire)) {
    stream_.value = [this](Json value) { waiting_.push_back({std::move(value), {}}); };
    stream_.error = [this](const std::string& text) { waiting_.push_back({nullptr, text}); };
}

void QmpSession::begin() {
    wire_.send(to_line({{"QMP", {{"version", version_object()}, {"capabilities", Json::array()}}}}) + "\r\n");
}

void QmpSession::bytes(std::string_view data) {
    stream_.feed(data);
    next();
}

void QmpSession::event(const std::string& line) {
    if (negotiated_) wire_.send(line + "\r\n");
}

void QmpSession::next() {
    while (!busy_ && !waiting_.empty()) {
        const Message message = std::move(waiting_.front());
        waiting_.pop_front();
        busy_ = true;
        id_.reset();
        if (message.error.empty()) execute(message.value);
        else fail(message.error);
    }
    wire_.changed();
}

void QmpSession::execute(const Json& message) {
    if (!message.is_object()) return fail("QMP input must be a JSON object");
    if (const auto id = message.find("id"); id != message.end()) id_ = *id;
    std::string name;
    Json arguments = Json::object();
    bool named = false;
    for (const auto& [key, value] : message.items()) {
        if (key == "execute") {
            if (!value.is_string()) return fail("QMP input member 'execute' must be a string");
            name = value.get<std::string>();
            named = true;
        } else if (key == "arguments") {
            if (!value.is_object()) return fail("QMP input member 'arguments' must be an object");
            arguments = value;
        } else if (key != "id") {
            return fail("QMP input member '" + key + "' is unexpected");
        }
    }
    if (!named) return fail("QMP input lacks member 'execute'");
    const QmpCommand* command = find_qmp_command(name);
    const bool negotiating = command != nullptr && command->name == "qmp_capabilities";
    if (!negotiated_ && !negotiating) return fail("Expecting capabilities negotiation with 'qmp_capabilities'", "CommandNotFound");
    if (command == nullptr) return fail("The command " + name + " has not been found", "CommandNotFound");
    if (const auto wrong = check_arguments(arguments, command->arguments)) return fail(*wrong);
    if (negotiating && !negotiated_) {
        if (arguments.contains("enable") && !arguments["enable"].empty()) return fail("Capability oob not available");
        negotiated_ = true;
        attendance_.begin(host_.op.control());
        return answer({{"return", Json::object()}});
    }
    if (command->where == QmpCommand::Where::Here) {
        command->run(std::shared_ptr<QmpCall>(new QmpCall{host_.op, host_.commands, host_.around, std::move(arguments),
                                                          [this](Json body) { answer(std::move(body)); }}));
        return;
    }
    auto reply = [weak = weak_from_this(), &io = host_.io](Json body) {
        io.run([weak, body = std::move(body)] {
            const auto self = std::static_pointer_cast<QmpSession>(weak.lock());
            if (!self) return;
            self->answer(body);
            self->next();
        });
    };
    const std::shared_ptr<QmpCall> call(new QmpCall{host_.op, host_.commands, host_.around, std::move(arguments), std::move(reply)});
    Control& control = host_.op.control();
    if (command->interrupts) control.interrupt();
    control.post([run = command->run, call] { run(call); });
}

void QmpSession::fail(const std::string& text, const char* error_class) {
    answer({{"error", {{"class", error_class}, {"desc", text}}}});
}

void QmpSession::answer(Json body) {
    // As QEMU orders them: the id after what is returned, before an error.
    Json out = Json::object();
    const bool failed = body.contains("error");
    if (id_ && failed) out["id"] = *id_;
    out.update(body);
    if (id_ && !failed) out["id"] = std::move(*id_);
    busy_ = false;
    wire_.send(to_line(out) + "\r\n");
}

}  // namespace vmm::monitor
