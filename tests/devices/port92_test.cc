// SPDX-License-Identifier: Apache-2.0
// Behaviour of port 92; expectations from the PIIX3's register description.
#include "devices/port92.h"

#include "tests/devices/generic_device_test.h"

namespace vmm {
namespace {

void make(Bench& b) { b.add<Port92>(b.ports, b.line("a20"), b.line("reset")); }

TEST(Port92, BitOneDrivesA20) {
    Bench b;
    make(b);
    b.out(0x92, 0x02);
    EXPECT_TRUE(b.level("a20"));
    EXPECT_EQ(b.in(0x92), 0x02);
    b.out(0x92, 0x00);
    EXPECT_FALSE(b.level("a20"));
}

TEST(Port92, BitZeroResetsOnItsRiseOnly) {
    Bench b;
    make(b);
    b.out(0x92, 0x01);
    EXPECT_EQ(b.edges, (std::vector<Bench::Edge>{{"reset", true, 0}, {"reset", false, 0}}));
    b.out(0x92, 0x01);
    EXPECT_EQ(b.edges.size(), 2u);
    b.out(0x92, 0x00);
    b.out(0x92, 0x01);
    EXPECT_EQ(b.edges.size(), 4u);
}

TEST(Port92, StateIsComplete) { expect_state_is_complete({.make = make, .ports = {{0x92, 1}}}); }
TEST(Port92, SurvivesAnyTraffic) { expect_survives_traffic({.make = make, .ports = {{0x92, 1}}}); }

}  // namespace
}  // namespace vmm
