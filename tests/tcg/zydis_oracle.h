// SPDX-License-Identifier: Apache-2.0
// Zydis as the outside opinion on instruction bytes, set to the processors we model: no MPX, CET, BMI reinterpretation of
// older encodings. What Zydis knows and our models do not have is newer(), named by instruction-set extension.
#pragma once

#include <Zydis/Zydis.h>

#include <algorithm>
#include <span>
#include <string>

#include "vmm/types.h"

namespace vmm::test {

class Zydis {
  public:
    explicit Zydis(bool code32) {
        ZydisDecoderInit(&decoder_, code32 ? ZYDIS_MACHINE_MODE_LEGACY_32 : ZYDIS_MACHINE_MODE_LEGACY_16,
                         code32 ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_16);
        // Encodings that are older instructions (0F NOPs, BSF, BSR, WBINVD) on our models.
        for (const auto mode : {ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_CET, ZYDIS_DECODER_MODE_LZCNT,
                                ZYDIS_DECODER_MODE_TZCNT, ZYDIS_DECODER_MODE_WBNOINVD, ZYDIS_DECODER_MODE_CLDEMOTE})
            ZydisDecoderEnableMode(&decoder_, mode, ZYAN_FALSE);
        ZydisFormatterInit(&formatter_, ZYDIS_FORMATTER_STYLE_INTEL);
        const auto set = [this](ZydisFormatterProperty property, ZyanUPointer value) {
            ZydisFormatterSetProperty(&formatter_, property, value);
        };
        set(ZYDIS_FORMATTER_PROP_FORCE_SIZE, 1);
        set(ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, 0);
        set(ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, 0);
        set(ZYDIS_FORMATTER_PROP_DISP_PADDING, 0);
        set(ZYDIS_FORMATTER_PROP_IMM_PADDING, 0);
        set(ZYDIS_FORMATTER_PROP_IMM_SIGNEDNESS, ZYDIS_SIGNEDNESS_UNSIGNED);
        set(ZYDIS_FORMATTER_PROP_DISP_SIGNEDNESS, ZYDIS_SIGNEDNESS_SIGNED);
    }

    bool decode(std::span<const u8> bytes) {
        return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder_, nullptr, bytes.data(), bytes.size(), &insn));
    }

    // Intel syntax with explicit sizes and plain numbers; the instruction is at `address`.
    std::string text(std::span<const u8> bytes, u32 address) {
        ZydisDecodedInstruction full;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder_, bytes.data(), bytes.size(), &full, operands))) return "(invalid)";
        char out[256];
        ZydisFormatterFormatInstruction(&formatter_, &full, operands, full.operand_count_visible, out, sizeof out, address, nullptr);
        return out;
    }

    unsigned length() const { return insn.length; }
    const char* mnemonic() const { return ZydisMnemonicGetString(insn.mnemonic); }

    // Valid for Zydis only because it knows later or other processors.
    bool newer() const {
        constexpr ZydisISAExt kOurs[] = {
            ZYDIS_ISA_EXT_BASE, ZYDIS_ISA_EXT_X87, ZYDIS_ISA_EXT_MMX, ZYDIS_ISA_EXT_SSE, ZYDIS_ISA_EXT_SSE2,
            ZYDIS_ISA_EXT_SSE3, ZYDIS_ISA_EXT_MONITOR, ZYDIS_ISA_EXT_PAUSE, ZYDIS_ISA_EXT_CLFSH, ZYDIS_ISA_EXT_LONGMODE,
            ZYDIS_ISA_EXT_PREFETCHWT1,
        };
        // AMD's SYSCALL and SYSRET outside of 64-bit mode, which Intel processors never had.
        if (insn.mnemonic == ZYDIS_MNEMONIC_SYSCALL || insn.mnemonic == ZYDIS_MNEMONIC_SYSRET) return true;
        // 0F 0D: a NOP for whoever lacks 3DNow! (insn_table_integer.cc).
        if (insn.mnemonic == ZYDIS_MNEMONIC_PREFETCH || insn.mnemonic == ZYDIS_MNEMONIC_PREFETCHW) return false;
        return std::find(std::begin(kOurs), std::end(kOurs), insn.meta.isa_ext) == std::end(kOurs);
    }

    ZydisDecodedInstruction insn{};

  private:
    ZydisDecoder decoder_{};
    ZydisFormatter formatter_{};
};

}  // namespace vmm::test
