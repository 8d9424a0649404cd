// SPDX-License-Identifier: Apache-2.0
// An interpreter for a little stack machine: one switch, an indirect jump for each operation.
// The program it runs counts the steps of Collatz sequences.
#include "bench.h"

enum Op { kPush, kLoad, kStore, kAdd, kMul, kAnd, kShr, kJumpIfZero, kJump, kLess, kEqual, kHalt };
enum { kN = 0, kX = 1, kSteps = 2, kLimit = 12000 };

struct Instruction {
  uint8_t op;
  uint32_t arg;
};

static const struct Instruction kProgram[] = {
    /*  0 */ {kPush, 1},       {kStore, kN},
    /*  2 */ {kLoad, kN},      {kPush, kLimit}, {kLess, 0},      {kJumpIfZero, 34},
    /*  6 */ {kLoad, kN},      {kStore, kX},
    /*  8 */ {kLoad, kX},      {kPush, 1},      {kEqual, 0},     {kJumpIfZero, 13}, {kJump, 29},
    /* 13 */ {kLoad, kX},      {kPush, 1},      {kAnd, 0},       {kJumpIfZero, 24},
    /* 17 */ {kLoad, kX},      {kPush, 3},      {kMul, 0},       {kPush, 1},        {kAdd, 0}, {kStore, kX}, {kJump, 28},
    /* 24 */ {kLoad, kX},      {kPush, 1},      {kShr, 0},       {kStore, kX},
    /* 28 */ {kJump, 35},
    /* 29 */ {kLoad, kN},      {kPush, 1},      {kAdd, 0},       {kStore, kN},      {kJump, 2},
    /* 34 */ {kHalt, 0},
    /* 35 */ {kLoad, kSteps},  {kPush, 1},      {kAdd, 0},       {kStore, kSteps},  {kJump, 8},
};

uint32_t bench_bytecode(void) {
  uint32_t stack[16], variables[3] = {0, 0, 0};
  uint32_t* top = stack;  // the first free slot
  const struct Instruction* next = kProgram;
  for (;;) {
    struct Instruction now = *next++;
    switch ((enum Op)now.op) {
      case kPush: *top++ = now.arg; break;
      case kLoad: *top++ = variables[now.arg]; break;
      case kStore: variables[now.arg] = *--top; break;
      case kAdd: top--; top[-1] += top[0]; break;
      case kMul: top--; top[-1] *= top[0]; break;
      case kAnd: top--; top[-1] &= top[0]; break;
      case kShr: top--; top[-1] >>= top[0] & 31; break;
      case kLess: top--; top[-1] = top[-1] < top[0]; break;
      case kEqual: top--; top[-1] = top[-1] == top[0]; break;
      case kJumpIfZero: if (*--top == 0) next = kProgram + now.arg; break;
      case kJump: next = kProgram + now.arg; break;
      case kHalt: return variables[kSteps];
    }
  }
}
