"""Production's indicators per path, from the records of its connections.

In: connections over some seconds.  Out: one :class:`Observed` per path and indicator.  Never: a counter's total taken
for a rate: only differences between two moments count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.units import NS_PER_MS, NS_PER_S
from shadowlab.telemetry.attach import Connection

SMOOTHED = 1.25 * math.sqrt((1 / 8) / (2 - 1 / 8))
"""Standard deviation of a smoothed RTT over the mean deviation of its samples: of an exponential average with the gain
1/8 (RFC 6298) over independent normal samples, whose standard deviation is 1.25 mean deviations."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """A value, its own counting noise (one standard deviation, 0 where it is no count), the records behind it; of a
    shadow's also the standard error of its mean."""

    value: float
    noise: float
    records: int
    error: float = 0.0


def observe_production(
    connections: Iterable[Connection], *, scale: float = 1.0
) -> Mapping[str, Mapping[str, Observed]]:
    """Path name to indicator name to what production showed.  Throughput is divided by ``scale``."""
    by_path: dict[str, list[Connection]] = {}
    for one in connections:
        by_path.setdefault(str(one.path), []).append(one)
    return {path: _of_path(by_path[path], scale) for path in sorted(by_path)}


def _of_path(connections: Sequence[Connection], scale: float) -> Mapping[str, Observed]:
    senders = [one.sender_records for one in connections]
    found = {
        "srtt_ms": _mean_srtt(senders),
        "retransmission_share": _retransmission_share(senders),
        "throughput_mbps": _throughput(connections, scale),
    }
    return {name: one for name, one in found.items() if one is not None}


def _mean_srtt(senders: Sequence[tuple[TcpRecord, ...]]) -> Observed | None:
    """The mean of the senders' smoothed RTTs; a receiver's is the handshake's, and says nothing of now.

    A reading is one moment of what moves with the round trips: see :data:`SMOOTHED`.
    """
    known = [record for records in senders for record in records if record.srtt_ns is not None]
    if not known:
        return None
    values = [(record.srtt_ns or 0) / NS_PER_MS for record in known]
    spread = sum((record.rttvar_ns or 0) for record in known) / len(known) / NS_PER_MS
    noise = SMOOTHED * spread / math.sqrt(len(known))
    return Observed(value=sum(values) / len(values), noise=noise, records=len(known))


def _difference(records: tuple[TcpRecord, ...], name: str) -> int | None:
    """How much a counter rose between the first and the last record; None if it is not known twice, or fell."""
    if len(records) < 2:
        return None
    before, after = getattr(records[0], name), getattr(records[-1], name)
    return after - before if before is not None and after is not None and after >= before else None


def _retransmission_share(senders: Sequence[tuple[TcpRecord, ...]]) -> Observed | None:
    """Retransmitted over sent data segments of all flows of the path; its noise is Poisson's."""
    again = sent = count = 0
    for records in senders:
        retransmitted, out = _difference(records, "retransmits_total"), _difference(records, "data_segments_out")
        if retransmitted is not None and out:
            again, sent, count = again + retransmitted, sent + out, count + len(records)
    if not sent:
        return None
    return Observed(value=again / sent, noise=math.sqrt(again + 1) / sent, records=count)


def _throughput(connections: Sequence[Connection], scale: float) -> Observed | None:
    """The sum over the path's flows; None if one of them is not known, since a part is not the sum."""
    total, count = 0.0, 0
    for one in connections:
        for records, name in ((one.sender_records, "bytes_acked"), (one.receiver_records, "bytes_received")):
            moved = _difference(records, name)
            if moved is not None and records[-1].at_ns > records[0].at_ns:
                total += moved * 8 * NS_PER_S / (records[-1].at_ns - records[0].at_ns)
                count += len(records)
                break
        else:
            return None
    return Observed(value=total / 1e6 / scale, noise=0.0, records=count)
