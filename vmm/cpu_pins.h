// SPDX-License-Identifier: Apache-2.0
// The pins of the processor package, as the board drives them and an engine reads them at step boundaries.
#pragma once

#include "vmm/archive.h"
#include "vmm/device.h"
#include "vmm/types.h"

namespace vmm {

// Who says which vector is taken. acknowledge() is the INTA cycle; call it only when an interrupt is being delivered.
class InterruptSource {
  public:
    virtual ~InterruptSource() = default;
    virtual bool pending() const = 0;
    virtual u8 acknowledge() = 0;
    virtual void raised() {}                           // pending() may have become true
};

class CpuPins {
  public:
    struct State {
        bool nmi = false;        // latched edge, cleared by the engine on delivery
        bool init = false;       // INIT#: CPU reset that keeps FPU, MTRRs and caches; cleared by the engine
    };

    void raise_nmi() { s.nmi = true; attention = true; }
    void raise_init() { s.init = true; attention = true; }
    void intr_changed() {                              // call whenever source->pending() may have become true
        if (source != nullptr) source->raised();
        attention = true;
    }

    InterruptSource* source = nullptr;
    IrqLine ferr;                                      // FERR#: to IRQ 13
    bool ignne = false;                                // IGNNE#: set by port F0, cleared when FERR# goes away
    State s;

    // An engine looks at the pins at the next boundary when this is set, and clears it.
    bool attention = false;

    void serialize(Archive& ar) {
        VMM_FIELDS(ar, s, nmi, init);
        ar.field("ignne", ignne);
    }
};

}  // namespace vmm
