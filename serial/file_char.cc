// SPDX-License-Identifier: Apache-2.0
// A file that takes what is written, and the end that takes everything and gives nothing.
#include <fcntl.h>

#include <cerrno>
#include <mutex>

#include "serial/host_fd.h"

namespace vmm {
namespace {

class NullChar final : public CharBackend {
  public:
    void write(std::string_view) override {}
    void connect(CharInput*) override {}
    std::string where() const override { return "null"; }
};

class FileChar final : public CharBackend {
  public:
    FileChar(Fd fd, std::string path, const CharHost& host) : fd_(std::move(fd)), path_(std::move(path)), host_(host) {}

    void write(std::string_view data) override {
        const std::lock_guard lock(mutex_);
        if (closed_ || write_fully(fd_.get(), false, data, 4096, given_up_) != WriteEnd::Closed) return;
        closed_ = true;
        if (host_.tell) host_.tell(errno_text("'" + path_ + "' cannot be written to any more", errno));
    }
    void connect(CharInput*) override {}
    std::string where() const override { return "file:" + path_; }

  private:
    Fd fd_;
    std::string path_;
    CharHost host_;
    std::mutex mutex_;
    bool closed_ = false;
};

}  // namespace

std::unique_ptr<CharBackend> open_null_char() { return std::make_unique<NullChar>(); }

Result<std::unique_ptr<CharBackend>> open_file_char(const CharConfig& config, const CharHost& host) {
    const int mode = config.append ? O_APPEND : O_TRUNC;
    Fd fd(::open(config.path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | mode, 0666));
    if (!fd) return Error{errno_text("cannot open '" + config.path + "' for writing", errno)};
    return std::unique_ptr<CharBackend>(std::make_unique<FileChar>(std::move(fd), config.path, host));
}

Result<std::unique_ptr<CharBackend>> open_char_backend(const CharConfig& config, const CharHost& host) {
    switch (config.kind) {
        case CharKind::Null: break;
        case CharKind::Stdio: return open_stdio_char(config, host);
        case CharKind::File: return open_file_char(config, host);
        case CharKind::Pty: return open_pty_char(config, host);
        case CharKind::Unix:
        case CharKind::Tcp: return open_socket_char(config, host);
    }
    return open_null_char();
}

}  // namespace vmm
