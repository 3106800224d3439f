"""What may happen to single packets: lost, duplicated, corrupted, sent ahead of others; alone or in bursts.

In: fractions from 0 to 1.  Out: frozen values that check themselves and know what they come to on average.
Never: a share outside 0 to 1.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from shadowlab.model.units import format_fraction


def check_fraction(what: str, value: float) -> None:
    """Raises ValueError for what is not a fraction."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{what} must lie between 0 and 1 (0 % and 100 %), got {value:g}")


@dataclass(frozen=True, kw_only=True)
class Chance:
    """A share of packets.  ``correlation`` is netem's: each draw is that share of the last one and the rest fresh.

    Such draws crowd around the middle, so a small share comes out smaller still: for losses in bursts take
    :class:`GilbertElliott`, whose mean is exact.
    """

    share: float = 0.0
    correlation: float = 0.0

    def __post_init__(self) -> None:
        check_fraction("share", self.share)
        check_fraction("correlation", self.correlation)

    def describe(self) -> str:
        """``1 % (correlated 25 %)``."""
        more = f" (correlated {format_fraction(self.correlation)})" if self.correlation else ""
        return f"{format_fraction(self.share)}{more}"


@dataclass(frozen=True, kw_only=True)
class Reorder(Chance):
    """A share of packets sent at once while the others wait out their delay; with a ``gap`` of N, only each Nth may."""

    gap: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.gap < 1 << 32:
            raise ValueError(f"gap must be at least 1 packet, got {self.gap}")

    def describe(self) -> str:
        return super().describe() + (f" of each {self.gap}th" if self.gap > 1 else "")


@dataclass(frozen=True, kw_only=True)
class GilbertElliott:
    """Losses in bursts: a good and a bad state, each with its share of losses.

    ``p`` is the chance to go from good to bad at a packet, ``r`` back.  ``bad`` is 1-h of the literature, the share
    lost in the bad state, ``good`` is 1-k.  With ``bad`` 1 and ``good`` 0 a burst has 1/r packets on average.
    """

    p: float
    r: float
    bad: float = 1.0
    good: float = 0.0

    def __post_init__(self) -> None:
        for one in fields(self):
            check_fraction(one.name, getattr(self, one.name))
        if self.p and not self.r:
            raise ValueError("r must be above zero: else the bad state is never left")

    @property
    def mean_loss(self) -> float:
        """Share of packets lost in the long run."""
        in_bad = self.p / (self.p + self.r) if self.p else 0.0
        return in_bad * self.bad + (1 - in_bad) * self.good

    def describe(self) -> str:
        burst = f", bursts of {1 / self.r:.3g}" if self.p else ""
        return f"Gilbert-Elliott ({format_fraction(self.mean_loss)} on average{burst})"


@dataclass(frozen=True, kw_only=True)
class FourState:
    """netem's Markov chain of Salsano and Ludovici: 1 received, 2 received within a burst, 3 lost within a burst,
    4 lost alone.  ``p13`` is the chance to go from 1 to 3 at a packet, and so on; from 4 it always goes back to 1."""

    p13: float
    p31: float
    p32: float = 0.0
    p23: float = 1.0
    p14: float = 0.0

    def __post_init__(self) -> None:
        for one in fields(self):
            check_fraction(one.name, getattr(self, one.name))
        for a, b in (("p13", "p14"), ("p31", "p32")):
            if getattr(self, a) + getattr(self, b) > 1.0:
                raise ValueError(f"{a} and {b} leave the same state: together they must not exceed 1 (100 %)")
        if self.p13 and not self.p31:
            raise ValueError("p31 must be above zero: else a burst never ends")
        if self.p32 and not self.p23:
            raise ValueError("p23 must be above zero: else state 2 is never left")

    @property
    def mean_loss(self) -> float:
        """Share of packets lost in the long run: of the chain's stationary distribution, states 3 and 4."""
        in_burst = self.p13 / self.p31 if self.p13 else 0.0  # against 1 for state 1
        between = in_burst * self.p32 / self.p23 if self.p32 else 0.0
        return (self.p14 + in_burst) / (1 + self.p14 + in_burst + between)

    def describe(self) -> str:
        return f"four-state ({format_fraction(self.mean_loss)} on average)"


LossModel = GilbertElliott | FourState
