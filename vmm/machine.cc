// SPDX-License-Identifier: Apache-2.0
#include "vmm/machine.h"

#include <cstring>

#include "vmm/board.h"
#include "vmm/chaos.h"
#include "vmm/disks.h"
#include "vmm/tcg/cpu_model.h"
#include "vmm/tcg/translator.h"

namespace vmm {
namespace {
constexpr u64 kExtraBytes = 48u << 20;   // ROM images, video memory
}

Machine::Machine(const MachineConfig& config) : clock_(config.shift), timers_(clock_), no_reboot_(config.no_reboot) {}

Machine::~Machine() = default;

Result<std::unique_ptr<Machine>> Machine::create(const MachineConfig& config, Outputs outputs) {
    std::unique_ptr<Machine> machine(new Machine(config));
    if (auto built = machine->build(config, std::move(outputs)); !built) return built.error();
    return machine;
}

Result<void> Machine::build(const MachineConfig& config, Outputs outputs) {
    const auto model = tcg::find_cpu_model(config.cpu);
    if (!model) return model.error();
    if (!config.cpu_add.empty() || !config.cpu_remove.empty()) {
        const std::string feature = config.cpu_add.empty() ? "-" + config.cpu_remove[0] : "+" + config.cpu_add[0];
        return Error{"-cpu " + config.cpu + "," + feature + ": single features cannot be changed yet, choose a model (-cpu help)"};
    }
    const auto firmware = Board::read_firmware(config);
    if (!firmware) return firmware.error();
    const auto vga_bios = Board::read_vga_bios(config);
    if (!vga_bios) return vga_bios.error();
    disks_ = std::make_unique<Disks>(clock_, inbox_);
    if (config.disk_exact) disks_->set_patience_ns(Disks::kForever);
    for (const auto& image : config.images)
        if (auto opened = disks_->add(image); !opened) return Error{"-drive " + image.id + ": " + opened.error().text};
    memory_ = std::make_unique<Memory>(config.ram_bytes, kExtraBytes, mmio_);
    engine_ = std::make_unique<tcg::Translator>(*memory_, ports_, clock_, timers_, pins_, **model);
    call_ = outputs.call;
    BoardSignals signals;
    signals.reset = [this](bool hard) {
        if (hard) ask(Stop::Reset);
        else pins_.raise_init();
    };
    signals.power_off = [this] { ask(Stop::PowerOff); };
    signals.debug_exit = [this](int code) {
        exit_code_ = code;
        ask(Stop::DebugExit);
    };
    board_ = std::make_unique<Board>(Wires{clock_, timers_, ports_, mmio_, *memory_, pins_, inbox_, *disks_}, config, *firmware, *vga_bios,
                                     std::move(outputs), std::move(signals));
    if (config.chaos) {
        chaos_ = std::make_unique<Chaos>(*config.chaos, clock_, timers_, pins_, *pins_.source);
        pins_.source = chaos_.get();
    }
    engine_->cpu().apic_base_changed = [this](u64 base) { board_->set_apic_base(base); };
    if (auto loaded = board_->prepare_boot(config); !loaded) return loaded;
    inbox_.on(InputKind::Request, static_cast<u8>(RequestKind::Reset), [this](const Input&) { ask(Stop::Reset); });
    inbox_.on(InputKind::Request, static_cast<u8>(RequestKind::PowerButton), [this](const Input&) { power_button(); });
    inbox_.on(InputKind::Request, static_cast<u8>(RequestKind::Nmi), [this](const Input&) { pins_.raise_nmi(); });
    inbox_.on(InputKind::Request, static_cast<u8>(RequestKind::SetMemory), [this](const Input& input) { set_memory(input.data); });
    inbox_.on(InputKind::Request, static_cast<u8>(RequestKind::SetRegisters), [this](const Input& input) { set_registers(input.data); });
    engine_->reset(false);
    return {};
}

void Machine::ask(Stop stop) {
    asked_ = stop;
    timers_.attention = true;
}

void Machine::reset() {
    board_->reset();
    board_->boot_again();
    pins_.s = {};
    engine_->reset(false);
}

void Machine::set_memory(std::string_view data) {
    GuestPhys at{0};
    if (data.size() < 8) return;
    std::memcpy(&at.v, data.data(), 8);
    const auto* bytes = reinterpret_cast<const u8*>(data.data());
    for (std::size_t i = 8; i < data.size(); ++i, at += 1) {
        // Memory only: a debugger never touches a device. ROM can be patched.
        const auto view = memory_->view(at);
        if (view.read == Memory::PageView::kNone) continue;
        const u32 offset = static_cast<u32>(at.v & (kPageSize - 1));
        memory_->page(view.read)[offset] = bytes[i];
        memory_->written(view.read, offset, 1);
    }
}

void Machine::set_registers(std::string_view data) {
    CpuState state;
    LoadArchive ar({reinterpret_cast<const u8*>(data.data()), data.size()});
    vmm::serialize(ar, state);
    if (!ar.failed() && ar.left() == 0) engine_->set_state(state);
}

void Machine::power_button() { board_->power_button(); }

Stop Machine::run(Icount limit) {
    for (;;) {
        run_due();
        timers_.attention = false;
        if (asked_) {
            const Stop stop = *asked_;
            asked_.reset();
            if (stop == Stop::Reset && !no_reboot_) reset();
            return stop;
        }
        if (clock_.icount() >= limit) return Stop::Limit;
        Icount target = limit;
        if (const auto next = next_deadline()) target = std::min(target, clock_.first_at(*next));
        switch (engine_->run(target)) {
            case StopReason::TripleFault:
                if (call_) call_(GuestCall::TripleFault, 0);
                ask(Stop::Reset);
                break;
            case StopReason::Halted: return Stop::Idle;
            case StopReason::DebugPoint:
                // The timers of this position fire before anyone looks.
                run_due();
                if (!asked_) return Stop::DebugPoint;
                break;
            default: break;
        }
    }
}

void Machine::run_due() {
    timers_.run_due();
    if (chaos_) chaos_->run_due();
}

std::optional<GuestTime> Machine::next_deadline() const {
    const auto timer = timers_.next(), held = chaos_ ? chaos_->deadline() : std::nullopt;
    return timer && held ? std::min(*timer, *held) : timer ? timer : held;
}

void Machine::idle_jump(GuestTime upto) {
    const auto next = next_deadline();
    clock_.jump_to(next ? std::min(*next, upto) : upto);
}

void Machine::serialize(Archive& ar) {
    ar.field("clock", clock_);
    ar.field("timers", timers_);
    ar.field("pins", pins_);
    CpuState cpu = engine_->state();
    ar.field("cpu", cpu);
    bool a20 = memory_->a20();
    ar.field("a20", a20);
    if (ar.loading() && !ar.failed()) {
        memory_->set_a20(a20);
        engine_->set_state(cpu);
    }
    if (chaos_) {
        chaos_->loading(ar.loading());                   // until loaded()
        ar.field("chaos", *chaos_);
    }
    board_->serialize(ar);
    if (disks_->queues().empty()) return;
    ar.enter("disk-content");
    disks_->serialize(ar);
    ar.leave();
}

u64 Machine::state_hash() {
    SaveArchive ar;
    serialize(ar);
    const auto bytes = ar.take();
    return hash_bytes(bytes) * 0x9e3779b97f4a7c15 + memory_->content_hash();
}

std::vector<Machine::StatePart> Machine::state_parts() {
    SectionArchive ar;
    serialize(ar);
    const auto sections = ar.sections();
    const auto bytes = ar.take();
    std::vector<StatePart> out;
    for (std::size_t i = 0; i < sections.size(); ++i) {
        const std::size_t begin = sections[i].begin, end = i + 1 < sections.size() ? sections[i + 1].begin : bytes.size();
        const u64 hash = hash_bytes(std::span(bytes).subspan(begin, end - begin));
        out.push_back({sections[i].name, static_cast<u32>(hash)});
    }
    return out;
}

std::vector<u8> Machine::save() {
    SaveArchive ar;
    disks_->serialize_content(ar);
    serialize(ar);
    u32 pages = 0;
    static constexpr u8 kZero[kPageSize] = {};
    std::vector<u8> content;
    for (u32 p = 0; p < memory_->store_pages(); ++p) {
        const u8* data = memory_->page(p);
        if (std::memcmp(data, kZero, kPageSize) == 0) continue;
        ++pages;
        for (unsigned i = 0; i < 4; ++i) content.push_back(static_cast<u8>(p >> (8 * i)));
        content.insert(content.end(), data, data + kPageSize);
    }
    ar.field("pages", pages);
    auto out = ar.take();
    out.insert(out.end(), content.begin(), content.end());
    return out;
}

Result<void> Machine::load(std::span<const u8> image) {
    const Error bad{"the machine image is damaged or of another machine"};
    LoadArchive ar(image);
    disks_->serialize_content(ar);
    serialize(ar);
    u32 pages = 0;
    ar.field("pages", pages);
    const u64 content = u64{pages} * (kPageSize + 4);
    if (ar.failed() || ar.left() != content) return bad;
    std::span<const u8> in = image.subspan(image.size() - content);
    std::vector<u8> seen(memory_->store_pages(), 0);
    for (u32 i = 0; i < pages; ++i, in = in.subspan(kPageSize + 4)) {
        u32 p = 0;
        for (unsigned b = 0; b < 4; ++b) p |= u32{in[b]} << (8 * b);
        if (p >= memory_->store_pages()) return bad;
        seen[p] = 1;
        if (std::memcmp(memory_->page(p), in.data() + 4, kPageSize) == 0) continue;
        std::memcpy(memory_->page(p), in.data() + 4, kPageSize);
        memory_->written(p, 0, kPageSize);
    }
    static constexpr u8 kZero[kPageSize] = {};
    for (u32 p = 0; p < memory_->store_pages(); ++p) {
        if (seen[p] != 0 || std::memcmp(memory_->page(p), kZero, kPageSize) == 0) continue;
        std::memset(memory_->page(p), 0, kPageSize);
        memory_->written(p, 0, kPageSize);
    }
    loaded();
    return {};
}

bool Machine::load_state(std::span<const u8> state) {
    LoadArchive ar(state);
    serialize(ar);
    loaded();
    return !ar.failed() && ar.left() == 0;
}

void Machine::loaded() {
    board_->after_load();
    if (chaos_) chaos_->loading(false);
    timers_.attention = false;
    asked_.reset();
}

std::vector<std::string> Machine::difference(Machine& a, Machine& b) {
    DumpArchive x, y;
    a.serialize(x);
    b.serialize(y);
    auto out = diff_dumps(x, y);
    for (u32 p = 0; p < a.memory().store_pages() && out.size() < 40; ++p) {
        const u8 *l = a.memory().page(p), *r = b.memory().page(p);
        if (std::memcmp(l, r, kPageSize) == 0) continue;
        u32 at = 0;
        while (l[at] == r[at]) ++at;
        char text[96];
        std::snprintf(text, sizeof text, "memory page 0x%x offset 0x%x: 0x%02x != 0x%02x", p, at, l[at], r[at]);
        out.emplace_back(text);
    }
    return out;
}

}  // namespace vmm
