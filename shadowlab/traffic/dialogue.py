"""What the two ends of a flow say to each other, and when.

In: the specification, bytes as they arrive, a factor.  Out: how much an end says, when the next question comes.
Never: a socket, a timer.  Imported inside the guest: standard library only.

The asker thinks first.  A factor of demand divides the times to think; at zero nobody asks until it rises.
"""

from __future__ import annotations

from typing import Literal

from shadowlab.model.flow import Dialogue
from shadowlab.model.traffic.chance import Chance

End = Literal["source", "target"]


def other(end: End) -> End:
    """The end at the far side."""
    return "target" if end == "source" else "source"


class Talk:
    """The exchanges of one connection after the other; what a broken connection did not carry is not said again."""

    def __init__(self, dialogue: Dialogue, chance: Chance) -> None:
        self._dialogue = dialogue
        self._chance = chance
        self._factor = 1.0
        self._said: dict[End, int] = {"source": 0, "target": 0}
        self._heard: dict[End, int] = {"source": 0, "target": 0}
        self.exchanges = 0
        """Completed so far."""

    @property
    def asker(self) -> End:
        """Who asks."""
        return self._dialogue.asker

    def scale(self, factor: float) -> None:
        """From now on think 1/``factor`` as long.  Raises ValueError below zero."""
        if factor < 0:
            raise ValueError(f"demand cannot be scaled by {factor:g}")
        self._factor = factor

    def asks_at(self, now_ns: int) -> int | None:
        """The moment of the next question of an asker who begins to think now; None while there is no demand."""
        if self._factor == 0:
            return None
        return now_ns + round(self._dialogue.think_ns.draw(self._chance) / self._factor)

    def begin(self) -> int:
        """The next exchange: the bytes of its question."""
        self._said = {
            "source": self._dialogue.there.whole(self._chance, least=1),
            "target": self._dialogue.back.whole(self._chance, least=1),
        }
        self._heard = {"source": 0, "target": 0}
        return self._said[self.asker]

    def awaits(self, end: End) -> int:
        """The bytes of the present exchange that an end has yet to hear."""
        return self._said[other(end)] - self._heard[end]

    def heard(self, end: End, count: int) -> int | None:
        """An end has got so many bytes more: what it says to that, 0 when the exchange is over, None while it goes on
        hearing."""
        if count <= 0 or self.awaits(end) <= 0:
            return None
        self._heard[end] += count
        if self.awaits(end) > 0:
            return None
        if end != self.asker:
            return self._said[end]
        self.exchanges += 1
        return 0
