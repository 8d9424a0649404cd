// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/qmp.h"

#include <chrono>

namespace vmm::monitor {
namespace {

constexpr const char* kNegotiate = "qmp_capabilities";

Json error_json(const QmpError& error) { return {{"error", {{"class", error.error_class}, {"desc", error.text}}}}; }

Json timestamp() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    return {{"seconds", us / 1'000'000}, {"microseconds", us % 1'000'000}};
}

}  // namespace

QmpMonitor::QmpMonitor(CharLine& line, IoThread& io, Control& control, const QmpTable& table)
    : line_(line), io_(io), control_(control), table_(table), output_(line) {
    line_.connect(this);
}

QmpMonitor::~QmpMonitor() { line_.connect(nullptr); }

void QmpMonitor::peer(bool there) {
    stream_.reset();
    negotiated_ = false;
    ++client_;
    output_.forget();
    if (!there) return;
    // The version of QMP that is spoken: scripts look at it.
    send({{"QMP",
           {{"version", {{"qemu", {{"major", 7}, {"minor", 2}, {"micro", 0}}}, {"package", "vmm " VMM_VERSION}}}, {"capabilities", Json::array()}}}});
}

void QmpMonitor::bytes(std::string_view data) {
    stream_.feed(data, [this](std::string_view text, bool whole) { value(text, whole); });
}

void QmpMonitor::value(std::string_view text, bool whole) {
    if (!whole) return send(error_json({"GenericError", text.size() > JsonStream::kMost ? "JSON token size limit exceeded" : "JSON parse error, invalid syntax"}));
    const Json message = Json::parse(text, nullptr, false);
    if (message.is_discarded()) return send(error_json({"GenericError", "JSON parse error, invalid syntax"}));
    command(message);
}

void QmpMonitor::command(const Json& message) {
    if (!message.is_object()) return answer(nullptr, QmpError{"GenericError", "QMP input must be a JSON object"});
    const Json id = message.contains("id") ? message["id"] : Json();
    auto refuse = [&](std::string text, const char* error_class = "GenericError") { answer(id, QmpError{error_class, std::move(text)}); };
    for (const auto& [key, unused] : message.items())
        if (key != "execute" && key != "arguments" && key != "id" && key != "control") return refuse("QMP input member '" + key + "' is unexpected");
    if (!message.contains("execute")) return refuse("QMP input lacks member 'execute'");
    if (!message["execute"].is_string()) return refuse("QMP input member 'execute' must be a string");
    const Json arguments = message.value("arguments", Json::object());
    if (!arguments.is_object()) return refuse("QMP input member 'arguments' must be an object");
    const std::string name = message["execute"];
    if (name == kNegotiate) {
        if (negotiated_) return refuse("Capabilities negotiation is already complete, command ignored", "CommandNotFound");
        negotiated_ = true;
        return answer(id, Json::object());
    }
    if (!negotiated_) return refuse(std::string("Expecting capabilities negotiation with '") + kNegotiate + "'", "CommandNotFound");
    const QmpCommand* found = table_.find(name);
    if (found == nullptr) return refuse("The command " + name + " has not been found", "CommandNotFound");
    if (const auto wrong = QmpTable::check(*found, arguments)) return answer(id, *wrong);
    ++waiting_;
    control_.post([this, found, arguments, id, client = client_.load()] {
        const QmpResult result = found->run(control_, arguments);
        if (client == client_) answer(id, result);
        --waiting_;
        io_.wake();
    });
}

void QmpMonitor::answer(const Json& id, const QmpResult& result) {
    Json out = std::holds_alternative<Json>(result) ? Json{{"return", std::get<Json>(result)}} : error_json(std::get<QmpError>(result));
    if (!id.is_null()) out["id"] = id;
    send(out);
}

void QmpMonitor::event(std::string_view name, Json data) {
    if (!negotiated_) return;
    Json out{{"event", std::string(name)}, {"timestamp", timestamp()}};
    if (!data.is_null()) out["data"] = std::move(data);
    send(out);
}

void QmpMonitor::send(const Json& message) { output_.send(message.dump(-1, ' ', false, Json::error_handler_t::replace) + "\r\n"); }

}  // namespace vmm::monitor
