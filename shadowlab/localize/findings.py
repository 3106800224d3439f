"""What a localisation says: suspects with their evidence, and what it cannot say.

In: plain values.  Out: frozen findings, the same for every method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shadowlab.localize.observations import Component

Fault = Literal["loss", "delay", "loss and delay", "queue", "capacity", "black hole", "loop", "overload"]
"""``queue``: loses what it makes wait, long before its buffer should be full.  ``capacity``: carries less than it
should.  ``overload``: it is asked for more than it has, which is no fault of it."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A component, or a class of components that nothing in the observations tells apart, and what is wrong with it.

    ``loss`` (fraction) and ``delay_ns`` are zero where that part is sound; their intervals are 95 %.  ``posterior`` is
    the probability of the class against all other components in its place and against chance, ``score`` the evidence
    in natural logarithms beyond what was needed.  ``members`` are the links that are hit where the class is a node or a
    group.  ``subset`` names the sort of flows that alone suffers (empty: all).
    """

    components: tuple[Component, ...]
    fault: Fault
    posterior: float
    score: float
    loss: float = 0.0
    loss_interval: tuple[float, float] = (0.0, 0.0)
    delay_ns: float = 0.0
    delay_interval_ns: tuple[float, float] = (0.0, 0.0)
    flows: int = 0
    flows_bad: int = 0
    packets: float = 0.0
    packets_bad: float = 0.0
    utilisation: float | None = None
    members: tuple[str, ...] = ()
    subset: str = ""
    runner_up: str = ""
    split_by: str = ""
    where: str = ""
    """For what the routing state itself shows: the path that does."""

    @property
    def name(self) -> str:
        """The class, as a report names it."""
        return " or ".join(str(one) for one in self.components)


@dataclass(frozen=True, kw_only=True)
class Localisation:
    """``suspects`` are faults, ``overloaded`` what only carries too much; ``runners_up`` would explain nearly as well
    in the place of a suspect.  ``unseen`` carried no packet; ``visible`` says, per kind of component and over those
    that carried packets, the median of the least loss that would have been found, and how many are blinder than 1 %.
    """

    method: str
    suspects: tuple[Found, ...]
    overloaded: tuple[Found, ...] = ()
    runners_up: tuple[Found, ...] = ()
    good_loss: float = 0.0
    unseen: tuple[Component, ...] = ()
    visible: tuple[Visible, ...] = ()
    flows: int = 0
    packets: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Visible:
    """What would have been seen of the components of one kind."""

    kind: str
    components: int
    median_loss: float
    blind: int
    """Those of which even a loss of 1 % would have stayed unnoticed."""
