"""Kinds of cure that may be tried, one frozen value each.

In: what the user wrote, checked.  Out: values that :mod:`shadowlab.mitigate.propose` turns into candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Around:
    """New shortest paths without the links of the fault domain."""

    name: str


@dataclass(frozen=True, kw_only=True)
class RaiseMetric:
    """The metric of the domain's links times ``factor``: what has no other way stays."""

    name: str
    factor: int


@dataclass(frozen=True, kw_only=True)
class ShiftWeights:
    """Of ways of equal cost those without the domain get ``factor`` times the flows of those over it."""

    name: str
    factor: int


@dataclass(frozen=True, kw_only=True)
class DrainSubject:
    """Traffic off a link, a node or a group; without a ``subject`` the router that most of the domain's links share."""

    name: str
    subject: str = ""


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """More bandwidth on the domain's links: rate and buffer times ``factor``."""

    name: str
    factor: float


@dataclass(frozen=True, kw_only=True)
class ChangeQueue:
    """Another queue on the domain's links; ``stated`` is the key as a map's link has it."""

    name: str
    stated: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ChangeCongestion:
    """Another congestion control for the flows that cross the domain; with ``services``, of these services only."""

    name: str
    control: str
    services: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Limit:
    """``share`` of its demand for what is named, flows or services; without a name the heaviest across the domain."""

    name: str
    share: float
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MoreWorkers:
    """A bigger instance: its workers times ``factor``; without ``nodes`` every instance that has a compute model."""

    name: str
    factor: float
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MoreInstances:
    """One more server for a workload of requests, at ``node``, alike its first."""

    name: str
    workload: str
    node: str


@dataclass(frozen=True, kw_only=True)
class MoveInstance:
    """What the server ``source`` serves of a workload of requests is served by ``target`` instead."""

    name: str
    workload: str
    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Pin:
    """An explicit path for one pair of hosts, by these routers; without a ``path`` the shortest around the domain, and
    without a pair the one that carries most across it."""

    name: str
    source: str = ""
    target: str = ""
    path: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Script:
    """A remediation script, run at the routers at both ends of each of the domain's links.  ``faults``: the kinds of
    fault that it is known to mend; empty: any."""

    name: str
    text: str = ""
    timeout_ns: int = 0
    faults: tuple[str, ...] = field(default=())


Allowed = (
    Around
    | RaiseMetric
    | ShiftWeights
    | DrainSubject
    | Upgrade
    | ChangeQueue
    | ChangeCongestion
    | Limit
    | MoreWorkers
    | MoreInstances
    | MoveInstance
    | Pin
    | Script
)
