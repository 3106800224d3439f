"""When the kernel has taken all interfaces away: after the last descriptor is closed it works on, by itself.

In: the moment a tear-down began.  Out: seconds until its caller was done, and until the kernel was.

Namespaces are cleaned up by one worker of the kernel in the order in which they were given up, many at a time.  So a
namespace of our own, with one end of a veth pair whose other end stays with us, is given up after all others: when its
link has vanished, no interface of an earlier one is left.  Twice in turn, because a namespace is also held by sockets
that were open in it, until a grace period after they were closed; the first witness takes longer than that.  Both
together cost some tens of milliseconds, the same for everybody.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time

from shadowlab.kernel import netns

_NAMES = ("witness-1", "witness-2")
_PAUSE_S = 0.0005
_PATIENCE_S = 300.0


class Witness:
    """Made before the tear-down begins; for one use, in a process whose own namespace is private."""

    def __enter__(self) -> Witness:
        home = netns.open_own_namespace()
        self._held: list[tuple[str, int, socket.socket]] = []
        for name in _NAMES:
            with netns.fresh_namespace(home, name) as fd:
                self._held.append((name, fd, socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)))
            words = ["type", "veth", "peer", "name", "far", "netns", f"/proc/{os.getpid()}/fd/{fd}"]
            subprocess.run(["ip", "link", "add", name, *words], check=True)
        os.close(home)
        return self

    def __exit__(self, *exc: object) -> None:
        for _, fd, one in self._held:
            one.close()
            os.close(fd)

    def ends(self, begin: float) -> dict[str, float]:
        """The tear-down began at ``begin`` (of the monotonic clock) and has returned just now."""
        down = time.monotonic()
        while self._held:
            name, fd, one = self._held.pop(0)
            one.close()
            os.close(fd)
            while _is_there(name):
                if time.monotonic() > down + _PATIENCE_S:
                    raise TimeoutError(f"interfaces are still there {_PATIENCE_S:.0f} s after the tear-down")
                time.sleep(_PAUSE_S)
        return {"down": down - begin, "gone": time.monotonic() - begin}


def _is_there(name: str) -> bool:
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True
