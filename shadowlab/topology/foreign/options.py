"""What to do where a map says nothing of instances, of scale, or of pieces.

In: what a person asked for.  Out: a frozen value that was checked.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """``hosts_per_router``: instances attached to each router; None: one if the map has none of its own.

    ``rate_scale`` divides every rate; ``largest_component`` leaves out all other pieces of a map that does not hang
    together, instead of refusing it.
    """

    hosts_per_router: int | None = None
    largest_component: bool = False
    rate_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.hosts_per_router is not None and not 0 <= self.hosts_per_router <= 100:
            raise ValueError(f"hosts per router must lie between 0 and 100, got {self.hosts_per_router}")
        if not 0 < self.rate_scale < float("inf"):
            raise ValueError(f"the rate scale must be above zero, got {self.rate_scale:g}")
