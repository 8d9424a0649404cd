// SPDX-License-Identifier: Apache-2.0
#include "vmm/io_thread.h"

#include <pthread.h>

#include <csignal>
#include <future>
#include <utility>

namespace vmm {

IoThread::IoThread() : context_(g_main_context_new()), loop_(g_main_loop_new(context_, FALSE)) {
    // Signals are for the main thread: start this one with all of them blocked.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    thread_ = std::thread([this] {
        g_main_context_push_thread_default(context_);
        g_main_loop_run(loop_);
        g_main_context_pop_thread_default(context_);
    });
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

IoThread::~IoThread() {
    run([this] { g_main_loop_quit(loop_); });   // from inside, so that a loop which has not begun yet sees it too
    thread_.join();
    g_main_loop_unref(loop_);
    g_main_context_unref(context_);
}

void IoThread::run(std::function<void()> task) {
    GSource* source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(
        source,
        [](gpointer data) -> gboolean {
            (*static_cast<std::function<void()>*>(data))();
            return G_SOURCE_REMOVE;
        },
        new std::function<void()>(std::move(task)),
        [](gpointer data) { delete static_cast<std::function<void()>*>(data); });
    g_source_attach(source, context_);
    g_source_unref(source);
}

void IoThread::run_wait(const std::function<void()>& task) {
    if (here()) return task();
    std::promise<void> done;
    run([&] {
        task();
        done.set_value();
    });
    done.get_future().wait();
}

void IoThread::wake() const { g_main_context_wakeup(context_); }

struct IoSource::Source {
    struct State {
        int fd;
        std::function<bool()> want;
        std::function<void()> ready;
        gpointer tag = nullptr;
        bool wanted = false;
    };
    GSource base;
    State* state;

    // An fd that is not wanted leaves the poll set: a hang-up would otherwise end every wait at once.
    static gboolean prepare(GSource* source, gint* timeout) {
        State& s = *reinterpret_cast<Source*>(source)->state;
        *timeout = -1;
        s.wanted = s.want();
        if (s.fd < 0) return s.wanted ? TRUE : FALSE;
        if (s.wanted && s.tag == nullptr) {
            s.tag = g_source_add_unix_fd(source, s.fd, static_cast<GIOCondition>(G_IO_IN | G_IO_HUP | G_IO_ERR));
        } else if (!s.wanted && s.tag != nullptr) {
            g_source_remove_unix_fd(source, std::exchange(s.tag, nullptr));
        }
        return FALSE;
    }
    static gboolean check(GSource* source) {
        const State& s = *reinterpret_cast<Source*>(source)->state;
        if (!s.wanted) return FALSE;
        return s.fd < 0 || (s.tag != nullptr && g_source_query_unix_fd(source, s.tag) != 0) ? TRUE : FALSE;
    }
    static gboolean dispatch(GSource* source, GSourceFunc, gpointer) {
        reinterpret_cast<Source*>(source)->state->ready();
        return G_SOURCE_CONTINUE;
    }
    static void finalize(GSource* source) { delete reinterpret_cast<Source*>(source)->state; }
};

IoSource::IoSource(IoThread& io, int fd, std::function<bool()> want, std::function<void()> ready) : io_(io) {
    static constexpr GSourceFuncs kConstFuncs = {Source::prepare, Source::check, Source::dispatch, Source::finalize, nullptr, nullptr};
    // GLib takes a pointer to mutable functions and never writes through it.
    GSource* base = g_source_new(const_cast<GSourceFuncs*>(&kConstFuncs), sizeof(Source));  // NOLINT
    source_ = reinterpret_cast<Source*>(base);
    source_->state = new Source::State{fd, std::move(want), std::move(ready)};
    g_source_attach(base, io_.context());
}

IoSource::~IoSource() {
    io_.run_wait([this] { g_source_destroy(&source_->base); });
    g_source_unref(&source_->base);
}

IoTicker::IoTicker(IoThread& io, unsigned ms, std::function<void()> tick) : io_(io), source_(g_timeout_source_new(ms)) {
    g_source_set_callback(
        source_,
        [](gpointer data) -> gboolean {
            (*static_cast<std::function<void()>*>(data))();
            return G_SOURCE_CONTINUE;
        },
        new std::function<void()>(std::move(tick)),
        [](gpointer data) { delete static_cast<std::function<void()>*>(data); });
    g_source_attach(source_, io_.context());
}

IoTicker::~IoTicker() {
    io_.run_wait([this] { g_source_destroy(source_); });
    g_source_unref(source_);
}

}  // namespace vmm
