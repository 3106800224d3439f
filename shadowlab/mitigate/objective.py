"""What makes one cure better than another: terms in the order of their importance.

In: outcomes of rehearsals.  Out: a key to sort by, best first.  Never: a measurement.

Terms are compared one after the other, each rounded to its tolerance, so that noise does not decide before the next
term is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shadowlab.model.kpi import KPIS, SeriesTable

Merit = Literal["broken", "harm", "severity", "transient", "risk", "effort"]
MERITS: Mapping[Merit, float] = {
    "broken": 0.01,
    "harm": 1.0,
    "severity": 0.001,
    "transient": 0.01,
    "risk": 0.05,
    "effort": 1.0,
}
"""What every rehearsal tells, with the tolerance: the share of broken windows once the cure has settled; levels that
held and break by it; how far beyond the limits; the share of broken windows until it has settled; how probably it does
harm; what it costs to do."""


@dataclass(frozen=True, kw_only=True)
class KpiTerm:
    """An indicator of paths or services, the mean over ``subjects`` (all, if none is named) of their medians.

    Two values within ``tolerance`` of the value when nothing is done count as equal.
    """

    kpi: str
    subjects: tuple[str, ...] = ()
    tolerance: float = 0.05

    def __post_init__(self) -> None:
        kpi = KPIS.get(self.kpi)
        if kpi is None or kpi.bad is None or kpi.subject not in ("path", "service"):
            raise ValueError(f"{self.kpi!r} is not an indicator of paths or services with a bad direction")
        if not 0 < self.tolerance <= 1:
            raise ValueError(f"a tolerance lies above 0 and up to 1 (100 %), got {self.tolerance:g}")

    @property
    def name(self) -> str:
        """As a table heads it."""
        return f"{self.kpi} of {', '.join(self.subjects)}" if self.subjects else self.kpi

    def value(self, table: SeriesTable, services: SeriesTable | None, *, from_ns: int, to_ns: int) -> float:
        """In [from_ns, to_ns), NaN where nothing was observed."""
        of = services if KPIS[self.kpi].subject == "service" else table
        if of is None or self.kpi not in of.values:
            return float("nan")
        inside = (of.times_ns > from_ns) & (of.times_ns <= to_ns)
        medians = []
        for index, subject in enumerate(of.subjects):
            values = of.values[self.kpi][inside, index]
            seen = values[~np.isnan(values)]
            if seen.size and (not self.subjects or subject in self.subjects):
                medians.append(float(np.median(seen)))
        return sum(medians) / len(medians) if medians else float("nan")


Term = Merit | KpiTerm
DEFAULT: tuple[Term, ...] = ("broken", "harm", "severity", "effort")


def key(
    terms: Sequence[Term], merits: Mapping[str, float], values: Mapping[str, float], nothing: Mapping[str, float]
) -> tuple[float, ...]:
    """To sort by.  ``merits`` are the outcome's own, ``values`` its indicators, ``nothing`` those of doing nothing.

    An indicator that was not observed counts as worst.
    """
    found = []
    for term in terms:
        if isinstance(term, KpiTerm):
            value, step = values.get(term.name, float("nan")), term.tolerance * abs(nothing.get(term.name, 0.0))
            worse = float("inf") if np.isnan(value) else value if KPIS[term.kpi].bad == "up" else -value
            found.append(worse if np.isinf(worse) or not step > 0 else float(round(worse / step)))
        else:
            found.append(float(round(merits[term] / MERITS[term])))
    return tuple(found)
