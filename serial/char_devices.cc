// SPDX-License-Identifier: Apache-2.0
#include "serial/char_devices.h"

namespace vmm {

Result<void> CharDevices::open(const std::vector<CharConfig>& configs) {
    const CharConfig* terminal = nullptr;
    for (const CharConfig& config : configs) {
        if (entries_.contains(config.id)) return Error{"chardev '" + config.id + "' is given twice"};
        if (config.kind == CharKind::Stdio) {
            if (terminal != nullptr)
                return Error{"chardev '" + config.id + "': stdio is taken by '" + terminal->id + "' already; share it with mux=on or mon:stdio"};
            terminal = &config;
        }
        auto backend = open_char_backend(config, host_);
        if (!backend) return Error{"chardev '" + config.id + "': " + backend.error().text};
        Entry entry;
        if (config.mux) entry.mux = std::make_unique<CharMux>(std::move(*backend), host_);
        else entry.plain = std::move(*backend);
        entries_.emplace(config.id, std::move(entry));
    }
    return {};
}

Result<CharLine*> CharDevices::line(const std::string& id, const std::string& user) {
    const auto it = entries_.find(id);
    if (it == entries_.end()) return Error{user + ": there is no chardev '" + id + "'"};
    Entry& entry = it->second;
    if (entry.mux) return &entry.mux->add(user);
    if (!entry.user.empty())
        return Error{user + ": chardev '" + id + "' belongs to " + entry.user + " already; mux=on lets them share it"};
    entry.user = user;
    return entry.plain.get();
}

void CharDevices::give_up() {
    for (const auto& [id, entry] : entries_) entry.backend().give_up();
}

std::vector<CharDevices::Info> CharDevices::info() const {
    std::vector<Info> out;
    for (const auto& [id, entry] : entries_) out.push_back({id, entry.backend().where()});
    return out;
}

}  // namespace vmm
