"""Watch what the TCP of each node counts: retransmissions, time-outs, resets, drops of listeners, congestion marks.

In: nodes, and the kernel's door to their files.  Out: records of the type ``tcp-counters``: differences per interval.
Never: a judgement.  Imported inside the guest: standard library only.

The kernel tells these counters as text alone (``/proc/net/snmp`` and ``netstat``, one line of names and one of values
per group).  The files of each namespace are opened once; reading one from its start makes the kernel count anew.  That
costs two system calls and some microseconds of parsing per node, hence the longer interval, and only nodes at which
connections end are read: what a router forwards its own TCP does not see.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

from shadowlab.kernel.loop import Loop
from shadowlab.store.recorder import Rows

EVERY_NS = 5_000_000_000
NODES_IN_TIME = 1_500
"""Read every :data:`EVERY_NS`.  A node costs the guest some 150 µs, so this is a twentieth of real time; more nodes are
read more seldom."""
_MOST_BYTES = 1 << 16
UNKNOWN = -1

COUNTERS = (  # file, group, the kernel's name: in the order of the record's columns
    *(
        ("snmp", b"Tcp", name)
        for name in (b"ActiveOpens", b"PassiveOpens", b"AttemptFails", b"EstabResets", b"InSegs", b"OutSegs")
    ),
    *(("snmp", b"Tcp", name) for name in (b"RetransSegs", b"InErrs", b"OutRsts")),
    *(
        ("netstat", b"TcpExt", name)
        for name in (
            *(b"TCPTimeouts", b"TCPLostRetransmit", b"TCPSpuriousRTOs", b"TCPFastRetrans", b"TCPSlowStartRetrans"),
            *(b"TCPLossProbes", b"TCPLossProbeRecovery", b"TCPDSACKRecv", b"TCPSACKReorder", b"TCPSynRetrans"),
            *(b"TCPAbortOnTimeout", b"ListenDrops", b"ListenOverflows", b"TCPOFOQueue", b"TCPRcvQDrop"),
            b"TCPDeliveredCE",
        )
    ),
    *(("netstat", b"IpExt", name) for name in (b"InCEPkts", b"InECT0Pkts", b"InECT1Pkts")),
)
_FILES = ("snmp", "netstat")


class NetworkFiles(Protocol):
    """The part of :class:`~shadowlab.kernel.linux.LinuxSegment` that is used here."""

    def open_network_file(self, node: str, name: str) -> int: ...


def parse_counters(snmp: bytes, netstat: bytes) -> tuple[int, ...]:
    """The values of :data:`COUNTERS`; :data:`UNKNOWN` for one that this kernel does not have."""
    values: dict[tuple[bytes, bytes], int] = {}
    for text in (snmp, netstat):
        lines = text.splitlines()
        for names, numbers in zip(lines[::2], lines[1::2], strict=False):
            group, _, rest = names.partition(b":")
            if group in _GROUPS and numbers.startswith(group + b":"):
                cells = numbers[len(group) + 1 :].split()
                values.update(((group, name), int(one)) for name, one in zip(rest.split(), cells, strict=False))
    return tuple(values.get((group, name), UNKNOWN) for _, group, name in COUNTERS)


_GROUPS = frozenset(group for _, group, _ in COUNTERS)


def every_for(nodes: int) -> int:
    """How often the counters of so many nodes are read."""
    return EVERY_NS * max(1, -(-nodes // NODES_IN_TIME))


class TcpCounters:
    """Enter it to open the files.  ``nodes``: each by the number that stands for it in the records, and its name."""

    def __init__(
        self,
        *,
        loop: Loop,
        door: NetworkFiles,
        nodes: Sequence[tuple[int, str]],
        rows: Rows,
        every_ns: int | None = None,
    ) -> None:
        self._loop = loop
        self._door = door
        self._nodes = tuple(nodes)
        self._rows = rows
        self._every_ns = every_ns or every_for(len(self._nodes))
        self._open: list[tuple[int, int]] = []
        self._before: list[tuple[int, ...]] = []
        self._zero_ns = 0
        self._end_ns = 0

    def __enter__(self) -> TcpCounters:
        try:
            for _, node in self._nodes:
                snmp = self._door.open_network_file(node, _FILES[0])
                self._open.append((snmp, -1))
                self._open[-1] = (snmp, self._door.open_network_file(node, _FILES[1]))
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    def start(self, zero_ns: int, duration_ns: int) -> None:
        """Count from ``zero_ns`` (monotonic) on."""
        self._zero_ns, self._end_ns = zero_ns, zero_ns + duration_ns
        self._loop.at(zero_ns, self._on_zero)

    def _on_zero(self, due_ns: int) -> None:
        self._before = [self._read(*files) for files in self._open]
        self._arm(due_ns)

    def _on_time(self, due_ns: int) -> None:
        at_ns = max(self._loop.now_ns, due_ns) - self._zero_ns
        for place, ((number, _), files) in enumerate(zip(self._nodes, self._open, strict=True)):
            now, before = self._read(*files), self._before[place]
            self._rows.append(
                at_ns, number, *(UNKNOWN if one == UNKNOWN else one - was for one, was in zip(now, before, strict=True))
            )
            self._before[place] = now
        self._arm(due_ns)

    def _arm(self, due_ns: int) -> None:
        if due_ns < self._end_ns:
            self._loop.at(min(due_ns + self._every_ns, self._end_ns), self._on_time)

    @staticmethod
    def _read(snmp: int, netstat: int) -> tuple[int, ...]:
        return parse_counters(os.pread(snmp, _MOST_BYTES, 0), os.pread(netstat, _MOST_BYTES, 0))

    def _close(self) -> None:
        for files in self._open:
            for fd in files:
                if fd >= 0:
                    os.close(fd)
        self._open.clear()
