// SPDX-License-Identifier: Apache-2.0
// Session: what can be asked for, the general queries, QEMU's own, monitor commands; and the table of all verbs.
#include <algorithm>
#include <utility>

#include "gdbstub/packet.h"
#include "gdbstub/session.h"
#include "gdbstub/target_xml.h"
#include "vmm/tcg/translator.h"

namespace vmm::gdb {

// A name that begins another comes after it.
const Session::Verb* Session::find_verb(std::string_view payload) {
    static constexpr Verb kVerbs[] = {
        {"!", true, &Session::accept},
        {"?", true, &Session::why_stopped},
        {"g", true, &Session::read_registers},
        {"G", false, &Session::write_registers},
        {"p", false, &Session::read_register},
        {"P", false, &Session::write_register},
        {"m", false, &Session::read_memory},
        {"M", false, &Session::write_memory},
        {"x", false, &Session::read_memory_binary},
        {"X", false, &Session::write_memory_binary},
        {"Z", false, &Session::insert_point},
        {"z", false, &Session::remove_point},
        {"vCont?", true, &Session::v_cont_actions},
        {"vCont", false, &Session::v_cont},
        {"vKill", false, &Session::v_kill},
        {"c", false, &Session::go_on},
        {"s", false, &Session::step},
        {"C", false, &Session::go_on_signal},
        {"S", false, &Session::step_signal},
        {"bs", true, &Session::back_step},
        {"bc", true, &Session::back},
        {"D", false, &Session::detach},
        {"k", true, &Session::kill},
        {"H", false, &Session::accept},
        {"T", false, &Session::accept},
        {"qSupported", false, &Session::supported},
        {"qXfer:features:read:", false, &Session::features},
        {"qfThreadInfo", true, &Session::thread_info},
        {"qsThreadInfo", true, &Session::rest_of_threads},
        {"qThreadExtraInfo,", false, &Session::thread_name},
        {"qC", true, &Session::this_thread},
        {"qAttached", false, &Session::attached},
        {"qSymbol:", false, &Session::accept},
        {"qOffsets", true, &Session::offsets},
        {"qRcmd,", false, &Session::monitor_command},
        {"Qvmm.Flushes:", false, &Session::set_flushes},
        {"qqemu.PhyMemMode", true, &Session::physical_mode},
        {"Qqemu.PhyMemMode:", false, &Session::set_physical_mode},
        {"qqemu.sstepbits", true, &Session::step_bits},
        {"qqemu.sstep", true, &Session::step_mode},
        {"Qqemu.sstep=", false, &Session::set_step_mode},
    };
    const auto* it = std::find_if(std::begin(kVerbs), std::end(kVerbs),
                                  [&](const Verb& v) { return v.whole ? payload == v.name : payload.starts_with(v.name); });
    return it == std::end(kVerbs) ? nullptr : it;
}

void Session::supported(std::string_view text) {
    says_swbreak_ = text.find("swbreak+") != std::string_view::npos;
    says_hwbreak_ = text.find("hwbreak+") != std::string_view::npos;
    std::string out = "PacketSize=" + hex_number(kPacketSize) +
                      ";QStartNoAckMode+;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+;binary-upload+;multiprocess-";
    if (control_.travel() != nullptr) out += ";ReverseStep+;ReverseContinue+";
    host_.send(out);
}

// ANNEX:OFFSET,LENGTH
void Session::features(std::string_view text) {
    if (!take(text, "target.xml:")) return host_.send("E00");
    const auto offset = take_hex(text);
    const bool comma = take(text, ",");
    const auto length = take_hex(text);
    if (!offset || !comma || !length || !text.empty()) return malformed();
    const std::string xml = target_xml();
    if (*offset > xml.size()) return error("beyond the end of the target description");
    // Escapes may double the bytes on the line.
    const std::string piece = xml.substr(*offset, std::min<u64>(*length, kPacketSize / 2));
    host_.send((*offset + piece.size() < xml.size() ? "m" : "l") + piece);
}

void Session::thread_info(std::string_view) { host_.send("m01"); }
void Session::rest_of_threads(std::string_view) { host_.send("l"); }
void Session::this_thread(std::string_view) { host_.send("QC01"); }
void Session::attached(std::string_view) { host_.send("1"); }
void Session::offsets(std::string_view) { host_.send("Text=0;Data=0;Bss=0"); }

void Session::thread_name(std::string_view) {
    host_.send(to_hex(std::string_view(control_.machine().translator().state().halted ? "CPU 0 [halted]" : "CPU 0 [running]")));
}

// --- monitor commands ----------------------------------------------------------------------------------------------------------

void Session::monitor_command(std::string_view text) {
    const auto bytes = from_hex(text);
    if (!bytes) return malformed();
    sync_points();                               // gdb took its own away before it asked
    commanding_ = true;
    const Icount before = control_.machine().icount();
    monitor::Context context{control_,
                             [weak = weak_from_this()](std::string_view piece) {
                                 if (const auto self = weak.lock()) self->console(piece);
                             },
                             [weak = weak_from_this(), before] {
                                 const auto self = weak.lock();
                                 if (!self) return;
                                 self->commanding_ = false;
                                 self->hint(before);
                                 self->ok();
                             }};
    commands_.run({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, context);
}

// gdb cannot be told that the machine is elsewhere.
void Session::hint(Icount before) {
    if (control_.machine().icount() == before || std::exchange(flushes_, true)) return;
    console("(gdb's registers are those of before: 'maintenance flush register-cache', or 'source tools/gdb/vmm.gdb' once, which sees to it)\n");
}

void Session::set_flushes(std::string_view) {
    flushes_ = true;
    ok();
}

// --- QEMU's own ------------------------------------------------------------------------------------------------------------------

void Session::physical_mode(std::string_view) { host_.send(physical_ ? "1" : "0"); }

void Session::set_physical_mode(std::string_view text) {
    if (text != "0" && text != "1") return error("Qqemu.PhyMemMode is 0 or 1");
    physical_ = text == "1";
    ok();
}

// A step is a step of guest time, with the interrupts that are due: masking them would make another run of it.
void Session::step_bits(std::string_view) { host_.send("ENABLE=1"); }
void Session::step_mode(std::string_view) { host_.send("0x1"); }

void Session::set_step_mode(std::string_view text) {
    take(text, "0x");
    const auto mode = take_hex(text);
    if (!mode || !text.empty()) return malformed();
    if (*mode != 1) return error("a step cannot leave out interrupts or timers: that would be another run; only 0x1 is possible");
    ok();
}

}  // namespace vmm::gdb
