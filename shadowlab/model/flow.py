"""What is to be driven through the network one by one: replicated connections, and the probes that watch their paths.

In: plain values.  Out: frozen specifications.  Never: a socket.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from shadowlab.model.traffic.distribution import Distribution
from shadowlab.model.traffic.tcp_options import TcpOptions

FlowClass = Literal["paced", "greedy", "receiver-limited", "sender-limited", "request-response"]
"""How a record is replayed: at its own measured rate (application-limited), as fast as TCP allows (network-limited),
held by the receiver's window, by the sender's own buffer, or by its ends waiting for each other."""


Reading = Literal["kernel", "lazy", "prompt"]
"""Who reads what flows bring: the kernel itself, at once; we, all flows together every so often; we, at once."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of an on/off pattern: so long at so many bits per second of payload (0: off)."""

    duration_ns: int
    rate_bps: int

    def __post_init__(self) -> None:
        if self.duration_ns <= 0 or self.rate_bps < 0:
            raise ValueError(f"a phase lasts longer than nothing at no negative rate, got {self}")


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """One end asks, the other answers, and when the whole answer has come the asker thinks and asks again.

    ``asker`` is the flow's source or its target; ``there`` and ``back`` are the bytes of each exchange from source to
    target and from target to source.  ``think_ns`` is whatever passes between an answer and the next question, and
    between a question and the beginning of its answer, besides the network's time.
    """

    asker: Literal["source", "target"]
    there: Distribution
    back: Distribution
    think_ns: Distribution


@dataclass(frozen=True, kw_only=True)
class FlowSpec:
    """One TCP connection from ``source`` (who sends the bytes) to ``target``.

    ``rate_bps`` paces the writer and is None for a greedy one; ``pattern``, if there is one, is its recorded shape,
    repeated without end, whose mean is ``rate_bps``.  A ``dialogue`` has the recorded rate, which its ends may miss:
    they wait for each other.  ``size_bytes`` ends the flow after that many bytes; None lets it
    last as long as the run.  ``ipv6``: over IPv6, where the shadow has it.  ``evidence`` says which record the flow
    stands on.
    """

    id: str
    source: str
    target: str
    flow_class: FlowClass
    tcp: TcpOptions = field(default_factory=TcpOptions)
    rate_bps: int | None = None
    pattern: tuple[Phase, ...] = ()
    dialogue: Dialogue | None = None
    size_bytes: int | None = None
    start_ns: int = 0
    ipv6: bool = False
    service: str = ""
    evidence: str = ""

    def __post_init__(self) -> None:
        if self.flow_class == "paced" and self.rate_bps is None:
            raise ValueError(f"flow {self.id} is paced but has no rate")
        if self.flow_class == "receiver-limited" and self.tcp.window_bytes is None:
            raise ValueError(f"flow {self.id} is receiver-limited but has no window")
        if self.flow_class == "sender-limited" and self.tcp.send_buffer_bytes is None:
            raise ValueError(f"flow {self.id} is sender-limited but has no send buffer")
        if (self.dialogue is not None) != (self.flow_class == "request-response"):
            raise ValueError(f"flow {self.id}: a dialogue and the class request-response belong together")
        if self.pattern and self.flow_class != "paced":
            raise ValueError(f"flow {self.id} has a pattern but is not paced")
        for name, value in (("rate", self.rate_bps), ("size", self.size_bytes)):
            if value is not None and value <= 0:
                raise ValueError(f"flow {self.id}: {name} must be above zero, got {value}")


@dataclass(frozen=True, kw_only=True, order=True)
class Path:
    """An ordered pair of instances: the unit that is probed, judged, and promised a service level."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source}→{self.target}"
