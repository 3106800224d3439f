"""How a flow stands, and how its connections ended, as values.

In: bytes and counters.  Out: named tuples for whoever watches a flow.  Never: an effect.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

from typing import NamedTuple


class FlowSample(NamedTuple):
    """A flow at one moment.  ``tcp_info`` is empty while it has no connection; counters count since the start."""

    tcp_info: bytes
    attempt: int
    idle: bool
    closed: bool
    failed: bool
    received_bytes: int
    unsent_bytes: int


class ConnectionEnd(NamedTuple):
    """A connection that is no more: when it ended (monotonic), whether it failed, and how it stood then."""

    at_ns: int
    attempt: int
    failed: bool
    tcp_info: bytes
