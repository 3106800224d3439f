"""Workloads: many short exchanges, told by who, how often and how large, instead of one by one.

In: plain values.  Out: frozen specifications.  Never: a draw (:mod:`shadowlab.traffic` draws), a socket.
Imported inside the guest: standard library only.

Every workload has a ``name``, which is also the name of its chance: adding one does not move another.  ``service`` says
which service its exchanges belong to; service levels and reports speak of that.  ``begin_ns`` and ``end_ns`` count from
the run's zero; what has begun before ``end_ns`` may finish after it.  Distributions of sizes are in bytes, those of
times in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from shadowlab.model.traffic.distribution import Distribution
from shadowlab.model.traffic.tcp_options import TcpOptions

MAX_CONCURRENT = 20_000
"""Of one workload: connections open at the same moment.  Arrivals beyond it fail and are counted as refused."""


DATAGRAM_BYTES = 1200
LEAST_DATAGRAM_BYTES = 16
"""A sequence number and a moment."""
MOST_DATAGRAM_BYTES = 65_000


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """An open arrival process over all pairs of a workload together.

    ``poisson`` at ``rate_per_s``; ``on-off`` the same, but only while on: ``on_ns`` and ``off_ns`` are drawn in turn;
    ``empirical`` draws the gaps from ``gap_ns``; ``listed`` begins at exactly ``at_ns``.
    """

    process: Literal["poisson", "on-off", "empirical", "listed"]
    rate_per_s: float = 0.0
    on_ns: Distribution | None = None
    off_ns: Distribution | None = None
    gap_ns: Distribution | None = None
    at_ns: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.process in ("poisson", "on-off") and not self.rate_per_s > 0:
            raise ValueError(f"{self.process} arrivals need a rate above zero, got {self.rate_per_s:g}/s")
        if self.process == "on-off" and (self.on_ns is None or self.off_ns is None):
            raise ValueError("on-off arrivals need the lengths of on and of off")
        if self.process == "empirical" and (self.gap_ns is None or self.gap_ns.mean() <= 0):
            raise ValueError("empirical arrivals need gaps of more than nothing")
        if list(self.at_ns) != sorted(self.at_ns) or any(one < 0 for one in self.at_ns):
            raise ValueError("listed arrivals must ascend from zero")


@dataclass(frozen=True, kw_only=True)
class Transfers:
    """Finite transfers, each over a connection of its own: open, ``size`` bytes one way, close.

    Source and target of each are drawn from the two lists (never the same node twice); ``ipv6`` where both have it.
    """

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    arrivals: Arrivals
    size: Distribution
    service: str = ""
    tcp: TcpOptions = field(default_factory=TcpOptions)
    ipv6: bool = False
    begin_ns: int = 0
    end_ns: int | None = None
    max_concurrent: int = MAX_CONCURRENT


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Clients ask, servers answer.

    Without ``arrivals`` it is a closed loop: each client holds ``connections`` users, each of whom asks, waits for the
    whole answer, thinks for ``think_ns``, and asks again.  With ``arrivals`` requests come whether answered or not,
    over a pool of connections.  After ``requests_per_connection`` requests a connection is closed and another one
    opened; 0 keeps it.  A server's :class:`Compute` takes its time between request and answer.  A request that is not
    answered within ``timeout_ns`` has failed and its connection is closed.
    """

    name: str
    clients: tuple[str, ...]
    servers: tuple[str, ...]
    request: Distribution
    response: Distribution
    think_ns: Distribution
    arrivals: Arrivals | None = None
    connections: int = 1
    requests_per_connection: int = 0
    timeout_ns: int | None = None
    service: str = ""
    tcp: TcpOptions = field(default_factory=TcpOptions)
    ipv6: bool = False
    begin_ns: int = 0
    end_ns: int | None = None
    max_concurrent: int = MAX_CONCURRENT


@dataclass(frozen=True, kw_only=True)
class Incast:
    """Every ``every_ns`` the aggregator asks all workers at once; each answers with ``response`` bytes; the round ends
    with the last answer (a barrier: the next one does not begin before)."""

    name: str
    aggregator: str
    workers: tuple[str, ...]
    response: Distribution
    every_ns: int
    rounds: int | None = None
    service: str = ""
    tcp: TcpOptions = field(default_factory=TcpOptions)
    ipv6: bool = False
    begin_ns: int = 0
    end_ns: int | None = None


@dataclass(frozen=True, kw_only=True)
class Datagrams:
    """UDP one way at ``rate_bps`` of payload in packets of ``payload_bytes``; bursty with ``on_ns`` and ``off_ns``
    (the rate is that of the on times).  With a ``mix_bytes`` their payloads are these in turn, again and again."""

    name: str
    source: str
    target: str
    rate_bps: int
    payload_bytes: int = DATAGRAM_BYTES
    mix_bytes: tuple[int, ...] = ()
    on_ns: Distribution | None = None
    off_ns: Distribution | None = None
    dscp: int = 0
    service: str = ""
    ipv6: bool = False
    begin_ns: int = 0
    end_ns: int | None = None

    def __post_init__(self) -> None:
        for size in self.sizes:
            if not LEAST_DATAGRAM_BYTES <= size <= MOST_DATAGRAM_BYTES:
                raise ValueError(
                    f"a datagram carries {LEAST_DATAGRAM_BYTES} to {MOST_DATAGRAM_BYTES} bytes, got {size}"
                )
        if self.rate_bps <= 0:
            raise ValueError(f"datagrams need a rate above zero, got {self.rate_bps} bit/s")

    @property
    def sizes(self) -> tuple[int, ...]:
        """The payloads of the packets in turn."""
        return self.mix_bytes or (self.payload_bytes,)


@dataclass(frozen=True, kw_only=True)
class Lookups:
    """DNS-like exchanges over UDP: a question, an answer, tried again after ``timeout_ns``, ``tries`` times in all."""

    name: str
    clients: tuple[str, ...]
    servers: tuple[str, ...]
    arrivals: Arrivals
    request: Distribution
    response: Distribution
    timeout_ns: int = 5_000_000_000
    tries: int = 2
    dscp: int = 0
    service: str = ""
    ipv6: bool = False
    begin_ns: int = 0
    end_ns: int | None = None


@dataclass(frozen=True, kw_only=True)
class Program:
    """Any command in a node, begun and ended on the timeline, its output kept (up to a bound).

    It ends by itself, or gets SIGTERM at ``end_ns``, and SIGKILL ``grace_ns`` later with all its children.
    """

    name: str
    node: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    begin_ns: int = 0
    end_ns: int | None = None
    grace_ns: int = 2_000_000_000
    service: str = ""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A recorded capture sent again from a node, open loop: each packet at its time, ``speed`` times as fast.

    Of ``file`` those packets are sent whose source is the node's, by ``addresses``: the capture's addresses and the
    nodes that stand for them.
    """

    name: str
    node: str
    file: str
    addresses: Mapping[str, str] = field(default_factory=dict)
    speed: float = 1.0
    begin_ns: int = 0
    end_ns: int | None = None
    service: str = ""


Workload = Transfers | Requests | Incast | Datagrams | Lookups | Program | Replay


def service_of(one: Workload) -> str:
    """The service that its exchanges belong to: the one it names, else itself; empty for what has no exchanges."""
    return "" if isinstance(one, Program | Replay) else one.service or one.name


def nodes_of(one: Workload) -> frozenset[str]:
    """The nodes that it begins or ends at."""
    match one:
        case Transfers():
            return frozenset((*one.sources, *one.targets))
        case Requests() | Lookups():
            return frozenset((*one.clients, *one.servers))
        case Incast():
            return frozenset((one.aggregator, *one.workers))
        case Datagrams():
            return frozenset((one.source, one.target))
        case Program() | Replay():
            return frozenset((one.node,))


Discipline = Literal["fifo", "shared"]
"""A worker for each request, others wait in the order of arrival; or all that are there share the workers alike."""


@dataclass(frozen=True, kw_only=True)
class Compute:
    """What an instance can serve: ``workers`` at once, each request for ``service_ns``, up to ``queue`` more waiting
    (None: as many as come); beyond that a request is refused.  A bigger instance has more workers or a shorter service
    time; another instance is another server in a workload's list."""

    workers: int
    service_ns: Distribution
    queue: int | None = None
    discipline: Discipline = "fifo"

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"an instance needs at least one worker, got {self.workers}")
        if self.queue is not None and self.queue < 0:
            raise ValueError(f"a queue cannot be shorter than none, got {self.queue}")


def congestion_controls(workloads: Iterable[Workload]) -> frozenset[str]:
    """Those that the connections of these workloads ask for."""
    return frozenset(one.tcp.congestion_control for one in workloads if isinstance(one, Transfers | Requests | Incast))
