"""What telemetry says of a map: a value for each property of each direction, and what each value stands on.

In: plain values.  Out: a frozen calibration that fills a map, and can be kept as JSON and taken up again.
Never: a value without its interval and its standing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from shadowlab.model.calibration.parts import (
    CalibratedDemands,
    Finding,
    InstanceCalibration,
    LinkCalibration,
    RefinementStep,
    Segment,
)
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Network
from shadowlab.model.plain import from_plain, to_plain, without_format
from shadowlab.model.queue import Codel

FORMAT = "calibration/1"


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """All of it.  ``map`` is the network as it was given; ``at_ns`` the last moment of the telemetry (Unix time)."""

    map: Network
    at_ns: int
    links: tuple[LinkCalibration, ...]
    segments: tuple[Segment, ...] = ()
    instances: tuple[InstanceCalibration, ...] = ()
    demands: CalibratedDemands = CalibratedDemands()
    findings: tuple[Finding, ...] = ()
    refinement: tuple[RefinementStep, ...] = ()

    @cached_property
    def by_direction(self) -> Mapping[Direction, LinkCalibration]:
        """The links by their direction."""
        return {one.direction: one for one in self.links}

    def network(self) -> Network:
        """The map with its links as telemetry saw them.  A bound changes what contradicts it, and nothing else; what
        telemetry does not tell stays as the map has it."""
        changed = []
        for link in self.map.links:
            for direction in link.directions:
                if direction in self.by_direction:
                    known = self.by_direction[direction]
                    link = link.with_impairment(direction, filled(link.impairment(direction), known))
            changed.append(link)
        return self.map.with_links(*changed)

    def to_json(self) -> str:
        """Everything but the map, the same text for the same calibration."""
        plain = {one: to_plain(getattr(self, one)) for one in _KEPT}
        document = {"shadowlab": FORMAT, "map": self.map.name, **plain}
        return json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1) + "\n"

    @staticmethod
    def from_json(text: str, network: Network) -> Calibration:
        """What :meth:`to_json` wrote, about ``network``; links that it no longer has are left out.

        Raises ValueError for what is no calibration, or one of another map.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ValueError(f"no JSON: {error}") from None
        document = without_format(document, FORMAT, key="shadowlab")
        if document.get("map") != network.name:
            raise ValueError(f"it is about the map {document.get('map')!r}, not {network.name!r}")
        try:
            known: dict[str, Any] = {name: from_plain(kind, document[name]) for name, kind in _KEPT.items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"a part of it is missing or malformed: {error}") from None
        present = set(network.directions)
        known["links"] = tuple(one for one in known["links"] if one.direction in present)
        known["segments"] = tuple(one for one in known["segments"] if present.issuperset(one.directions))
        return Calibration(map=network, **known)


_KEPT: Mapping[str, Any] = {
    "at_ns": int,
    "links": tuple[LinkCalibration, ...],
    "segments": tuple[Segment, ...],
    "instances": tuple[InstanceCalibration, ...],
    "demands": CalibratedDemands,
    "findings": tuple[Finding, ...],
    "refinement": tuple[RefinementStep, ...],
}


def filled(stated: Impairment, known: LinkCalibration) -> Impairment:
    """``stated`` with what is known in its place."""
    result = stated
    if known.delay_ns.value is not None:
        result = replace(result, delay_ns=max(0, round(known.delay_ns.value)))
    rate, buffer = known.rate_bps, known.queue_packets
    if rate.value is not None and (
        rate.standing != "bounded"
        or known.congested > 0  # what is left for the recorded traffic is all that it has, whoever has the rest
        or (stated.rate_bps is not None and stated.rate_bps < rate.value)
    ):
        result = replace(result, rate_bps=max(1, round(rate.value)))
    if buffer.value is not None and (buffer.standing != "bounded" or buffer.value > result.queue_packets):
        result = result.with_queue_packets(max(1, round(buffer.value)))
    if known.discipline == "aqm" and result.queue is None and result.rate_bps is not None:
        limit = max(result.queue_packets, _LEAST_AQM_PACKETS)
        result = replace(result, queue=Codel(limit_packets=limit, ecn=known.ecn))
    if known.loss.value is not None and known.loss.standing == "measured":
        result = result.with_loss(min(1.0, known.loss.value))
    if known.jitter_ns.value is not None and known.jitter_ns.standing == "measured":
        result = replace(result, jitter_ns=round(known.jitter_ns.value))
    if result.jitter_ns:
        most = round(result.delay_ns / max(1e-9, -result.jitter_table().least))
        result = replace(result, jitter_ns=min(result.jitter_ns, most))
    return result.check()


_LEAST_AQM_PACKETS = 300
"""An AQM's hard limit should not be what drops."""
