// SPDX-License-Identifier: Apache-2.0
// See qemu_departures.h. Seen with QEMU 7.2; sections are those of the SDM, volume 3, unless a volume is named.
#include "tests/tcg/qemu_departures.h"

#include <string_view>

#include "tests/tcg/stepper.h"

namespace vmm::tcg::test {

namespace {

enum class Kind { Departs, Unseen };
struct Entry {
    std::string_view test;     // suite.name, or suite.* for all of it
    Kind kind;
    std::string_view reason;
};

constexpr std::string_view kLimits = "checks no limit and no type of a segment on data accesses and transfers (5.3, 5.5)",
                           kNoVme = "has neither VME nor PVI (20.3, 20.4)",
                           kNoAlignment = "does not check alignment (6.15, interrupt 17)",
                           kReserved = "ignores or keeps reserved bits of control registers and MSRs instead of #GP (2.5; volume 2, WRMSR)",
                           kOtherModel = "models are other processors, and not each instruction and MSR follows CPUID (volume 2, CPUID)",
                           kPorts = "port 300 of the test's board is not there",
                           kInt1 = "has no INT1 (volume 2, INT n)",
                           kNoRf = "sets RF neither in the image of EFLAGS that a fault pushes nor between iterations of REP (17.3.1.1)",
                           kStackNp = "does not say #SS for a new stack segment that is not present (6.15, interrupt 12; table 7-1)",
                           kStubBreaks = "its debugger's stub takes a stop at an address in DR0 to DR3 for a hit of its own",
                           kNoExt = "leaves EXT out of the error code of a fault in the delivery of an event (6.13)";
constexpr Kind kDeparts = Kind::Departs, kUnseen = Kind::Unseen;

constexpr Entry kEntries[] = {
    {"Privileged.OperandsOfUsersMustBeAlignedUnderAmAndAc", kDeparts, kNoAlignment},
    {"Interrupts.AlignmentFaultsThatFollowEachOtherForEverShutTheProcessorDown", kDeparts, kNoAlignment},
    {"Privileged.CallGateBeyondTheLimitOfItsCodeIsGp0AndPushesNothing", kDeparts, kLimits},
    {"FarTransfer.RealMode32BitJumpBeyond64KIsGp", kDeparts, kLimits},
    {"FarTransfer.InnerStackWithoutRoomIsSsWithItsSelector", kDeparts, kLimits},
    {"Segmentation.NullLoadsIntoDataSegmentAndFaultsOnUse", kDeparts, kLimits},
    {"Segmentation.AccessPastTheLimitIsGpAndThroughSsIsSs", kDeparts, kLimits},
    {"Segmentation.ExpandDownSegmentAllowsOnlyAboveItsLimit", kDeparts, kLimits},
    {"Segmentation.PushBelowAStackSegmentIsSs0", kDeparts, kLimits},
    {"System.InsChecksItsDestinationBeforeThePortIsRead", kDeparts, kLimits},
    {"Privileged.IretToAStackThatIsAbsentFaultsInTheInnerRing", kDeparts, kStackNp},
    {"Gates.InnerStackThatIsNotPresentIsSs", kDeparts, kStackNp},
    {"BadTask.StackThatIsNotPresentIsSs", kDeparts, kStackNp},
    {"Interrupts.FromV86OnlyRing0MayBeEntered", kDeparts, "lets a gate lead from virtual-8086 mode to ring 1 (volume 2, INT n; 20.3.1)"},
    {"Privileged.IcebpIsAVectorOneInterruptWithoutBs", kDeparts, kInt1},
    {"Interrupts.Int3AndIntoNeedTheDplAndIcebpDoesNot", kDeparts, kInt1},
    {"Privileged.Dr6KeepsWhatItHasAndASingleStepAddsBs", kDeparts, "clears B0 to B3 at a single step, which the manual leaves open (17.2.3)"},
    {"Interrupts.GeneralDetectFaultsBeforeTheAccessAndClearsGd", kDeparts, "has no general-detect condition (17.2.4, GD)"},
    {"Privileged.BreakpointsCoverTheirLengthAndNoMore", kDeparts,
     "once a data breakpoint was hit, traps unaligned writes beside it as well, at least under its debugger's stub (17.2.5)"},
    {"Interrupts.InstructionBreakpointIsAFault", kUnseen, kStubBreaks},
    {"Interrupts.RfPassesAnInstructionBreakpoint", kUnseen, kStubBreaks},
    {"TaskSwitch.LocalBreakpointsAreSwitchedOff", kDeparts, "leaves LE set in a task switch (17.2.4: L0 to L3; LE up to the Pentium)"},
    {"TaskSwitch.DebugTrapBitRaisesDbBeforeTheFirstInstruction", kDeparts, "does not look at the T bit of a TSS (7.2.1, 17.3.1.5)"},
    {"TaskSwitch.InterruptThroughTaskGatePushesTheErrorCodeInTheNewTask", kDeparts, kNoRf},
    {"Interrupts.ExceptionPushesErrorCodeAndRf", kDeparts, kNoRf},
    {"RepIterations.StopsBetweenIterationsWithRfSet", kDeparts, kNoRf},
    {"RepIterations.PushesRfWhenAnInterruptComesBetweenIterations", kDeparts, kNoRf},
    {"RepIterations.MeetsItsInstructionBreakpointOnce", kUnseen, kStubBreaks},
    {"Gates.LoadOfSsHoldsBackAnNmiForOneInstruction", kDeparts, "takes an NMI after MOV SS at once (6.8.3)"},
    {"Interrupts.NotPresentGateIsNpWithExtForHardware", kDeparts, kNoExt},
    {"Interrupts.FaultAfterABenignExceptionIsDeliveredByItself", kDeparts, kNoExt},
    {"Privileged.CliAndStiOfAVirtualProgramActOnVif", kDeparts, kNoVme},
    {"Privileged.PviLeavesPushfAndPopfAlone", kDeparts, kNoVme},
    {"System.PviVirtualizesStiInRing3", kDeparts, kNoVme},
    {"System.PushfInV86NeedsIopl3OrVme", kDeparts, kNoVme},
    {"System.PopfInV86WithVmeGoesToVifAndFaultsOnTf", kDeparts, kNoVme},
    {"FarTransfer.IretInV86WithVmeMovesIfToVif", kDeparts, kNoVme},
    {"Interrupts.VmeRedirectsToTheProgramsOwnHandler", kDeparts, kNoVme},
    {"System.PagingWithoutProtectionIsGp0", kDeparts, "takes PG without PE (2.5, CR0.PG)"},
    {"System.NotWriteThroughWithoutCacheDisableIsGp0", kDeparts, "takes NW without CD (2.5, CR0.NW; table 11-5)"},
    {"System.ReservedBitsOfCr0AreIgnoredAndEtStays", kDeparts, kReserved},
    {"System.UnknownBitOfCr4IsGp0", kDeparts, kReserved},
    {"System.UnknownMsrIsGp0", kDeparts, kReserved},
    {"System.EferTakesNxOnly", kDeparts, kReserved},
    {"System.PatRefusesReservedTypes", kDeparts, kReserved},
    {"System.MtrrsReadBackAndCheckReservedBits", kDeparts, kReserved},
    {"MemoryTypes.CapabilitiesCannotBeWritten", kDeparts, kReserved},
    {"MemoryTypes.ReservedTypesAreGp0", kDeparts, kReserved},
    {"MemoryTypes.ReservedBitsAreGp0", kDeparts, kReserved},
    {"System486.Cr4KnowsVirtualModeExtensionsOnly", kDeparts, kReserved},
    {"System.PaePdptesAreLoadedWithCr3AndChecked", kDeparts, "reads PDPTEs from memory at each walk and does not check them with CR3 (4.4.1)"},
    {"System486.HasNeitherTscNorMsrsNorCmov", kDeparts, kOtherModel},
    {"System.CpuidLeaf4EndsWithANullCache", kDeparts, kOtherModel},
    {"Model486.HasItsInstructionsAndNoOthers", kDeparts, kOtherModel},
    {"Model486.HasItsMsrsAndNoOthers", kDeparts, kOtherModel},
    {"ModelPentium.HasItsInstructionsAndNoOthers", kDeparts, kOtherModel},
    {"ModelPentium.HasItsMsrsAndNoOthers", kDeparts, kOtherModel},
    {"ModelPentium3.HasItsInstructionsAndNoOthers", kDeparts, kOtherModel},
    {"ModelPentium3.HasItsMsrsAndNoOthers", kDeparts, kOtherModel},
    {"ModelPentium3.ShowsItselfInCpuid", kDeparts, kOtherModel},
    {"ModelPentium4.HasItsInstructionsAndNoOthers", kDeparts, kOtherModel},
    {"ModelPentium4.ShowsItselfInCpuid", kDeparts, kOtherModel},
    {"System.WritingApicBaseTellsTheBoardAndKeepsBsp", kUnseen, "the board is another one"},
    {"System.TscCountsGuestNanosecondsAndCanBeSet", kUnseen, "time is another one"},
    {"SystemP6.WritingTheTscSetsItsLowHalfAndClearsTheHighOne", kUnseen, "time is another one"},
    {"System.InAndOutUseTheirWidths", kUnseen, kPorts},
    {"System.RepInsDoesOneIterationAStep", kUnseen, kPorts},
    {"System.OutsGoesDownWithDf", kUnseen, kPorts},
    {"System.ResetStartsAtTheTopOfMemoryWithTheSignatureInEdx", kUnseen, "calls our reset"},
    {"System.InitKeepsFpuMsrsAndCacheBits", kUnseen, "calls our reset"},
    {"System.ResetStartsTheTscAtZero", kUnseen, "calls our reset"},
    {"FarTransfer.IretEndsNmiBlocking", kUnseen, "NMI blocking can be neither loaded nor read; Interrupts.NmiBlocksFurtherNmisUntilIret sees it"},
    {"Segmentation.MovToSsStartsAShadowThatHoldsBackInterruptsForOneInstruction", kUnseen, "an interrupt shadow cannot be loaded"},
    {"Segmentation.RealModeLoadMakesANullSegmentUsable", kUnseen, "a null segment cannot be loaded in real mode"},
};

const Entry* find(const std::string& suite, const std::string& name) {
    for (const Entry& e : kEntries)
        if (e.test == suite + "." + name || e.test == suite + ".*") return &e;
    return nullptr;
}

}  // namespace

QemuJudge::QemuJudge(bool on_qemu) {
    if (!on_qemu) return;
    if (!qemu_is_there()) {
        runs = false;
        reason = "qemu-system-i386 is not installed";
        return;
    }
    const auto* const info = testing::UnitTest::GetInstance()->current_test_info();
    const std::string suite = info->test_suite_name(), name = info->name();          // Steppers/Suite, Name/Qemu
    const Entry* const e = find(suite.substr(suite.find('/') + 1), name.substr(0, name.find('/')));
    if (e == nullptr) return;
    reason = e->reason;
    if (e->kind == Kind::Unseen) runs = false;
    else
        catching_ = std::make_unique<testing::ScopedFakeTestPartResultReporter>(
            testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures_);
}

QemuJudge::~QemuJudge() {
    if (catching_ == nullptr) return;
    catching_.reset();
    if (failures_.size() == 0) ADD_FAILURE() << "QEMU follows the manual now; its departure is to be struck out: " << reason;
}

}  // namespace vmm::tcg::test
