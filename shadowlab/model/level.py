"""Service levels: what was promised on a path, or of a service.

In: an indicator, a limit, the paths it holds for.  Out: a frozen level that knows when it is broken.
"""

from __future__ import annotations

from dataclasses import dataclass

from shadowlab.model.kpi import KPIS
from shadowlab.model.units import NS_PER_MS, NS_PER_S, parse_duration, parse_fraction, parse_rate

PROMISED = ("path", "service")
"""What a promise can be about."""


def parse_limit(kpi: str, text: str) -> float:
    """A limit as people write it, in the indicator's unit: ``0.02`` or ``2 %`` of loss, ``110`` or ``0.11 s`` of
    latency, ``5`` or ``5 Mbit`` of throughput.  Raises ValueError."""
    try:
        return float(text)
    except ValueError:
        unit = KPIS[kpi].unit if kpi in KPIS else ""
    if unit == "fraction":
        return parse_fraction(text)
    if unit == "ms":
        return parse_duration(text) / NS_PER_MS
    if unit == "Mbit/s":
        return parse_rate(text) / 1e6
    raise ValueError(f"{text!r} is no number" + (f"; {kpi} is counted in {unit}" if unit else ""))


@dataclass(frozen=True, kw_only=True)
class ServiceLevel:
    """``kpi`` must stay at or below (or, for indicators where less is bad, at or above) ``limit``.

    ``paths`` are path names (``source→target``); empty means every path that carries a flow.  An indicator of a service
    goes with ``services`` instead; empty means every one.
    The indicator is averaged over windows of ``window_ns``; ``tolerated`` is the fraction of the judged windows that
    may break the limit.
    """

    name: str
    kpi: str
    limit: float
    paths: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    tolerated: float = 0.0
    window_ns: int = 5 * NS_PER_S

    def __post_init__(self) -> None:
        kpi = KPIS.get(self.kpi)
        if kpi is None or kpi.subject not in PROMISED or kpi.bad is None:
            known = ", ".join(sorted(name for name, kpi in KPIS.items() if kpi.subject in PROMISED and kpi.bad))
            raise ValueError(
                f"service level {self.name}: {self.kpi!r} is not an indicator of a path or a service; "
                f"choose one of {known}"
            )
        if self.paths and kpi.subject != "path":
            raise ValueError(f"service level {self.name}: {self.kpi} is of services, name `services`, not `paths`")
        if self.services and kpi.subject != "service":
            raise ValueError(f"service level {self.name}: {self.kpi} is of paths, name `paths`, not `services`")
        if self.window_ns < NS_PER_S:
            raise ValueError(f"service level {self.name}: window must be at least 1 s")
        if not 0.0 <= self.tolerated < 1.0:
            raise ValueError(f"service level {self.name}: tolerated must lie between 0 and 1, got {self.tolerated:g}")

    @property
    def of_service(self) -> bool:
        """Whether it speaks of services rather than paths."""
        return KPIS[self.kpi].subject == "service"

    @property
    def less_is_bad(self) -> bool:
        """Whether the limit is a floor."""
        return KPIS[self.kpi].bad == "down"


@dataclass(frozen=True, kw_only=True)
class LevelOutcome:
    """How one level fared on one path, or with one service: ``path`` names it.

    ``broken_share`` is over the ``samples`` windows judged; ``excess`` their mean relative excess over the limit;
    """

    level: str
    path: str
    limit: float
    worst: float
    median: float
    broken_share: float
    excess: float
    holds: bool
    samples: int
