// SPDX-License-Identifier: Apache-2.0
// Recordings of witness.S with an event of every kind in them.
#pragma once

#include <atomic>
#include <fstream>
#include <thread>

#include "devices/user_input.h"
#include "tests/replay/recorded.h"
#include "vmm/tcg/translator.h"

namespace vmm::testing {

// A disk of 64 MiB with 1 MiB at sector 65536 in which every word is another one. What a recording knows of an image, its samples, has
// none of the first 1000 sectors of that.
struct WitnessDisk : Temp {
    static constexpr u64 kFirst = 65536;
    WitnessDisk() {
        std::vector<u32> words(1u << 18);
        for (u32 i = 0; i < words.size(); ++i) words[i] = i * 2654435761u;
        std::ofstream out(path, std::ios::binary);
        out.seekp(kFirst * 512);
        out.write(reinterpret_cast<const char*>(words.data()), static_cast<std::streamsize>(words.size() * 4));
        out.close();
        std::filesystem::resize_file(path, 64u << 20);
    }
};

inline MachineConfig witness_config(const std::string& image) {
    MachineConfig config = disk_config(WITNESS_ROM, image);
    config.sleep = true;
    return config;
}

// Up to `until`, one input after another, each kind in turn. `late`: some of the disk's answers come late, for the host cannot give them at
// first, and the machine pauses for a second then.
inline replay::Recording record_witness(MachineConfig config, u64 until, bool late, const std::string& to = {}, u64 checkpoint_every = 0) {
    if (late) {
        config.images[0].faults = "read:65580:eio:1+read:65630:eio:1";
        config.images[0].on_read_error = block::OnError::Stop;
    }
    u64 next = 1'000'000;
    unsigned turn = 0;
    bool again = false, begun = false;
    std::atomic<bool> over = false;
    std::thread typing;                                          // so that idle jumps end early
    const auto boundary = [&](Machine& machine, Control& control) {
        Inbox& inbox = machine.inbox();
        if (!std::exchange(begun, true)) {
            typing = std::thread([&over, &inbox] {
                for (std::minstd_rand pause(1); !over; std::this_thread::sleep_for(std::chrono::microseconds(3000 + pause() % 8000))) inbox.post({InputKind::Serial, 0, "t"});
            });
        }
        const auto request = [&inbox](RequestKind kind, std::string data = {}) { inbox.post({InputKind::Request, static_cast<u8>(kind), std::move(data)}); };
        // Behind a reset, at the same position: a second pass there.
        if (std::exchange(again, false)) inbox.post({InputKind::Serial, 0, "again"});
        if (over || machine.icount().v < next) return;
        next = machine.icount().v + 300'000;
        switch (turn++ % 10) {
            case 0: inbox.post({InputKind::Serial, 0, "serial"}); break;
            case 1: inbox.post(key_event(Key::k_a, turn % 20 < 10)); break;
            case 2: inbox.post(key_chord(std::array{Key::k_b}, 5)); break;
            case 3: inbox.post(mouse_event(static_cast<i32>(turn % 7) + 1, 3, 0, 1, turn & 1)); break;
            case 4: request(RequestKind::PowerButton); break;
            case 5: request(RequestKind::Nmi); break;
            case 6: request(RequestKind::SetMemory, std::string("\x08\x06\0\0\0\0\0\0", 8) + "word"); break;
            case 7: {
                CpuState state = machine.translator().state();
                state.gpr[kEbp] = 0x5eed + turn;
                SaveArchive ar;
                serialize(ar, state);
                const auto bytes = ar.take();
                request(RequestKind::SetRegisters, {bytes.begin(), bytes.end()});
                break;
            }
            case 8:
                request(RequestKind::Reset);
                again = true;
                break;
            default: break;
        }
        // Not behind a reset: the sum is all that is left then.
        if (machine.icount().v < until || turn % 10 != 5) return;
        over = true;
        typing.join();                                           // it knows the machine
        control.quit();
    };
    return record_run(config, boundary, to, checkpoint_every);
}

// As a file of the present format.
inline void write_recording(const std::string& path, const replay::Recording& r) {
    using namespace replay;
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << preamble() << make_chunk(ChunkType::Header, {}, encode(r.header)) << make_chunk(ChunkType::Events, r.valid_to, encode(r.events, Icount{}))
        << make_chunk(ChunkType::Parts, r.valid_to, encode(r.parts));
    PartHashes before;
    out << make_chunk(ChunkType::Hashes, r.valid_to, encode(r.hashes, Icount{}, before));
    if (r.end) out << make_chunk(ChunkType::End, r.valid_to, encode(*r.end));
}

}  // namespace vmm::testing
