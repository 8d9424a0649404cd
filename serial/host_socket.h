// SPDX-License-Identifier: Apache-2.0
// Stream sockets of this host, by a CharConfig of kind Unix or Tcp.
#pragma once

#include "serial/char_config.h"
#include "serial/host_fd.h"

namespace vmm {

// Listens (config.server) or connects. A socket file that an earlier run left is replaced.
Result<Fd> open_socket(const CharConfig& config);
// "tcp:127.0.0.1:4444", "unix:PATH": with port 0 the system chose one.
std::string where_socket_is(int fd, const CharConfig& config);
void no_delay(int fd);                           // of TCP; harmless elsewhere

}  // namespace vmm
