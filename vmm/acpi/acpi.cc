// SPDX-License-Identifier: Apache-2.0
#include "vmm/acpi/acpi.h"

#include <algorithm>
#include <string_view>

#include "vmm/bytes.h"
#include "vmm/check.h"

namespace vmm {

extern const std::span<const u8> kDsdtAml;   // generated from dsdt.asl

namespace {

constexpr std::string_view kRsdpFile = "etc/acpi/rsdp", kTablesFile = "etc/acpi/tables", kLoaderFile = "etc/table-loader";
constexpr std::size_t kHeaderBytes = 36, kChecksumAt = 9;

// --- the loader script: entries of 128 bytes ---------------------------------------------------------------

constexpr std::size_t kEntryBytes = 128, kFileField = 56;
constexpr u32 kAllocate = 1, kAddPointer = 2, kAddChecksum = 3;
constexpr u8 kZoneHigh = 1, kZoneFseg = 2;   // anywhere, or in E0000h-FFFFFh where the RSDP is looked for

class Script {
  public:
    void allocate(std::string_view file, u32 alignment, u8 zone) {
        begin(kAllocate);
        name(file);
        append_le(out_, alignment, 4);
        out_.push_back(zone);
        end();
    }
    // Adds the address of `target` to the 32 bits at `offset` of `file`.
    void add_pointer(std::string_view file, std::string_view target, std::size_t offset) {
        begin(kAddPointer);
        name(file);
        name(target);
        append_le(out_, offset, 4);
        out_.push_back(4);
        end();
    }
    void add_checksum(std::string_view file, std::size_t at, std::size_t start, std::size_t length) {
        begin(kAddChecksum);
        name(file);
        append_le(out_, at, 4);
        append_le(out_, start, 4);
        append_le(out_, length, 4);
        end();
    }
    std::vector<u8> take() { return std::move(out_); }

  private:
    void begin(u32 command) {
        end_ = out_.size() + kEntryBytes;
        append_le(out_, command, 4);
    }
    void name(std::string_view file) {
        out_.insert(out_.end(), file.begin(), file.end());
        out_.insert(out_.end(), kFileField - file.size(), u8{0});
    }
    void end() { out_.resize(end_, 0); }

    std::vector<u8> out_;
    std::size_t end_ = 0;
};

// --- tables ------------------------------------------------------------------------------------------------

void append_text(std::vector<u8>& out, std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }

std::vector<u8> table(std::string_view signature, u8 revision) {
    std::vector<u8> out;
    append_text(out, signature);
    append_le(out, 0, 4);                    // length, see finish()
    append_le(out, revision, 1);
    append_le(out, 0, 1);                    // checksum
    append_text(out, "VMM   ");
    append_text(out, "VMMPC   ");
    append_le(out, 1, 4);
    append_text(out, "VMM ");
    append_le(out, 1, 4);
    return out;
}

void append_bytes(std::vector<u8>& out, std::initializer_list<u8> bytes) { out.insert(out.end(), bytes); }

void finish(std::vector<u8>& t) { store_le(t, 4, t.size(), 4); }

void sum(std::span<u8> t) {
    t[kChecksumAt] = 0;
    u8 total = 0;
    for (const u8 byte : t) total = static_cast<u8>(total + byte);
    t[kChecksumAt] = static_cast<u8>(-total);
}

std::vector<u8> facs() {
    std::vector<u8> out;
    append_text(out, "FACS");
    append_le(out, 64, 4);
    out.resize(64, 0);
    return out;
}

// Fields by their names in ACPI 1.0b, table 5-5.
constexpr std::size_t kFirmwareCtrl = 36, kDsdt = 40;
std::vector<u8> fadt(const BoardInfo& board) {
    auto t = table("FACP", 1);
    t.resize(116, 0);
    const auto put = [&t](std::size_t at, u64 value, unsigned bytes) { store_le(t, at, value, bytes); };
    put(44, 1, 1);                           // INT_MODEL: 8259s and APICs
    put(46, 9, 2);                           // SCI_INT
    put(48, 0xb2, 4);                        // SMI_CMD: the APM control port
    put(52, 0xf1, 1);                        // ACPI_ENABLE
    put(53, 0xf0, 1);                        // ACPI_DISABLE
    put(56, board.pm_base, 4);               // PM1a_EVT_BLK
    put(64, board.pm_base + 4u, 4);          // PM1a_CNT_BLK
    put(76, board.pm_base + 8u, 4);          // PM_TMR_BLK
    put(80, 0xafe0, 4);                      // GPE0_BLK
    put(88, 4, 1);                           // PM1_EVT_LEN
    put(89, 2, 1);                           // PM1_CNT_LEN
    put(91, 4, 1);                           // PM_TM_LEN
    put(92, 4, 1);                           // GPE0_BLK_LEN
    put(96, 0xfff, 2);                       // P_LVL2_LAT: no C2
    put(98, 0xfff, 2);                       // P_LVL3_LAT: no C3
    put(108, 0x32, 1);                       // CENTURY
    constexpr u32 kWbinvd = 1u << 0, kProcC1 = 1u << 2, kNoFixedSleepButton = 1u << 5, kNoFixedRtcWake = 1u << 6;
    put(112, kWbinvd | kProcC1 | kNoFixedSleepButton | kNoFixedRtcWake, 4);
    finish(t);
    return t;
}

std::vector<u8> madt() {
    auto t = table("APIC", 1);
    append_le(t, 0xfee00000, 4);             // local APIC
    append_le(t, 1, 4);                      // PCAT_COMPAT: there are 8259s
    append_bytes(t, {0, 8, 0, 0, 1, 0, 0, 0});   // processor 0, APIC id 0, enabled
    append_bytes(t, {1, 12, 0, 0});          // I/O APIC id 0
    append_le(t, 0xfec00000, 4);
    append_le(t, 0, 4);                      // its first interrupt
    const auto override = [&t](u8 irq, u32 gsi, u16 flags) {
        append_bytes(t, {2, 10, 0, irq});
        append_le(t, gsi, 4);
        append_le(t, flags, 2);
    };
    constexpr u16 kAsOnBus = 0, kLevelActiveHigh = 0x0d;
    override(0, 2, kAsOnBus);                // the 8254 is on pin 2
    for (const u8 irq : {u8{5}, u8{9}, u8{10}, u8{11}}) override(irq, irq, kLevelActiveHigh);   // SCI and PCI
    append_bytes(t, {4, 6, 0xff, 0, 0, 1});  // every processor: LINT1 is NMI
    finish(t);
    sum(t);
    return t;
}

// Replaces the value of Name (NAME, placeholder): NameOp, four characters, DWordPrefix, value.
void fill_in(std::vector<u8>& aml, std::string_view name, u32 placeholder, u32 value) {
    std::vector<u8> pattern = {0x08};
    append_text(pattern, name);
    pattern.push_back(0x0c);
    append_le(pattern, placeholder, 4);
    const auto at = std::search(aml.begin(), aml.end(), pattern.begin(), pattern.end());
    CHECK(at != aml.end(), "the DSDT has no such value to fill in");
    store_le(aml, static_cast<std::size_t>(at - aml.begin()) + 6, value, 4);
}

// Where SeaBIOS begins to give addresses to PCI memory, which depends on the RAM size alone.
u32 pci_window(u64 ram_bytes) {
    if (ram_bytes <= 0x8000'0000) return 0x8000'0000;
    return ram_bytes <= 0xc000'0000 ? 0xc000'0000 : 0xe000'0000;
}

std::vector<u8> dsdt(const BoardInfo& board) {
    std::vector<u8> t(kDsdtAml.begin(), kDsdtAml.end());
    u32 ports = 0;
    for (unsigned i = 0; i < board.serial.size(); ++i) ports |= board.serial[i] ? 1u << i : 0;
    fill_in(t, "CFGS", 0x5a5ac0fe, ports);
    fill_in(t, "PWIN", 0x5a5ac1fe, pci_window(board.ram_bytes));
    sum(t);
    return t;
}

}  // namespace

AcpiTables build_acpi(const BoardInfo& board) {
    AcpiTables out;
    auto& blob = out.tables;
    const auto place = [&blob](const std::vector<u8>& t) {
        blob.resize((blob.size() + 15) & ~std::size_t{15}, 0);
        const std::size_t at = blob.size();
        blob.insert(blob.end(), t.begin(), t.end());
        return at;
    };
    Script script;
    script.allocate(kRsdpFile, 16, kZoneFseg);
    script.allocate(kTablesFile, 64, kZoneHigh);   // 64: the FACS, which comes first

    // Pointers hold offsets in the file; the firmware adds its address, then sums what has pointers.
    const auto link = [&](std::size_t pointer_at, std::size_t target) {
        store_le(blob, pointer_at, target, 4);
        script.add_pointer(kTablesFile, kTablesFile, pointer_at);
    };
    const std::size_t facs_at = place(facs());
    const std::size_t dsdt_at = place(dsdt(board));
    const auto fadt_table = fadt(board);
    const std::size_t fadt_at = place(fadt_table);
    link(fadt_at + kFirmwareCtrl, facs_at);
    link(fadt_at + kDsdt, dsdt_at);
    script.add_checksum(kTablesFile, fadt_at + kChecksumAt, fadt_at, fadt_table.size());
    const std::size_t madt_at = place(madt());

    auto rsdt = table("RSDT", 1);
    rsdt.resize(kHeaderBytes + 2 * 4, 0);
    finish(rsdt);
    const std::size_t rsdt_at = place(rsdt);
    link(rsdt_at + kHeaderBytes, fadt_at);
    link(rsdt_at + kHeaderBytes + 4, madt_at);
    script.add_checksum(kTablesFile, rsdt_at + kChecksumAt, rsdt_at, rsdt.size());

    append_text(out.rsdp, "RSD PTR ");
    append_le(out.rsdp, 0, 1);                     // checksum
    append_text(out.rsdp, "VMM   ");
    append_le(out.rsdp, 0, 1);                     // revision: ACPI 1.0
    append_le(out.rsdp, rsdt_at, 4);
    script.add_pointer(kRsdpFile, kTablesFile, 16);
    script.add_checksum(kRsdpFile, 8, 0, out.rsdp.size());
    out.loader = script.take();
    return out;
}

void add_acpi(FwCfg& fw_cfg, const BoardInfo& board) {
    auto acpi = build_acpi(board);
    fw_cfg.add_file(kRsdpFile, std::move(acpi.rsdp));
    fw_cfg.add_file(kTablesFile, std::move(acpi.tables));
    fw_cfg.add_file(kLoaderFile, std::move(acpi.loader));
}

}  // namespace vmm
