// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/block_info.h"

#include <sys/stat.h>

#include "vmm/disks.h"

namespace vmm::monitor {
namespace {

std::string node_name(const DiskQueue& queue) { return "#block" + std::to_string(queue.number()); }

std::string format_of(DiskQueue& queue) { return queue.qcow2() != nullptr ? "qcow2" : "raw"; }

u64 bytes_on_disk(const std::string& file) {
    struct stat s {};
    return ::stat(file.c_str(), &s) == 0 ? static_cast<u64>(s.st_blocks) * 512 : 0;
}

Json node(DiskQueue& queue) {
    const block::ImageConfig& c = queue.config();
    const std::string format = format_of(queue);
    return {{"iops_rd", 0},
            {"detect_zeroes", "off"},
            {"image", {{"virtual-size", queue.bytes()}, {"filename", c.file}, {"format", format}, {"actual-size", bytes_on_disk(c.file)}, {"dirty-flag", false}}},
            {"iops_wr", 0},
            {"ro", queue.read_only()},
            {"node-name", node_name(queue)},
            {"backing_file_depth", 0},
            {"drv", format},
            {"iops", 0},
            {"bps_wr", 0},
            {"write_threshold", 0},
            {"encrypted", false},
            {"bps", 0},
            {"bps_rd", 0},
            {"cache", {{"no-flush", c.cache == block::Cache::Unsafe}, {"direct", c.cache == block::Cache::None || c.cache == block::Cache::DirectSync},
                       {"writeback", c.cache != block::Cache::WriteThrough && c.cache != block::Cache::DirectSync}}},
            {"file", c.file}};
}

DiskQueue* queue_of(Machine& machine, const DriveConfig& drive) {
    for (const auto& queue : machine.disks().queues())
        if (!drive.id.empty() && queue->config().id == drive.id) return queue.get();
    return nullptr;
}

// QEMU's names, for drives without an image.
std::string name_of_drive(const DriveConfig& drive) {
    if (!drive.id.empty()) return drive.id;
    return "ide" + std::to_string(drive.bus) + (drive.media == Media::Cdrom ? "-cd" : "-hd") + std::to_string(drive.unit);
}

}  // namespace

Json blocks(Machine& machine, const std::vector<DriveConfig>& drives) {
    Json out = Json::array();
    for (const DriveConfig& drive : drives) {
        const bool removable = drive.media == Media::Cdrom;
        Json block{{"io-status", "ok"}, {"device", name_of_drive(drive)}, {"locked", false}, {"removable", removable}};
        if (DiskQueue* queue = queue_of(machine, drive)) block["inserted"] = node(*queue);
        if (removable) block["tray_open"] = false;
        block["type"] = "unknown";
        out.push_back(std::move(block));
    }
    return out;
}

Json block_nodes(Machine& machine) {
    Json out = Json::array();
    for (const auto& queue : machine.disks().queues()) out.push_back(node(*queue));
    return out;
}

std::string block_text(Machine& machine, const std::vector<DriveConfig>& drives) {
    std::string out;
    for (const DriveConfig& drive : drives) {
        DiskQueue* queue = queue_of(machine, drive);
        out += (out.empty() ? "" : "\n") + name_of_drive(drive);
        if (queue == nullptr) out += ": [not inserted]\n";
        else
            out += " (" + node_name(*queue) + "): " + queue->config().file + " (" + format_of(*queue) + (queue->read_only() ? ", read-only" : "") +
                   (queue->config().snapshot ? ", what is written stays in memory" : "") + ")\n";
        if (drive.media == Media::Cdrom) out += "    Removable device\n";
    }
    return out;
}

}  // namespace vmm::monitor
