"""What came of imposing each leading explanation of a fault in a shadow of its own.

In: plain values.  Out: frozen findings.  Never: a component split from another that production's paths cannot split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FaultKind = Literal["nothing", "loss", "delay", "rate", "short queue", "long queue", "black hole"]
"""What was imposed.  ``rate``: less capacity; ``short queue``: loses what should have waited; ``long queue``: holds
what should have been dropped."""

CAP = 6.0
"""Beyond a million to one the models' own errors decide: factors are not stated higher."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One explanation, imposed at the size that fits best.

    ``size`` is a fraction lost (loss, black hole), nanoseconds added (delay), the fraction of the capacity that is gone
    (rate), the fraction of the buffer that is gone (short queue), or the buffer's growth (long queue: 1 is twice as
    large); ``interval`` is its 95 % likelihood interval, ``words`` says it for people.  ``log10_bayes`` is its Bayes
    factor against no fault at all; ``explained`` the share of the misfit without a fault that it takes away, below 0
    where it makes things worse.
    """

    name: str
    directions: tuple[str, ...]
    kind: FaultKind
    size: float
    interval: tuple[float, float]
    words: str
    log10_bayes: float
    explained: float
    runs: int


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """``trials`` are ordered, the best first.

    ``sufficiency`` is the Bayes factor (log10) of "this fault and nothing else" against "this fault, and on every path
    something besides"; ``necessity`` that of the best explanation against none, ``lead`` against the next
    explanation.  All are capped at ``CAP`` either way.  ``undecided`` names what explains the symptoms within ten to
    one of the best; ``advice`` what would tell it apart.  Without trials ``note`` says why there are none.
    """

    trials: tuple[Trial, ...] = ()
    window_ns: tuple[int, int] = (0, 0)
    """Of the incident, what was compared."""
    sufficiency: float = 0.0
    necessity: float = 0.0
    lead: float = 0.0
    undecided: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    network_ns: int = 0
    """How long each trial ran, on its own clock."""
    note: str = ""

    @property
    def best(self) -> Trial | None:
        """The explanation that fits best; None where none was tried."""
        return self.trials[0] if self.trials else None

    @property
    def sure(self) -> bool:
        """Whether one explanation stands out, is needed, and suffices."""
        return bool(self.trials) and not self.undecided and self.necessity >= 1 and self.sufficiency >= 0
