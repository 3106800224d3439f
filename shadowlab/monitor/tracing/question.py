"""What is to be traced, and what was found: plain values.  Imported inside the guest: standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shadowlab.kernel.ports import Flow
from shadowlab.monitor.probe_stream import PROBER_PORT, REFLECTOR_PORT

PLAIN = Flow("udp", PROBER_PORT, REFLECTOR_PORT)

Outcome = Literal["arrived", "black hole", "loop", "too far"]
"""How a way ends: at its target; nobody answers any more, or a node says that it has no route; a node is passed again;
the target is further than hops were tried."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """The way from one node's own address to another's, of one flow.

    A TCP flow is traced by crafted segments (:mod:`shadowlab.wire.tcp_probe`), which its ends do not notice; they leave
    the source by the interface ``leaves_by``, and answers the target by ``answers_by``, if those are told.
    """

    source: str
    target: str
    ipv6: bool = False
    flow: Flow = PLAIN
    leaves_by: str = ""
    answers_by: str = ""


@dataclass(frozen=True, kw_only=True)
class Hop:
    """Who answered packets that were allowed so many hops.

    ``node`` is empty, and so is ``address``, where nobody did; ``node`` alone where the address is none of ours.
    ``round_trips_ns``: of each answer, from sending to its arrival.
    """

    hops: int
    node: str
    address: str
    sent: int
    round_trips_ns: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A way.  The last of ``hops`` is the target, if that was reached.

    ``at``: where it ends, if not at its target: the node that has no route or is passed again, or the last that was
    heard of; ``why`` says so in words.  ``there_ns``, ``back_ns``: one-way times to the target and back, of the packets
    that were allowed to reach it; ``lost_there`` and ``lost_back`` of the ``sent`` ones did not.
    """

    question: Question
    outcome: Outcome
    at: str
    why: str
    hops: tuple[Hop, ...]
    sent: int
    there_ns: tuple[int, ...]
    back_ns: tuple[int, ...]
    lost_there: int
    lost_back: int

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes on the way as far as they answered, ``*`` for who did not; both ends included."""
        return (self.question.source, *(one.node or "*" for one in self.hops))


@dataclass(frozen=True, kw_only=True)
class PathMtu:
    """The largest IP packet that comes through whole, header included; 0: none does.

    ``limited_by``: the node that told so, empty if the sender's own interface is the narrowest.  ``told`` is False
    where packets too large vanished without a word, and the size was found by trying.
    """

    question: Question
    mtu: int
    limited_by: str
    told: bool
