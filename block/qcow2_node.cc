// SPDX-License-Identifier: Apache-2.0
#include "block/qcow2_node.h"

#include <algorithm>
#include <cerrno>

namespace vmm::block {

Qcow2Node::Qcow2Node(HostIo& io, std::unique_ptr<Qcow2Image> image)
    : io_(io), image_(std::move(image)), size_((image_->size() + kSector - 1) / kSector * kSector), read_only_(image_->read_only()), thread_([this] { work(); }) {}

Qcow2Node::~Qcow2Node() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    posted_.notify_all();
    thread_.join();                                          // after the last request
}

void Qcow2Node::submit(Request request, Done done) {
    if (const int error = refused(request); error != 0) return done({error, {}});
    if (request.op == Op::Flush && read_only_) return done({});
    std::unique_lock lock(mutex_);
    if (request.op == Op::Read && !busy_ && queue_.empty()) {
        Reply reply = perform(request, false);               // nobody else can have the image: the thread asks for mutex_ first
        if (reply.error != EAGAIN) {
            lock.unlock();
            return done(std::move(reply));
        }
    }
    queue_.push_back({std::move(request), std::move(done)});
    lock.unlock();
    posted_.notify_one();
}

void Qcow2Node::alone(const std::function<void(Qcow2Image&)>& f) {
    std::unique_lock lock(mutex_);                           // held: nobody submits in the meantime
    idle_.wait(lock, [this] { return queue_.empty() && !busy_; });
    const std::lock_guard image_lock(image_mutex_);
    f(*image_);
}

Reply Qcow2Node::perform(const Request& request, bool may_wait) {
    const std::lock_guard lock(image_mutex_);
    Reply reply;
    switch (request.op) {
        case Op::Read:
            reply.data.resize(request.length);
            reply.error = image_->read(request.offset, reply.data, may_wait);
            if (reply.error != 0) reply.data.clear();
            break;
        case Op::Write: {
            // A last sector that is not whole: what is behind the disk's end goes nowhere.
            const u64 there = std::min<u64>(request.data.size(), image_->size() - std::min(image_->size(), request.offset));
            reply.error = image_->write(request.offset, std::span(request.data).first(there));
            if (reply.error == 0 && image_->writes_through()) reply.error = image_->flush();
            break;
        }
        case Op::Flush: reply.error = image_->flush(); break;
        case Op::Discard: reply.error = image_->discard(request.offset, request.length); break;
    }
    return reply;
}

void Qcow2Node::work() {
    for (;;) {
        std::unique_lock lock(mutex_);
        busy_ = false;
        idle_.notify_all();
        posted_.wait(lock, [this] { return ending_ || !queue_.empty(); });
        if (queue_.empty()) return;
        Job job = std::move(queue_.front());
        queue_.pop_front();
        busy_ = true;
        lock.unlock();
        Reply reply = perform(job.request, true);
        job.done(std::move(reply));
        io_.wake();
    }
}

}  // namespace vmm::block
