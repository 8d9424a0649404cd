# SPDX-License-Identifier: Apache-2.0
# For gdb with vmm: `source tools/gdb/vmm.gdb` once a session, or from ~/.gdbinit.
#
# Some monitor commands move the machine (seek, restart, last-write ...), and the remote protocol has no way to tell gdb so: it
# would go on showing the registers and memory that it read before. This drops them after every monitor command, and shows
# the frame if the machine is elsewhere. Document: docs/debugging.md, "Backwards".
python
import gdb

class VmmHooks:
    """Where the machine was before a monitor command."""
    before = None

    def quietly(self, command):
        return gdb.execute(command, False, True)

    def pc(self):
        try:
            return int(gdb.parse_and_eval("(unsigned long) $pc"))
        except gdb.error:
            return None

    def enter(self):
        # So that vmm does not say what is done here.
        try:
            self.quietly("maintenance packet Qvmm.Flushes:1")
        except gdb.error:
            pass
        self.before = self.pc()

    def leave(self):
        self.quietly("maintenance flush register-cache")
        self.quietly("maintenance flush dcache")
        if self.pc() != self.before:
            try:
                gdb.execute("frame")
            except gdb.error as error:
                print(error)

vmm_hooks = VmmHooks()
end

define hook-monitor
  python vmm_hooks.enter()
end

define hookpost-monitor
  python vmm_hooks.leave()
end
