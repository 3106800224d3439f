"""What is to be driven through the network: flows, and the probes that watch their paths.

In: plain values.  Out: frozen specifications.  Never: a socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FlowClass = Literal["paced", "greedy", "receiver-limited"]
"""How a record is replayed: at its own measured rate, as fast as TCP allows, or held by the receiver's window."""


@dataclass(frozen=True, kw_only=True)
class FlowSpec:
    """One TCP connection from ``source`` (who sends the bytes) to ``target``.

    ``rate_bps`` paces the writer and is None for a greedy one.  ``size_bytes`` ends the flow after that many bytes;
    None lets it last as long as the run.  ``window_bytes`` clamps the receive window.  ``mss`` None leaves the MSS to
    the path.  ``ipv6``: over IPv6, where the shadow has it.  ``evidence`` says which record the flow stands on.
    """

    id: str
    source: str
    target: str
    flow_class: FlowClass
    congestion_control: str = "cubic"
    rate_bps: int | None = None
    size_bytes: int | None = None
    mss: int | None = None
    window_bytes: int | None = None
    start_ns: int = 0
    ipv6: bool = False
    service: str = ""
    evidence: str = ""

    def __post_init__(self) -> None:
        if self.flow_class == "paced" and self.rate_bps is None:
            raise ValueError(f"flow {self.id} is paced but has no rate")
        for name, value in (
            ("rate", self.rate_bps),
            ("size", self.size_bytes),
            ("mss", self.mss),
            ("window", self.window_bytes),
        ):
            if value is not None and value <= 0:
                raise ValueError(f"flow {self.id}: {name} must be above zero, got {value}")


@dataclass(frozen=True, kw_only=True, order=True)
class Path:
    """An ordered pair of instances: the unit that is probed, judged, and promised a service level."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source}→{self.target}"
