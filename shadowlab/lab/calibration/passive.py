"""A map and attached telemetry become a calibration by formulas alone, without a run.

In: a network, the connections that were attached to it, perhaps a calibration of before.  Out: a calibration, and what
it stands on.  Never: a file, a clock, a shadow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from shadowlab.calibrate.demand import read_demands
from shadowlab.calibrate.instances import instance_values
from shadowlab.calibrate.links.capacity import shared_with_unseen
from shadowlab.calibrate.links.estimate import LinkEstimates, estimate_links
from shadowlab.calibrate.links.memory import remembered
from shadowlab.calibrate.links.plausible import silent_instances, unit_factors
from shadowlab.calibrate.links.seen import Seen, see
from shadowlab.calibrate.matrix import filled_matrix
from shadowlab.calibrate.observed import ObservedConnection
from shadowlab.lab.calibration.beforehand import delay_prior, stated_rates
from shadowlab.lab.inputs.ways import ways_of
from shadowlab.model.calibration import (
    CalibratedDemands,
    Calibration,
    Finding,
    InstanceCalibration,
    LinkCalibration,
    MatrixEntry,
)
from shadowlab.model.network import Direction, Network
from shadowlab.model.units import format_duration
from shadowlab.telemetry.attach import Attachment
from shadowlab.topology.forwarding.candidates import CandidateFinder

_MOST_SILENT = 60
"""Of more silent instances it is taken for granted that their traffic may cross any link."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Passive:
    """A calibration, the connections it stands on with their units put right, and the arrays made of them."""

    calibration: Calibration
    connections: Sequence[ObservedConnection]
    seen: Seen
    estimates: LinkEstimates


def calibrate_passively(
    network: Network,
    attached_records: Attachment,
    *,
    prior_state: Calibration | None = None,
    run_ns: int | None = None,
) -> Passive:
    """The same as :func:`~shadowlab.lab.calibration.calibrate.calibrate`, but for the refinement."""
    connections, findings = unit_factors(attached_records.connections)
    findings += _jumps(attached_records)
    silent, of_silent = silent_instances(connections, network)
    seen = see(connections, ways_of(connections, network), network.directions)
    at_ns = int(seen.last_ns.max(initial=0))
    estimates = estimate_links(seen, network, delay_prior(network), stated_rates(network))
    links = _shared(estimates.links, network, silent)
    findings += [*of_silent, *estimates.findings]
    if prior_state is not None:
        links, drifts = remembered(prior_state.links, links, at_ns)
        findings += drifts
    demands = _demands(network, connections, run_ns)
    found = Calibration(
        map=network,
        at_ns=at_ns,
        links=links,
        segments=estimates.segments,
        instances=_instances(network, connections),
        demands=replace(demands, matrix=_matrix(network, seen, silent, links)),
        findings=tuple(findings),
    )
    return Passive(calibration=found, connections=connections, seen=seen, estimates=estimates)


def _jumps(attached: Attachment) -> list[Finding]:
    return [
        Finding(
            kind="clock jump",
            subject=one.instance,
            message=f"its clock leapt {format_duration(abs(one.by_ns))} {'ahead' if one.by_ns > 0 else 'back'}: its "
            "counters went on as if nothing had been",
            effect="the times after it were put right",
            records=one.records,
        )
        for one in attached.clock_jumps
    ]


def _shared(links: Sequence[LinkCalibration], network: Network, silent: Sequence[str]) -> tuple[LinkCalibration, ...]:
    """A rate that was taken from the recorded traffic bounds the link's from below where other traffic may cross it."""
    if len(silent) < 2:
        return tuple(links)
    unseen = set(network.directions) if len(silent) > _MOST_SILENT else _crossed(network, silent)
    return tuple(
        replace(one, rate_bps=shared_with_unseen(one.rate_bps))
        if one.direction in unseen and one.congested > 0 and one.rate_bps.standing == "measured"
        else one
        for one in links
    )


def _crossed(network: Network, hosts: Sequence[str]) -> set[Direction]:
    """All directions on the ways between these."""
    finder = CandidateFinder(network)
    return {
        crossing.direction
        for source, target in permutations(hosts, 2)
        for crossing in finder.ways(source, target).crossings
    }


def _instances(network: Network, connections: Sequence[ObservedConnection]) -> tuple[InstanceCalibration, ...]:
    names = {node.id: node.id for node in network.nodes}
    for one in connections:
        for node, records in ((one.source, one.sender_records), (one.target, one.receiver_records)):
            names |= {record.instance: node for record in records[:1]}
    everything = (record for one in connections for record in (*one.sender_records, *one.receiver_records))
    return instance_values(everything, names)


def _matrix(
    network: Network, seen: Seen, silent: Sequence[str], links: Sequence[LinkCalibration]
) -> tuple[MatrixEntry, ...]:
    """What the recorded connections moved on the mean, and by gravity what nobody records."""
    moved: dict[tuple[str, str], float] = {}
    if len(seen.to_ns):
        seconds = (int(seen.to_ns.max()) - int(seen.from_ns.min())) / 1e9
        for number, amount in zip(seen.connection.tolist(), seen.payload_bytes.tolist(), strict=True):
            if amount == amount:
                moved[seen.pairs[number]] = moved.get(seen.pairs[number], 0.0) + amount * 8 / seconds
    hidden = list(silent) if 2 <= len(silent) <= _MOST_SILENT else []
    finder = CandidateFinder(network)
    number_of = {one: place for place, one in enumerate(network.directions)}
    crossed = {
        (source, target): {
            number_of[crossing.direction]: crossing.probability for crossing in finder.ways(source, target).crossings
        }
        for source, target in permutations(hidden, 2)
    }
    unseen = {
        place: link.background_bps.value
        for place, link in enumerate(links)
        if link.congested > 0 and link.background_bps.value is not None
    }
    return filled_matrix([node.id for node in network.hosts], moved, hidden, crossed, unseen)


def _demands(network: Network, connections: Sequence[ObservedConnection], run_ns: int | None) -> CalibratedDemands:
    found = read_demands(connections, network, run_ns=run_ns)
    return CalibratedDemands(
        flows=found.flows, workloads=found.workloads, unknown=found.unknown, recorded=found.recorded
    )
