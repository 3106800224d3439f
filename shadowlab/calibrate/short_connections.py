"""Connections that came and went between two readings: told of only at their end.

In: such connections, of one pair of nodes and one service.  Out: a workload that opens as many, of their sizes.
Never: a connection of its own, at its own moment: their number is what matters, and chance has its seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from shadowlab.calibrate.observed import ObservedConnection, last_known
from shadowlab.calibrate.socket_settings import SYN_BYTES, settings_of
from shadowlab.model.traffic.distribution import Distribution, constant
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.model.traffic.workload import Arrivals, Requests, Transfers
from shadowlab.model.units import NS_PER_S

MOST_POINTS = 100
"""Of a distribution of sizes: enough for its 99th percentile."""


class ShortKey(NamedTuple):
    """What connections of one workload share; ``name`` is theirs.  ``asker``: which end opens the connection and asks,
    where bytes went both ways; empty where they did not."""

    name: str
    source: str
    target: str
    service: str
    ipv6: bool
    asker: Literal["", "source", "target"] = ""


class ShortConnection(NamedTuple):
    """Its bytes of payload from source to target and back, at the recorded size, and how its socket was set."""

    size_bytes: int
    back_bytes: int
    tcp: TcpOptions


def whole_size(one: ObservedConnection) -> int | None:
    """The bytes of payload that the source sent from its opening to its last record; None if no record tells."""
    sent, again = (last_known(one.sender_records, name) for name in ("bytes_sent", "bytes_retransmitted"))
    if sent is not None and again is not None:
        return max(int(sent) - int(again), 0)
    acked = last_known(one.sender_records, "bytes_acked")
    if acked is not None:
        return max(int(acked) - SYN_BYTES, 0)
    received = last_known(one.receiver_records, "bytes_received")
    return None if received is None else int(received)


def short_connection(one: ObservedConnection) -> ShortConnection | None:
    """The connection as part of a workload; None if nobody knows how much it carried, or it carried nothing."""
    size = whole_size(one)
    if not size:
        return None
    tcp, _ = settings_of(one, window=None, held=None, scale=1)
    return ShortConnection(size, _size_back(one), tcp)


def _size_back(one: ObservedConnection) -> int:
    """The bytes of payload that the source received; 0 where no record tells of any."""
    received = last_known(one.sender_records, "bytes_received")
    if received is None:
        acked = last_known(one.receiver_records, "bytes_acked")
        received = None if acked is None else int(acked) - SYN_BYTES
    return max(int(received or 0), 0)


def workload_of(key: ShortKey, some: Sequence[ShortConnection], recorded_ns: int, scale: float) -> Transfers | Requests:
    """As many as were recorded in ``recorded_ns``, at independent moments, of sizes divided by ``scale``: a request and
    its answer each where bytes went both ways, however many there were in each; else a transfer."""
    size = distribution_of(sorted(max(1.0, one.size_bytes / scale) for one in some))
    tcp, _ = Counter(one.tcp for one in some).most_common(1)[0]
    arrivals = Arrivals(process="poisson", rate_per_s=len(some) * NS_PER_S / max(recorded_ns, 1))
    name = f"{key.name} (short)"
    if key.asker:
        name = f"{key.name} (short exchanges)"
        back = distribution_of(sorted(max(1.0, one.back_bytes / scale) for one in some))
        asks = key.asker == "source"
        return Requests(
            name=name,
            clients=(key.source if asks else key.target,),
            servers=(key.target if asks else key.source,),
            request=size if asks else back,
            response=back if asks else size,
            think_ns=constant(0),
            arrivals=arrivals,
            requests_per_connection=1,
            service=key.service,
            tcp=tcp,
            ipv6=key.ipv6,
        )
    return Transfers(
        name=name,
        sources=(key.source,),
        targets=(key.target,),
        arrivals=arrivals,
        size=size,
        service=key.service,
        tcp=tcp,
        ipv6=key.ipv6,
    )


def distribution_of(sizes: Sequence[float]) -> Distribution:
    """The empirical distribution of ascending values: straight lines between as many of its points as are kept."""
    if sizes[0] == sizes[-1]:
        return constant(sizes[0])
    count = min(len(sizes), MOST_POINTS)
    places = [round(index * (len(sizes) - 1) / (count - 1)) for index in range(count)]
    return Distribution(family="empirical", points=tuple((sizes[place], (place + 1) / len(sizes)) for place in places))
