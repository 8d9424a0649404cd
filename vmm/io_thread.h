// SPDX-License-Identifier: Apache-2.0
// IoThread: the one thread that waits for the host, with a GLib main loop. Back ends put their sources here; what they read
// goes to the machine thread through the Inbox, never directly.
#pragma once

#include <glib.h>

#include <functional>
#include <memory>
#include <thread>

namespace vmm {

class IoThread {
  public:
    IoThread();
    ~IoThread();                                   // ends the loop; sources must be gone before
    IoThread(const IoThread&) = delete;
    IoThread& operator=(const IoThread&) = delete;

    GMainContext* context() const { return context_; }
    bool here() const { return std::this_thread::get_id() == thread_.get_id(); }
    void run(std::function<void()> task);          // later, on the I/O thread; any thread may ask
    void run_wait(const std::function<void()>& task);  // the same, and returns when it was done
    void wake() const;                             // sources look at their conditions again; any thread

  private:
    GMainContext* context_;
    GMainLoop* loop_;
    std::thread thread_;
};

// A source of the loop: `ready` runs on the I/O thread whenever `want()` is true and `fd` is readable or hung up (or there
// is no fd). `want` is asked before each wait; after a change elsewhere call IoThread::wake().
class IoSource {
  public:
    IoSource(IoThread& io, int fd, std::function<bool()> want, std::function<void()> ready);
    ~IoSource();                                   // neither function runs once this returned
    IoSource(const IoSource&) = delete;
    IoSource& operator=(const IoSource&) = delete;

  private:
    struct Source;
    IoThread& io_;
    Source* source_;
};

// Calls `tick` every `ms` milliseconds on the I/O thread while it exists.
class IoTicker {
  public:
    IoTicker(IoThread& io, unsigned ms, std::function<void()> tick);
    ~IoTicker();
    IoTicker(const IoTicker&) = delete;
    IoTicker& operator=(const IoTicker&) = delete;

  private:
    IoThread& io_;
    GSource* source_;
};

}  // namespace vmm
