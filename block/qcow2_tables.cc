// SPDX-License-Identifier: Apache-2.0
#include "block/qcow2_tables.h"

#include <algorithm>

namespace vmm::block {

Qcow2Tables::Qcow2Tables(ImageFile& file, u64 cluster_bytes, u64 budget)
    : file_(file), cluster_bytes_(cluster_bytes), most_(std::max<std::size_t>(budget / cluster_bytes, kAtLeast)) {}

int Qcow2Tables::get(u64 offset, Table*& table, bool may_wait) {
    if (const auto found = at_.find(offset); found != at_.end()) {
        tables_.splice(tables_.begin(), tables_, found->second);
        table = &tables_.front();
        return 0;
    }
    std::vector<u8> bytes(cluster_bytes_);
    if (const int error = file_.read(offset, bytes, may_wait); error != 0) return error;
    make_room();
    tables_.push_front({offset, false, std::move(bytes)});
    at_[offset] = tables_.begin();
    table = &tables_.front();
    return 0;
}

Qcow2Tables::Table& Qcow2Tables::make(u64 offset) {
    drop(offset);
    make_room();
    tables_.push_front({offset, true, std::vector<u8>(cluster_bytes_)});
    ++dirty_;
    at_[offset] = tables_.begin();
    return tables_.front();
}

void Qcow2Tables::drop(u64 offset) {
    const auto found = at_.find(offset);
    if (found == at_.end()) return;
    dirty_ -= found->second->dirty;
    tables_.erase(found->second);
    at_.erase(found);
}

void Qcow2Tables::clear() {
    tables_.clear();
    at_.clear();
    dirty_ = 0;
}

void Qcow2Tables::mark(Table& table) {
    dirty_ += !table.dirty;
    table.dirty = true;
}

void Qcow2Tables::make_room() {
    if (tables_.size() < most_) return;
    for (auto it = std::prev(tables_.end()); it != tables_.begin(); --it) {
        if (it->dirty) continue;
        at_.erase(it->offset);
        tables_.erase(it);
        return;
    }
}

int Qcow2Tables::write_dirty() {
    if (dirty_ == 0) return 0;
    std::vector<Table*> order;
    for (Table& t : tables_)
        if (t.dirty) order.push_back(&t);
    std::sort(order.begin(), order.end(), [](const Table* a, const Table* b) { return a->offset < b->offset; });
    for (Table* t : order) {
        if (const int error = file_.write(t->offset, t->bytes); error != 0) return error;
        t->dirty = false;
        --dirty_;
    }
    return 0;
}

}  // namespace vmm::block
