"""How true the shadow is, in the only unit that means something: what repeating production itself would differ by.

In: agreements with their scores, which links paths cross.  Out: a score for each path, link and indicator, and for the
whole; advice.  Never: a good score from too few values.

A score of 1 says that the shadow is as far from production as production's next run would be.  A subject's score is
that of its worst indicator, and an indicator's the median over its values: a single wild value does not move it, and
right rates do not hide wrong delays.  The worst single value is named beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from shadowlab.correlate.explain import Ways
from shadowlab.model.verdict import Agreement, Fidelity, Standing

TRUE = 2.0
"""Up to here the shadow may stand for production."""
TRUST = 5.0
"""Beyond this it should not be trusted."""
LEAST_RECORDS = 5
"""Of a path; with fewer its own records are the first thing that would help."""


def standing_of(score: float) -> Standing:
    """In words."""
    if math.isnan(score):
        return "unknown"
    return "true" if score <= TRUE else "doubtful" if score <= TRUST else "not to be trusted"


def fidelities(agreements: Sequence[Agreement], ways: Ways, links: Iterable[str] = ()) -> tuple[Fidelity, ...]:
    """The whole, then indicators, paths and links by name.  ``links`` are all that could be crossed: those that no
    compared path crosses are unknown."""
    if not agreements:
        return ()
    by_link: dict[str, list[Agreement]] = {one: [] for one in links}
    for one in agreements:
        source, _, target = one.path.partition("→")
        back = ways.get(f"{target}→{source}", ()) if one.kpi == "srtt_ms" else ()
        for direction in {*ways.get(one.path, ()), *back}:
            by_link.setdefault(direction, []).append(one)
    return (
        _of("whole", "", agreements, _both),
        *(_of("kpi", name, some, _path) for name, some in _grouped(agreements, lambda one: one.kpi)),
        *(_of("path", name, some, _kpi) for name, some in _grouped(agreements, lambda one: one.path)),
        *(_of("link", name, some, _both) for name, some in sorted(by_link.items())),
    )


def _grouped(some: Sequence[Agreement], key: Callable[[Agreement], str]) -> list[tuple[str, list[Agreement]]]:
    found: dict[str, list[Agreement]] = {}
    for one in some:
        found.setdefault(key(one), []).append(one)
    return sorted(found.items())


def _path(one: Agreement) -> str:
    return one.path


def _kpi(one: Agreement) -> str:
    return one.kpi


def _both(one: Agreement) -> str:
    return f"{one.kpi} of {one.path}"


def _of(kind: str, subject: str, some: Sequence[Agreement], name: Callable[[Agreement], str]) -> Fidelity:
    scores = [one.score for one in some if math.isfinite(one.score)]
    medians = [
        float(np.median([each.score for each in own if math.isfinite(each.score)]))
        for _, own in _grouped([one for one in some if math.isfinite(one.score)], _kpi)
    ]
    score = max(medians, default=math.nan)
    worst = max((one for one in some if math.isfinite(one.score)), key=lambda one: one.score, default=None)
    return Fidelity(
        kind=kind,  # type: ignore[arg-type]
        subject=subject,
        score=score,
        standing=standing_of(score),
        values=len(scores),
        worst=name(worst) if worst is not None else "",
        worst_score=worst.score if worst is not None else math.nan,
    )


_CURES: Mapping[str, str] = {
    "srtt_ms": "calibrate delays and rates again (`shadowlab calibrate`)",
    "retransmission_share": "calibrate loss and buffers again (`shadowlab calibrate`)",
    "throughput_mbps": "take the demand from newer records",
}


def advice(agreements: Sequence[Agreement], fidelity: Sequence[Fidelity]) -> tuple[str, ...]:
    """What would make the shadow truer, the most useful first; nothing where it is true."""
    found = []
    for one in sorted((one for one in fidelity if one.kind == "kpi" and one.score > TRUE), key=lambda one: -one.score):
        where = _common_link([each for each in agreements if each.kpi == one.subject and each.score > TRUE], fidelity)
        found.append(f"{one.subject} is {one.score:.1f} times noise off{where}: {_CURES[one.subject]}")
    thin = sorted({one.path for one in agreements if one.records < LEAST_RECORDS})
    if thin and found:
        found.append(
            f"{len(thin)} of {len({one.path for one in agreements})} paths stand on fewer than {LEAST_RECORDS} "
            "records: record more often, or longer"
        )
    unseen = [one.subject for one in fidelity if one.kind == "link" and not one.values]
    if unseen:
        words = ", ".join(unseen[:3]) + (f" and {len(unseen) - 3} more" if len(unseen) > 3 else "")
        found.append(f"no record crosses {words}: a connection or a probe over each would tell of it")
    return tuple(found)


def _common_link(off: Sequence[Agreement], fidelity: Sequence[Fidelity]) -> str:
    """Where the worst of the links with several values is, if it is much worse than the rest."""
    links = [one for one in fidelity if one.kind == "link" and one.values >= 2 and math.isfinite(one.score)]
    if len(off) < 2 or len(links) < 2:
        return ""
    worst = max(links, key=lambda one: one.score)
    others = float(np.median([one.score for one in links]))
    return f", most around {worst.subject}" if worst.score > 2 * others else ""
