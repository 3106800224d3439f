"""How much demand may grow before the first service level breaks.

In: an inquiry, what grows, bounds.  Out: the growth that holds and the one that breaks, and what breaks there.
Never: a growth taken to hold that is not sure to: whose interval holds the limit is counted as broken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shadowlab.errors import InputError
from shadowlab.lab.ahead.whatif import Inquiry
from shadowlab.predict.scenario.grid import Variant
from shadowlab.predict.scenario.kinds import Stated
from shadowlab.predict.sweep.answer import Provenance, VariantAnswer
from shadowlab.predict.sweep.bisection import Headroom, search
from shadowlab.predict.sweep.estimate import Prediction


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A growth and what it made of the service levels."""

    growth: float
    holds: bool
    nearness: float
    verdict: str


@dataclass(frozen=True, kw_only=True)
class HeadroomAnswer:
    """``first`` are the levels that do not hold at ``breaks_at``, worst first."""

    holds_at: float | None
    breaks_at: float | None
    tried: tuple[Tried, ...]
    first: tuple[Prediction, ...]
    provenance: Provenance
    headline: str


def find_headroom(
    inquiry: Inquiry,
    common: Sequence[Stated],
    part: Mapping[str, Any],
    *,
    least: float,
    most: float,
    tolerance: float,
    on_round: Callable[[str, int], None],
) -> HeadroomAnswer:
    """``common`` are scenarios that hold at every growth; ``part`` says which demand grows (empty: all).

    Raises InputError for bounds that are none.
    """
    asking = search(least, most, tolerance)
    tried: dict[float, VariantAnswer] = {}
    provenance: Provenance | None = None
    try:
        growth = next(asking)
        while True:
            variant = Variant(scenarios=(*common, {"growth": growth, **part}))
            name = f"growth {growth:g}"
            answer = inquiry.answer(
                [variant],
                on_round=lambda number, runs, name=name: on_round(f"{name}, round {number}", runs),  # type: ignore[misc]
            )
            tried[growth], provenance = answer.variants[0], answer.provenance
            growth = asking.send(answer.variants[0].holds)
    except StopIteration as end:
        found: Headroom = end.value
    except ValueError as error:
        raise InputError(str(error)) from error
    assert provenance is not None
    broken = tried[found.breaks_at].predictions if found.breaks_at is not None else ()
    first = tuple(one for one in broken if one.verdict != "holds")
    return HeadroomAnswer(
        holds_at=found.holds_at,
        breaks_at=found.breaks_at,
        tried=tuple(
            Tried(growth=growth, holds=one.holds, nearness=one.nearness, verdict=one.verdict)
            for growth, one in sorted(tried.items())
        ),
        first=first,
        provenance=replace(provenance, runs=inquiry.runs),
        headline=_headline(found, first, tried),
    )


def _headline(found: Headroom, first: Sequence[Prediction], tried: Mapping[float, VariantAnswer]) -> str:
    what = f"{first[0].level} on {first[0].subject}" if first else "no service level"
    if found.breaks_at is None:
        return f"every service level holds up to {found.holds_at:g} times the demand, the most that was tried"
    if found.holds_at is None:
        verdict = tried[found.breaks_at].verdict
        if verdict == "no result":
            return f"no result at {found.breaks_at:g} times the demand: {'; '.join(tried[found.breaks_at].faults)}"
        return f"no headroom: at {found.breaks_at:g} times the demand {what} {_does(verdict)}"
    return (
        f"demand may grow to {found.holds_at:g} times; at {found.breaks_at:g} times {what} "
        f"{_does(tried[found.breaks_at].verdict)}"
    )


def _does(verdict: str) -> str:
    return "may break" if verdict == "unsure" else "breaks"
