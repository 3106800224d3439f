"""Changes to what is driven through a shadow, as values: no kernel is asked for them.

In: names and numbers.  Out: frozen operations that describe themselves in one line, for whoever drives traffic.
Never: an effect.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass

from shadowlab.model.units import format_rate


@dataclass(frozen=True, kw_only=True)
class ScaleDemand:
    """Multiply the rate of the paced flows named (all, if none is) by ``factor``, against their specification."""

    flows: tuple[str, ...]
    factor: float

    def describe(self) -> str:
        return f"demand of {len(self.flows) or 'all'} flows times {self.factor:g}"


@dataclass(frozen=True, kw_only=True)
class SetCongestion:
    """Give the replicated flows named another congestion control, those that are open at once."""

    flows: tuple[str, ...]
    control: str

    def describe(self) -> str:
        return f"congestion control of {len(self.flows)} flows: {self.control}"


@dataclass(frozen=True, kw_only=True)
class SetPacing:
    """Hold each of the replicated flows named to a rate, at its sender; None: to none."""

    flows: tuple[str, ...]
    rate_bps: int | None

    def describe(self) -> str:
        rate = "unpaced" if self.rate_bps is None else f"at most {format_rate(self.rate_bps)} each"
        return f"{len(self.flows)} flows: {rate}"


@dataclass(frozen=True, kw_only=True)
class SetWorkers:
    """Let an instance serve so many requests at once from now on; what is being served is finished."""

    node: str
    workers: int

    def describe(self) -> str:
        return f"instance {self.node}: {self.workers} workers"


@dataclass(frozen=True, kw_only=True)
class SetServers:
    """Let the clients of a workload of requests choose among these servers from now on.

    Connections that are open last as long as they would.  A server that is new serves as ``like`` does.
    """

    workload: str
    servers: tuple[str, ...]
    like: str

    def describe(self) -> str:
        return f"servers of {self.workload}: {', '.join(self.servers)}"


TrafficOp = ScaleDemand | SetCongestion | SetPacing | SetWorkers | SetServers
"""What whoever drives traffic does, and no kernel is asked for."""
