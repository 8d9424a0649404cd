// SPDX-License-Identifier: Apache-2.0
#include "gdbstub/target_xml.h"

#include "vmm/register_table.h"

namespace vmm::gdb {
namespace {

std::string_view type_name(RegisterType type) {
    switch (type) {
        case RegisterType::Int: return "int32";
        case RegisterType::Code: return "code_ptr";
        case RegisterType::Data: return "data_ptr";
        case RegisterType::Eflags: return "i386_eflags";
        case RegisterType::Cr0: return "i386_cr0";
        case RegisterType::Cr3: return "i386_cr3";
        case RegisterType::Cr4: return "i386_cr4";
        case RegisterType::Efer: return "i386_efer";
        case RegisterType::X87: return "i387_ext";
        case RegisterType::Xmm: return "vec128";
        case RegisterType::Mxcsr: return "i386_mxcsr";
    }
    return "int32";
}

std::string flags(RegisterType type) {
    std::string out = "<flags id=\"" + std::string(type_name(type)) + "\" size=\"4\">\n";
    for (const FlagField& f : flag_fields(type))
        out += "<field name=\"" + std::string(f.name) + "\" start=\"" + std::to_string(f.first) + "\" end=\"" + std::to_string(f.last) + "\"/>\n";
    return out + "</flags>\n";
}

std::string vectors() {
    struct Vector {
        const char *id, *type, *field;
        unsigned count;
    };
    constexpr Vector kVectors[] = {{"v4f", "ieee_single", "v4_float", 4}, {"v2d", "ieee_double", "v2_double", 2},
                                   {"v16i8", "int8", "v16_int8", 16},     {"v8i16", "int16", "v8_int16", 8},
                                   {"v4i32", "int32", "v4_int32", 4},     {"v2i64", "int64", "v2_int64", 2}};
    std::string types, fields;
    for (const Vector& v : kVectors) {
        types += std::string("<vector id=\"") + v.id + "\" type=\"" + v.type + "\" count=\"" + std::to_string(v.count) + "\"/>\n";
        fields += std::string("<field name=\"") + v.field + "\" type=\"" + v.id + "\"/>\n";
    }
    return types + "<union id=\"vec128\">\n" + fields + "<field name=\"uint128\" type=\"uint128\"/>\n</union>\n";
}

}  // namespace

std::string target_xml() {
    std::string out = "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target version=\"1.0\">\n"
                      "<architecture>i386</architecture>\n<feature name=\"org.gnu.gdb.i386.core\">\n";
    for (const RegisterType t : {RegisterType::Eflags, RegisterType::Cr0, RegisterType::Cr3, RegisterType::Cr4, RegisterType::Efer}) out += flags(t);
    unsigned number = 0;
    for (const Register& r : register_table()) {
        if (r.type == RegisterType::Xmm && r.n == 0)
            out += "</feature>\n<feature name=\"org.gnu.gdb.i386.sse\">\n" + flags(RegisterType::Mxcsr) + vectors();
        if (r.name == "cs_base") out += "</feature>\n<feature name=\"vmm.i386.tables\">\n";
        const std::string_view group = r.group == RegisterGroup::Float    ? "float"
                                       : r.group == RegisterGroup::Vector ? "vector"
                                       : r.group == RegisterGroup::System ? "system"
                                                                          : "general";
        out += "<reg name=\"" + std::string(r.name) + "\" bitsize=\"" + std::to_string(r.bytes * 8) + "\" type=\"" +
               std::string(type_name(r.type)) + "\" regnum=\"" + std::to_string(number++) + "\" group=\"" + std::string(group) + "\"/>\n";
    }
    return out + "</feature>\n</target>\n";
}

}  // namespace vmm::gdb
