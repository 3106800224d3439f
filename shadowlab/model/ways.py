"""The ways that traffic between two nodes may take, with how probable each is.

In: plain values.  Out: frozen candidates.  Never: a route: this is what the routes of a map allow, or what a kernel
said of one flow.
"""

from __future__ import annotations

from dataclasses import dataclass

from shadowlab.model.network import Direction


@dataclass(frozen=True, kw_only=True)
class CandidateWay:
    """One way, as far as it leads.  ``fault`` is empty, or says where and why it ends before the target."""

    directions: tuple[Direction, ...]
    probability: float
    fault: str = ""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes on it, both ends and LANs included; empty for a way without a single hop."""
        return (self.directions[0].source, *(one.target for one in self.directions)) if self.directions else ()


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """How probable it is that a connection crosses this direction."""

    direction: Direction
    probability: float


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """All ways from ``source`` to ``target``.

    ``count`` is how many there are (with ``more``: at least); ``ways`` are the most probable of them, at most as many
    as were asked for; ``crossings`` is about all of them, in order of direction, listed or not.
    """

    source: str
    target: str
    count: int
    ways: tuple[CandidateWay, ...]
    crossings: tuple[Crossing, ...]
    more: bool = False

    @property
    def unlisted(self) -> float:
        """The probability of the ways that are not listed."""
        return max(0.0, 1.0 - sum(one.probability for one in self.ways))

    @property
    def certain(self) -> bool:
        """Whether there is but one way."""
        return self.count == 1 and not self.more


@dataclass(frozen=True, kw_only=True)
class PairWays:
    """The ways there, and the ways back: routes need not be symmetric, and each router chooses for itself."""

    there: Candidates
    back: Candidates


def known_way(source: str, target: str, directions: tuple[Direction, ...], fault: str = "") -> Candidates:
    """What is left of the candidates once somebody who knows (a kernel that was asked) has told a flow's way."""
    return Candidates(
        source=source,
        target=target,
        count=1,
        ways=(CandidateWay(directions=directions, probability=1.0, fault=fault),),
        crossings=tuple(Crossing(direction=one, probability=1.0) for one in sorted(set(directions))),
    )
