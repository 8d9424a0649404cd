// SPDX-License-Identifier: Apache-2.0
// Reads and writes /dev/sda past the guest's page cache: 64 MiB one after another by 1 MiB, then 4 KiB at random places of these.
// Says when each begins and ends, and checks what it reads: each 4 KiB begin with their number. Needs no C library.
enum { kOpen = 5, kWrite = 4, kExit = 1, kPread = 180, kPwrite = 181, kFsync = 118 };
enum { kBlock = 4096, kPiece = 1 << 20, kPieces = 64, kBlocks = kPieces * (kPiece / kBlock), kRandom = 4000 };

static unsigned char buffer[kPiece] __attribute__((aligned(4096)));

static int call(int number, int a, int b, int c, int d, int e) {
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
    return result;
}

static void say(const char* text) {
    int n = 0;
    while (text[n]) ++n;
    call(kWrite, 1, (int)text, n, 0, 0);
}

static void fail(const char* what) {
    say("wrong ");
    say(what);
    say("\n");
    call(kExit, 1, 0, 0, 0, 0);
}

static void move(int number, int disk, unsigned block, unsigned bytes, const char* what) {
    if (call(number, disk, (int)buffer, (int)bytes, (int)(block * kBlock), (int)(block >> 20)) != (int)bytes) fail(what);
}

static unsigned seed = 1;
static unsigned place(void) {
    seed = seed * 1664525 + 1013904223;
    return seed >> 8 & (kBlocks - 1);
}

void _start(void) {
    const int disk = call(kOpen, (int)"/dev/sda", 02 | 040000 | 0100000, 0, 0, 0);   // read and write, direct, large file
    if (disk < 0) fail("open");
    say("begin seqwrite\n");
    for (unsigned p = 0; p < kPieces; ++p) {
        for (unsigned b = 0; b < kPiece / kBlock; ++b) *(unsigned*)(buffer + b * kBlock) = p * (kPiece / kBlock) + b;
        move(kPwrite, disk, p * (kPiece / kBlock), kPiece, "seqwrite");
    }
    if (call(kFsync, disk, 0, 0, 0, 0) != 0) fail("fsync");
    say("end seqwrite\nbegin seqread\n");
    for (unsigned p = 0; p < kPieces; ++p) {
        move(kPread, disk, p * (kPiece / kBlock), kPiece, "seqread");
        for (unsigned b = 0; b < kPiece / kBlock; ++b)
            if (*(unsigned*)(buffer + b * kBlock) != p * (kPiece / kBlock) + b) fail("data");
    }
    say("end seqread\nbegin randread\n");
    for (unsigned i = 0; i < kRandom; ++i) {
        const unsigned at = place();
        move(kPread, disk, at, kBlock, "randread");
        if (*(unsigned*)buffer != at) fail("data");
    }
    say("end randread\nbegin randwrite\n");
    for (unsigned i = 0; i < kRandom; ++i) {
        const unsigned at = place();
        *(unsigned*)buffer = at;
        move(kPwrite, disk, at, kBlock, "randwrite");
    }
    say("end randwrite\n");
    call(kExit, 0, 0, 0, 0, 0);
}
