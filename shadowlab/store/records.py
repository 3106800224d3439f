"""The record types: what is kept raw of a run.  One registry, and one entry adds a type.

In: nothing.  Out: :data:`RECORDS`.  Never: a derived figure.  Imported inside the guest: standard library only.

**To add a record type**, three steps:

1. One :class:`RecordType` in :data:`RECORDS`: its name, what it is, its columns.  The first column is the moment, in
   nanoseconds since the run's start.  A column of kind ``bytes`` (at most one, the last) holds byte strings of any
   length, each kept with its own.
2. Where it is measured, inside the guest: ``files.rows("NAME").append(at_ns, ...)``, one value per column in order;
   ``files`` is the :class:`~shadowlab.monitor.raw_files.RawFiles` of the run, which makes ``raw/NAME.blocks``, flushes
   it, and names in it what the numbers of a column with ``names`` stand for.
3. A table in ``docs/reference/run-folder.md``; a test compares it with the registry, and prints what it should be.

That is all: ``shadowlab query RUN --raw NAME`` and the exports know it then, and outside
``BlockReader(path).read()`` gives its columns as arrays (:mod:`~shadowlab.store.reader`).

A column may be added at the end of a type: old files tell their own columns.  To change what a column *means*, give it
another name.  What was not observed has the column's ``unknown`` value, and is shown as nothing, never as a zero.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

BYTES = "bytes"
_FORMS = {
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "f4": "f",
    "f8": "d",
}
Kind = Literal["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8", "bytes"]
"""As in NumPy: unsigned, signed, floating, and the number of bytes; always little endian."""
Content = Literal["", "tcp_info", "text"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One field of a record.

    ``unit`` as it is shown (``ns``, ``bytes``, ``packets``), empty for a plain number.  ``unknown`` is the value that
    stands for "not observed" (floats have NaN).  ``names`` says what the numbers are an index into: the run's ``path``,
    ``flow`` or ``interface`` list, which the file carries.  ``content`` says how byte strings are shown: decoded as
    the kernel's ``tcp_info`` by their length, as UTF-8 text, or (empty) in hexadecimal.
    """

    name: str
    kind: Kind
    unit: str = ""
    meaning: str = ""
    unknown: int | None = None
    names: str = ""
    content: Content = ""

    @property
    def size(self) -> int:
        """Bytes of one value; 0 for byte strings."""
        return 0 if self.kind == BYTES else int(self.kind[1:])


@dataclass(frozen=True, kw_only=True)
class RecordType:
    """What a row of a file of blocks holds.  Raises ValueError for columns that the format has no room for."""

    name: str
    meaning: str
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        names = [one.name for one in self.columns]
        if len(set(names)) != len(names):
            raise ValueError(f"record type {self.name}: two columns have one name")
        if not self.columns or self.columns[0].kind != "i8":
            raise ValueError(f"record type {self.name}: the first column is the moment, of kind i8")
        if any(one.kind == BYTES for one in self.columns[:-1]):
            raise ValueError(f"record type {self.name}: only the last column can be of kind bytes")
        unknown = [one.kind for one in self.columns if one.kind != BYTES and one.kind not in _FORMS]
        if unknown:
            raise ValueError(f"record type {self.name}: there is no kind {unknown[0]!r}")

    @cached_property
    def numbers(self) -> tuple[Column, ...]:
        """The columns of fixed size."""
        return tuple(one for one in self.columns if one.kind != BYTES)

    @cached_property
    def has_bytes(self) -> bool:
        """Whether the last column holds byte strings."""
        return self.columns[-1].kind == BYTES

    @cached_property
    def packer(self) -> struct.Struct:
        """Packs the columns of fixed size of one row."""
        return struct.Struct("<" + "".join(_FORMS[one.kind] for one in self.numbers))

    def column(self, name: str) -> Column:
        """Raises KeyError."""
        for one in self.columns:
            if one.name == name:
                return one
        raise KeyError(name)


RECORDS: Mapping[str, RecordType] = {
    kind.name: kind
    for kind in (
        RecordType(
            name="probes",
            meaning="one record per probe, when it was answered or given up",
            columns=(
                Column(name="sent_ns", kind="i8", unit="ns", meaning="when it was sent"),
                Column(name="path", kind="u4", names="path", meaning="the path it went"),
                Column(name="sequence", kind="u4", meaning="its number within the path"),
                Column(
                    name="round_trip_ns",
                    kind="i8",
                    unit="ns",
                    unknown=-1,
                    meaning="round-trip time by kernel timestamps; −1: lost",
                ),
                Column(
                    name="one_way_ns",
                    kind="i8",
                    unit="ns",
                    unknown=-1,
                    meaning="one-way time there; −1: the probe never came there",
                ),
            ),
        ),
        RecordType(
            name="tcp",
            meaning="at every sample one record per flow, all flows in order",
            columns=(
                Column(name="at_ns", kind="i8", unit="ns", meaning="when it was sampled"),
                Column(name="flow", kind="u4", names="flow", meaning="the flow"),
                Column(
                    name="flags",
                    kind="u1",
                    meaning="1: reached its size, 2: has no connection because the last one failed, 4: has not begun",
                ),
                Column(name="attempt", kind="u1", meaning="which connection of the flow, from 0"),
                Column(name="received_bytes", kind="u8", unit="bytes", meaning="received by the target's application"),
                Column(
                    name="unsent_bytes",
                    kind="u8",
                    unit="bytes",
                    meaning="what a paced writer wanted to send and could not",
                ),
                Column(
                    name="info",
                    kind="bytes",
                    content="tcp_info",
                    meaning="`struct tcp_info` of `linux/tcp.h`, as long as the kernel gave it; empty: no connection",
                ),
            ),
        ),
        RecordType(
            name="tcp-ends",
            meaning="one record per connection of a flow that ended within the run, when it did",
            columns=(
                Column(name="at_ns", kind="i8", unit="ns", meaning="when it ended"),
                Column(name="flow", kind="u4", names="flow", meaning="the flow"),
                Column(name="attempt", kind="u1", meaning="which connection of the flow, from 0"),
                Column(name="failed", kind="u1", meaning="1: it could not be made, or died; 0: all was delivered"),
                Column(
                    name="info",
                    kind="bytes",
                    content="tcp_info",
                    meaning="`struct tcp_info` then, with everything counted over the connection's life",
                ),
            ),
        ),
        RecordType(
            name="queues",
            meaning="at every sample one record per impaired direction, all directions in order",
            columns=(
                Column(name="at_ns", kind="i8", unit="ns", meaning="when it was sampled"),
                Column(name="interface", kind="u4", names="interface", meaning="the direction"),
                Column(
                    name="drops",
                    kind="u4",
                    unit="packets",
                    meaning="dropped since the start, netem's own loss included",
                ),
                Column(name="sent_bytes", kind="u8", unit="bytes", meaning="sent"),
                Column(name="sent_packets", kind="u8", unit="packets", meaning="sent"),
                Column(name="received_bytes", kind="u8", unit="bytes", meaning="received by the interface"),
                Column(
                    name="queued_packets",
                    kind="u4",
                    unit="packets",
                    meaning="held now: waiting; in a netem by itself in flight as well",
                ),
                Column(name="queued_bytes", kind="u4", unit="bytes", meaning="held now"),
                Column(name="offered_packets", kind="u8", unit="packets", meaning="sent, dropped and held"),
                Column(
                    name="marks",
                    kind="u8",
                    unit="packets",
                    meaning="marked (ECN) instead of dropped since the start, by a queue discipline",
                ),
                Column(
                    name="overlimits",
                    kind="u4",
                    meaning="times that a packet waited for a rate or met a full queue; each discipline's own count",
                ),
                Column(name="requeues", kind="u4", meaning="times that a packet went back into the queue"),
                Column(
                    name="losses",
                    kind="u4",
                    unit="packets",
                    meaning="of the drops those by chance, behind the wire; 0 where they are not told apart",
                ),
            ),
        ),
        RecordType(
            name="exchanges",
            meaning="one record per exchange of a workload, when it ended, or when the run did",
            columns=(
                Column(name="end_ns", kind="i8", unit="ns", meaning="when its last byte arrived, or it was given up"),
                Column(name="workload", kind="u2", names="workload", meaning="the workload it belongs to"),
                Column(name="number", kind="u4", meaning="its number within the workload, from 0"),
                Column(name="source", kind="u4", names="node", meaning="who began it: sender, client, aggregator"),
                Column(name="target", kind="u4", names="node", meaning="the other end"),
                Column(name="kind", kind="u1", meaning="0: transfer, 1: request, 2: incast, 3: lookup"),
                Column(
                    name="outcome",
                    kind="u1",
                    meaning="0: ok, 1: failed, 2: refused, 3: timed out, 4: unfinished when the run ended",
                ),
                Column(name="start_ns", kind="i8", unit="ns", meaning="when it was wanted"),
                Column(
                    name="connected_ns",
                    kind="i8",
                    unit="ns",
                    unknown=-1,
                    meaning="when its connection stood; −1: it never did, or there is none",
                ),
                Column(
                    name="first_byte_ns",
                    kind="i8",
                    unit="ns",
                    unknown=-1,
                    meaning="when the first byte of what was asked for, or sent, arrived; −1: none did",
                ),
                Column(name="sent_bytes", kind="u8", unit="bytes", meaning="from source to target, as far as arrived"),
                Column(name="received_bytes", kind="u8", unit="bytes", meaning="from target to source"),
                Column(name="waited_ns", kind="i8", unit="ns", meaning="in the queue of the target's instance"),
                Column(name="service_ns", kind="i8", unit="ns", meaning="served there"),
                Column(name="reused", kind="u1", meaning="1: over a connection that had carried another one before"),
                Column(name="tries", kind="u1", meaning="questions asked, of a lookup; 1 for others"),
                Column(name="errno", kind="u2", meaning="the system's number for why it failed; 0: none"),
                Column(
                    name="info",
                    kind="bytes",
                    content="tcp_info",
                    meaning="`struct tcp_info` at the end, of the end that sends more; empty: no connection",
                ),
            ),
        ),
        RecordType(
            name="instances",
            meaning="at every sample one record per instance with a compute model; counts since the start",
            columns=(
                Column(name="at_ns", kind="i8", unit="ns", meaning="when it was sampled"),
                Column(name="node", kind="u4", names="node", meaning="the instance"),
                Column(name="workers", kind="u4", meaning="requests it can serve at once"),
                Column(name="busy", kind="u4", meaning="requests it serves now"),
                Column(name="queued", kind="u4", meaning="requests that wait now"),
                Column(name="arrived", kind="u8", meaning="requests that came"),
                Column(name="begun", kind="u8", meaning="requests whose service has begun"),
                Column(name="finished", kind="u8", meaning="requests whose service has ended"),
                Column(name="refused", kind="u8", meaning="requests that found the queue full"),
                Column(name="busy_ns", kind="u8", unit="ns", meaning="time its workers were busy, added up over them"),
                Column(name="queue_ns", kind="u8", unit="ns", meaning="time requests waited, added up over them"),
                Column(name="waited_ns", kind="u8", unit="ns", meaning="the same of those whose service has begun"),
            ),
        ),
        RecordType(
            name="streams",
            meaning="at every sample one record per stream of datagrams; counts since the start",
            columns=(
                Column(name="at_ns", kind="i8", unit="ns", meaning="when it was sampled"),
                Column(name="workload", kind="u2", names="workload", meaning="the workload"),
                Column(name="sent", kind="u8", unit="packets", meaning="sent"),
                Column(name="received", kind="u8", unit="packets", meaning="received, duplicates left out"),
                Column(name="missing", kind="u8", unit="packets", meaning="not received though a later one was"),
                Column(name="reordered", kind="u8", unit="packets", meaning="received after a later one (RFC 4737)"),
                Column(name="duplicates", kind="u8", unit="packets", meaning="received again"),
                Column(name="received_bytes", kind="u8", unit="bytes", meaning="payload received"),
                Column(name="delay_ns", kind="u8", unit="ns", meaning="one-way delays of all received, added up"),
                Column(name="jitter_ns", kind="u8", unit="ns", meaning="smoothed interarrival jitter (RFC 3550)"),
            ),
        ),
        RecordType(
            name="tcp-counters",
            meaning="every 5 s and at the end one record per node with traffic of its own: what its TCP counted since",
            columns=(
                Column(name="at_ns", kind="i8", unit="ns", meaning="the end of the time that was counted"),
                Column(name="node", kind="u4", names="node", meaning="the node"),
                *(
                    Column(name=name, kind="i8", unknown=-1, meaning=meaning)
                    for name, meaning in (
                        ("active_opens", "connections begun (ActiveOpens)"),
                        ("passive_opens", "connections taken (PassiveOpens)"),
                        ("attempt_fails", "connections that could not be made (AttemptFails)"),
                        ("estab_resets", "established connections that were reset (EstabResets)"),
                        ("in_segs", "segments received (InSegs)"),
                        ("out_segs", "segments sent, retransmitted ones left out (OutSegs)"),
                        ("retrans_segs", "segments retransmitted (RetransSegs)"),
                        ("in_errs", "segments received in error (InErrs)"),
                        ("out_rsts", "resets sent (OutRsts)"),
                        ("timeouts", "retransmission time-outs (TCPTimeouts)"),
                        ("lost_retransmit", "retransmissions lost in turn (TCPLostRetransmit)"),
                        ("spurious_rtos", "time-outs that proved needless (TCPSpuriousRTOs)"),
                        ("fast_retrans", "fast retransmissions (TCPFastRetrans)"),
                        ("slow_start_retrans", "retransmissions in slow start (TCPSlowStartRetrans)"),
                        ("loss_probes", "tail-loss probes sent (TCPLossProbes)"),
                        ("loss_probe_recovery", "losses that such a probe mended (TCPLossProbeRecovery)"),
                        ("dsack_recv", "reports of segments that had come before (TCPDSACKRecv)"),
                        ("sack_reorder", "reorderings found by SACK (TCPSACKReorder)"),
                        ("syn_retrans", "SYNs sent again (TCPSynRetrans)"),
                        ("abort_on_timeout", "connections given up after time-outs (TCPAbortOnTimeout)"),
                        ("listen_drops", "SYNs that a listener dropped (ListenDrops)"),
                        ("listen_overflows", "those dropped for a full queue of it (ListenOverflows)"),
                        ("ofo_queue", "segments that came out of order (TCPOFOQueue)"),
                        ("rcv_q_drop", "segments dropped for want of receive buffer (TCPRcvQDrop)"),
                        ("delivered_ce", "segments delivered with a congestion mark (TCPDeliveredCE)"),
                        ("in_ce_pkts", "IPv4 packets received with a congestion mark (InCEPkts)"),
                        ("in_ect0_pkts", "IPv4 packets received as ECN-capable, ECT(0) (InECT0Pkts)"),
                        ("in_ect1_pkts", "IPv4 packets received as ECN-capable, ECT(1) (InECT1Pkts)"),
                    )
                ),
            ),
        ),
        RecordType(
            name="lateness",
            meaning="once a second one record: how late the run's own timers were since the record before",
            columns=(
                Column(name="at_ns", kind="i8", unit="ns", meaning="the end of the time it is about"),
                Column(name="since_ns", kind="i8", unit="ns", meaning="its beginning: the record before"),
                Column(name="timers", kind="u4", meaning="timers that were called"),
                Column(
                    name="late_p99_ns",
                    kind="u8",
                    unit="ns",
                    meaning="99 % of them were called less late: a power of two, or the latest",
                ),
                Column(name="late_max_ns", kind="u8", unit="ns", meaning="how late the latest was"),
                Column(name="cpu_ns", kind="u8", unit="ns", meaning="processor time that the run's process used"),
            ),
        ),
    )
}
