# SPDX-License-Identifier: Apache-2.0
"""A client of a QMP socket, for tests."""
import json
import socket
import time


class Monitor:
    """A client of one QMP socket."""

    def __init__(self, path):
        deadline = time.monotonic() + 30
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(path)
                break
            except OSError:
                self.socket.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self.socket.settimeout(60)
        self.file = self.socket.makefile("rw")
        self.events = []
        self.greeting = self.read()

    def read(self):
        return json.loads(self.file.readline())

    def answer(self, line):
        """Sends a line, returns its answer; events on the way are kept."""
        self.file.write(line + "\n")
        self.file.flush()
        while True:
            message = self.read()
            if "event" not in message:
                return message
            self.events.append(message)

    def command(self, name, **arguments):
        return self.answer(json.dumps({"execute": name, "arguments": arguments}))

    def event(self, name):
        while True:
            for message in self.events:
                if message["event"] == name:
                    self.events.remove(message)
                    return message
            message = self.read()
            assert "event" in message, message
            self.events.append(message)

    def close(self):
        self.file.close()
        self.socket.close()
