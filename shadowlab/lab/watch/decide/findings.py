"""What a cycle's verdicts mean for incidents.

In: correlation, fault domain, broken levels, forecast.  Out: findings, and which kinds of incidents this cycle judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from shadowlab.lab.watch.decide.incidents import Finding
from shadowlab.model.level import LevelOutcome
from shadowlab.model.network import Direction
from shadowlab.model.units import format_duration, format_fraction
from shadowlab.model.verdict import Anomaly, Correlation, FaultDomain
from shadowlab.model.watch.incident import IncidentKind

FULL = 0.9
"""A direction with this utilisation is what overload is laid to."""
SURE = 0.8
"""Without a clear verdict a fault domain must be so probable to be an incident."""
MOST_PATHS = 0.5
"""With more than this share of the paths worse than they were, it is no drift of the shadow, whatever else explains it:
what is held against the baseline is production's own change, less what its demand accounts for."""
SILENT_CYCLES = 3
JUDGED: tuple[IncidentKind, ...] = ("network", "measurement", "shadow", "level", "telemetry")


def of_correlation(
    found: Correlation, anomalies: Sequence[Anomaly], domain: FaultDomain | None, *, paths: int
) -> list[Finding]:
    """Production and shadow part: where, and whose fault it is.  ``paths``: how many there are to be flagged."""
    sure = domain is not None and bool(domain.links) and domain.confidence >= SURE
    if found.verdict == "measurement fault":
        who = found.suspects
        return [
            Finding(
                kind="measurement",
                severity="warning",
                title=f"{' and '.join(who)}: the counters contradict those of the peers",
                subjects=who,
            )
        ]
    flagged = {one.path for one in anomalies}
    most = len(flagged) >= 2 and len(flagged) > MOST_PATHS * paths
    if found.verdict == "network broke" or (found.verdict in ("unsure", "shadow drifted") and sure):
        return [_broken(found, anomalies, domain)]
    if most and found.verdict in ("unsure", "shadow drifted"):
        # A domain that is not sure would send people to the wrong place.
        one = _broken(found, anomalies, None)
        words = f"{len(flagged)} of {paths} paths got worse at once: something that all of them cross"
        return [replace(one, title=words)]
    if found.verdict == "shadow drifted":
        return [Finding(kind="shadow", severity="info", title=f"the shadow is off: {found.why}", subjects=("shadow",))]
    return []


def _broken(found: Correlation, anomalies: Sequence[Anomaly], domain: FaultDomain | None) -> Finding:
    onset = min((one.onset_ns for one in anomalies), default=0)
    affected = tuple(sorted({one.path for one in anomalies}))
    if domain is not None and domain.links:
        where = " and ".join(domain.links)
        sizes = []
        for one in domain.suspects:
            parts = [f"loss {format_fraction(one.loss)}"] if one.loss > 0 else []
            parts += [f"delay +{format_duration(round(one.excess_delay_ns))}"] if one.excess_delay_ns > 0 else []
            sizes += [f"{one.name} ({', '.join(parts)})"] if parts else []
        title = f"{where}: {domain.kind}" + (f": {'; '.join(sizes)}" if sizes else "")
        subjects: tuple[str, ...] = domain.links
        affected = domain.affected_paths or affected
    else:
        where = " or ".join(found.suspects) or "no single link explains it"
        title = f"the network broke: {where}"
        subjects = affected or ("network",)
    return Finding(
        kind="network",
        severity="critical",
        title=title,
        subjects=subjects,
        affected_paths=affected,
        domain=domain,
        seen_ns=onset,
    )


def of_levels(
    outcomes: Sequence[LevelOutcome],
    hops: Mapping[str, tuple[Direction, ...]],
    utilisation: Mapping[str, float],
    *,
    promised: bool,
) -> list[Finding]:
    """Levels that today's demand breaks in a sound network: it is too much, and nothing is broken."""
    broken = [one for one in outcomes if not one.holds]
    if not broken:
        return []
    paths = tuple(sorted({one.path for one in broken}))
    full = sorted({one for path in paths for one in hops.get(path, ()) if utilisation.get(str(one), 0.0) >= FULL})
    links = tuple(sorted({one.link for one in full}))
    names = ", ".join(sorted({one.level for one in broken}))
    where = f"; full: {', '.join(map(str, full))}" if full else ""
    domain = None
    if links:
        domain = FaultDomain(
            links=links,
            kind="overload",
            onset_ns=0,
            confidence=1.0,
            suspects=(),
            runners_up=(),
            affected_paths=paths,
            affected_flows=(),
            overloaded=tuple(map(str, full)),
        )
    return [
        Finding(
            kind="level",
            severity="warning" if promised else "info",
            title=f"today's demand breaks {names} on {len(paths)} path{'s' * (len(paths) != 1)}{where}",
            subjects=links or paths,
            affected_paths=paths,
            domain=domain,
        )
    ]


def of_forecast(violations: Sequence[tuple[str, str, str]], *, promised: bool) -> list[Finding]:
    """``violations``: (level, subject, words) of those to come, the soonest first.  One incident for all."""
    if not violations:
        return []
    more = f", and {len(violations) - 1} more" if len(violations) > 1 else ""
    return [
        Finding(
            kind="forecast",
            severity="warning" if promised else "info",
            title=violations[0][2] + more,
            subjects=tuple(sorted({subject for _, subject, _ in violations})),
            affected_paths=tuple(sorted({subject for _, subject, _ in violations if "→" in subject})),
        )
    ]


def of_silence(cycles: int) -> list[Finding]:
    """No telemetry at all for so many cycles."""
    if cycles < SILENT_CYCLES:
        return []
    title = "no new telemetry: nothing can be told of the network"
    return [Finding(kind="telemetry", severity="critical", title=title, subjects=("telemetry",))]


def calm_words(found: Correlation, *, learning: bool) -> str:
    """The headline of a cycle that found nothing."""
    if learning:
        return "the baseline is learned; from the next cycle on production is held against it"
    return {
        "confirmed": "production does what the shadow does",
        "demand moved": "demand moved, and the network carries it",
    }.get(found.verdict, f"{found.verdict}: {found.why}")
