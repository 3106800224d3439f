"""The service manager that started us (sd_notify(3)): one datagram to the socket it named.

In: the environment, states as text.  Out: datagrams.  Never: an error where no manager listens; the library libsystemd.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServiceManager:
    """``address`` empty: nobody listens, and everything said is dropped.  ``watchdog_ns`` is how often it wants to hear
    from us, 0 for never."""

    address: str = ""
    watchdog_ns: int = 0

    @staticmethod
    def from_environment(environment: Mapping[str, str], pid: int) -> ServiceManager:
        """What ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` say; another process's watchdog is none."""
        address = environment.get("NOTIFY_SOCKET", "")
        usec = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        watchdog_ns = int(usec) * 1000 if usec.isdecimal() and meant else 0
        return ServiceManager(address=address if address[:1] in ("/", "@") else "", watchdog_ns=watchdog_ns)

    def say(self, *states: str) -> bool:
        """Whether somebody took it.  ``READY=1``, ``WATCHDOG=1``, ``STATUS=…``: one line each."""
        if not self.address:
            return False
        # A leading @ is an abstract address, which begins with a zero byte.
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        lines = "\n".join(one.replace("\n", " ") for one in states)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.sendto(lines.encode(), address)
        except OSError:  # a manager that went away is not our trouble
            return False
        return True


def reloading(now_us: int) -> tuple[str, str]:
    """That a reload begins: ``Type=notify-reload`` wants the monotonic clock with it."""
    return "RELOADING=1", f"MONOTONIC_USEC={now_us}"
