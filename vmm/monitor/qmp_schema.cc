// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/qmp_schema.h"

#include <algorithm>

namespace vmm::monitor {
namespace {

using Wrong = std::optional<std::string>;

Wrong type_is_wrong(const std::string& path, const char* expected) {
    return "Invalid parameter type for '" + path + "', expected: " + expected;
}

Wrong check_members(const Json& value, std::span<const Member> members, const std::string& prefix);

// `leaf` is the last part of `path`: what QEMU names when a value is not in the list.
Wrong check(const Json& v, const Type& type, const std::string& path, const std::string& leaf) {
    switch (type.kind) {
        case Type::Kind::Integer:
            // What fits i64: the library keeps what does not as unsigned.
            if (v.is_number_unsigned() ? v.get<u64>() > u64{INT64_MAX} : !v.is_number_integer()) return type_is_wrong(path, "integer");
            return std::nullopt;
        case Type::Kind::Boolean: return v.is_boolean() ? std::nullopt : type_is_wrong(path, "boolean");
        case Type::Kind::String: return v.is_string() ? std::nullopt : type_is_wrong(path, "string");
        case Type::Kind::Enum: {
            if (!v.is_string()) return type_is_wrong(path, "string");
            const auto& text = v.get_ref<const std::string&>();
            if (std::find(type.values.begin(), type.values.end(), text) != type.values.end()) return std::nullopt;
            return "Parameter '" + leaf + "' does not accept value '" + text + "'";
        }
        case Type::Kind::Array: {
            if (!v.is_array()) return type_is_wrong(path, "array");
            for (std::size_t i = 0; i < v.size(); ++i) {
                const std::string index = "[" + std::to_string(i) + "]";
                if (auto wrong = check(v[i], *type.element, path + index, leaf + index)) return wrong;
            }
            return std::nullopt;
        }
        case Type::Kind::Struct: return v.is_object() ? check_members(v, type.members, path + ".") : type_is_wrong(path, "object");
        case Type::Kind::Union: {
            if (!v.is_object()) return type_is_wrong(path, "object");
            const auto tag = v.find("type");
            if (tag == v.end()) return "Parameter '" + path + ".type' is missing";
            if (!tag->is_string()) return type_is_wrong(path + ".type", "string");
            for (const Member& branch : type.branches)
                if (branch.name == tag->get_ref<const std::string&>()) {
                    const Member both[] = {{"type", &kString}, {"data", branch.type}};
                    return check_members(v, both, path + ".");
                }
            return "Parameter 'type' does not accept value '" + tag->get<std::string>() + "'";
        }
    }
    return std::nullopt;
}

Wrong check_members(const Json& value, std::span<const Member> members, const std::string& prefix) {
    for (const Member& m : members) {
        const std::string name(m.name), path = prefix + name;
        const auto it = value.find(name);
        if (it == value.end()) {
            if (!m.optional) return "Parameter '" + path + "' is missing";
        } else if (auto wrong = check(*it, *m.type, path, name)) {
            return wrong;
        }
    }
    for (const auto& [key, ignored] : value.items())
        if (std::none_of(members.begin(), members.end(), [&key = key](const Member& m) { return m.name == key; }))
            return "Parameter '" + prefix + key + "' is unexpected";
    return std::nullopt;
}

std::string describe(const Type& type) {
    std::string out;
    switch (type.kind) {
        case Type::Kind::Integer:
        case Type::Kind::Boolean:
        case Type::Kind::String: return std::string(type.name);
        case Type::Kind::Enum:
            if (type.values.size() > 8) return std::string(type.name);
            for (const auto& v : type.values) out += (out.empty() ? "" : "|") + std::string(v);
            return out;
        case Type::Kind::Array: return "[" + describe(*type.element) + "...]";
        case Type::Kind::Struct: return "{" + describe(type.members) + "}";
        case Type::Kind::Union:
            for (const Member& b : type.branches)
                out += (out.empty() ? "" : " | ") + ("{type: \"" + std::string(b.name) + "\", data: ") + describe(*b.type) + "}";
            return out;
    }
    return out;
}

}  // namespace

std::optional<std::string> check_arguments(const Json& arguments, std::span<const Member> members) {
    return check_members(arguments, members, "");
}

std::string describe(std::span<const Member> members) {
    std::string out;
    for (const Member& m : members)
        out += (out.empty() ? "" : ", ") + std::string(m.name) + (m.optional ? "?" : "") + ": " + describe(*m.type);
    return out;
}

}  // namespace vmm::monitor
