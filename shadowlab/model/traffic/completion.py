"""What is known of one exchange when it has ended.

In: plain values.  Out: a frozen record.  Never: a derived figure (slowdown needs the path, and is made outside).
Imported inside the guest: standard library only.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Outcome = Literal["ok", "failed", "refused", "timed-out", "unfinished"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "failed", "refused", "timed-out", "unfinished")
"""In records an outcome is its place here.  ``failed``: no connection, or it died; ``refused``: by a full instance, or
because the workload's ``max_concurrent`` was reached; ``timed-out``: not answered within the workload's timeout;
``unfinished``: still going on when the run ended."""

ExchangeKind = Literal["transfer", "request", "incast", "lookup"]
KINDS: tuple[ExchangeKind, ...] = ("transfer", "request", "incast", "lookup")
"""In records a kind is its place here."""

USED_UP = ("EADDRINUSE", "EADDRNOTAVAIL", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM")
"""The system's names for having no port, descriptor or memory left."""

UNKNOWN_NS = -1
"""A moment that never came."""


class Completion(NamedTuple):
    """Moments are nanoseconds since the run's zero, :data:`UNKNOWN_NS` where they never came.

    ``source`` is who began: the sender of a transfer, the client of a request, the aggregator of an incast.
    ``start_ns`` is when it was wanted, ``connected_ns`` when its connection stood (that of an earlier exchange where it
    is ``reused``), ``first_byte_ns`` when the first byte of what the source waits for arrived: at the target for a
    transfer, at the source for the others; ``end_ns`` the last byte.  ``sent_bytes`` had arrived at the target and
    ``received_bytes`` at the source by then.  ``waited_ns`` and ``service_ns`` passed in the target's instance.
    ``tries`` counts the questions of a lookup.  ``errno`` is the system's number for a failure, 0 without one.
    ``tcp_info`` is that of the end that sends more, as the kernel gave it at the end; its counters are those of the
    whole connection.
    """

    workload: int
    number: int
    source: str
    target: str
    kind: ExchangeKind
    outcome: Outcome
    start_ns: int
    connected_ns: int
    first_byte_ns: int
    end_ns: int
    sent_bytes: int
    received_bytes: int
    waited_ns: int
    service_ns: int
    reused: bool
    tries: int
    errno: int
    tcp_info: bytes


class InstanceSample(NamedTuple):
    """An instance at one moment; counters count since the run's zero.

    ``busy_ns`` is the time its workers were busy, added up over them; ``queue_ns`` the same of those who waited;
    ``waited_ns`` the whole waiting time of those whose service has begun.
    """

    at_ns: int
    node: str
    workers: int
    busy: int
    queued: int
    arrived: int
    begun: int
    finished: int
    refused: int
    busy_ns: int
    queue_ns: int
    waited_ns: int


class StreamSample(NamedTuple):
    """A stream of datagrams at one moment, as its receiver counts it since the run's zero.

    ``missing`` are sequence numbers below the highest that came that have not come; ``reordered`` came after a higher
    one (RFC 4737, section 3.3).  ``delay_ns`` is the sum of the one-way delays of all that were received, ``jitter_ns``
    the smoothed interarrival jitter of RFC 3550, section 6.4.1.
    """

    at_ns: int
    workload: int
    sent: int
    received: int
    missing: int
    reordered: int
    duplicates: int
    received_bytes: int
    delay_ns: int
    jitter_ns: int
