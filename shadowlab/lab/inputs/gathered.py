"""What a scenario names, read and brought together: its map, and all that is to be driven through it, at full size.

In: a scenario.  Out: the network, flows, workloads, production.  Never: a factor, a route, an address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shadowlab.calibrate.datagrams import DatagramDemands
from shadowlab.calibrate.demand import read_demands
from shadowlab.calibrate.observed import ObservedConnection
from shadowlab.errors import Fault, InputError
from shadowlab.lab.calibration.passive import calibrate_passively
from shadowlab.lab.cures.read import Mitigation, ScriptFile
from shadowlab.lab.inputs.map_demands import MapTraffic, map_traffic
from shadowlab.lab.inputs.recorded_udp import NOTHING as NO_DATAGRAMS
from shadowlab.lab.inputs.recorded_udp import recorded_datagrams
from shadowlab.lab.scenario import Calibrated, Scenario
from shadowlab.lab.sources import NO_TCP, attach_file, read_rules, read_script
from shadowlab.lab.workloads.resolve import resolve_workloads
from shadowlab.mitigate.allowed import Allowed
from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Network
from shadowlab.model.result import NO_TELEMETRY, TelemetryUse
from shadowlab.model.traffic.workload import Workload
from shadowlab.telemetry.attach import NOTHING_ATTACHED, Attachment
from shadowlab.telemetry.rules import NO_RULES
from shadowlab.topology.formats import load_map


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All that a run is about, before it is scaled; the scenario adds the times, the events and what was promised."""

    network: Network
    flows: tuple[FlowSpec, ...]
    workloads: tuple[Workload, ...]
    attachment: Attachment
    telemetry: TelemetryUse
    production: Attachment | None
    """What production looked like after the event, if the scenario names it."""
    allowed: tuple[Allowed, ...]
    recorded: Mapping[str, Mapping[str, float]]
    """By flow, what TCP made of it in production, at the map's scale."""


def read_inputs(scenario: Scenario) -> Inputs:
    """Raises InputError for files that are wrong, and for traffic none of which can be driven."""
    full = load_map(scenario.map, options=scenario.map_options, format_key=scenario.map_format)
    rules = read_rules(scenario.telemetry_rules) if scenario.telemetry_rules else NO_RULES
    attachment, use = (
        attach_file(scenario.telemetry, full, rules) if scenario.telemetry else (NOTHING_ATTACHED, NO_TELEMETRY)
    )
    told = calibrated_by(scenario, full)
    observed: Sequence[ObservedConnection] = attachment.connections
    if told != "demand":
        known = calibrate_passively(full, attachment)
        full, observed = known.calibration.network(), known.connections
    workloads = resolve_workloads(scenario.traffic, scenario.compute, full, place=str(scenario.path))
    production = attach_file(scenario.production_after, full, rules)[0] if scenario.production_after else None
    allowed = tuple(_allowed(one) for one in scenario.cures.mitigations)
    demands = read_demands(observed if told != "links" else (), full, run_ns=scenario.duration_ns)
    udp = (
        recorded_datagrams(scenario.telemetry, full, rules, attachment.connections, run_ns=scenario.duration_ns)
        if scenario.telemetry and told != "links"
        else NO_DATAGRAMS
    )
    workloads = (*workloads, *demands.workloads, *udp.workloads)
    use = replace(use, left_out=_without_udp(use.left_out, udp))
    of_map = _demands_of_map(scenario, full)
    flows = (*demands.flows, *of_map.flows)
    if demands.unknown:
        use = replace(use, left_out={**use.left_out, "connections whose demand no record tells": len(demands.unknown)})
    if of_map.left_out:
        use = replace(use, left_out=dict(sorted({**use.left_out, **of_map.left_out}.items())))
    if scenario.demands and not flows and not scenario.telemetry and not workloads:
        message = f"no demand of {scenario.map.name} can be driven; left out: {_reasons(use.left_out)}"
        raise InputError(Fault(place=scenario.demands.place, message=message))
    driven = (*flows, *(workloads if told == "links" else (*demands.workloads, *udp.workloads)))
    if scenario.telemetry and not driven:
        raise InputError(
            Fault(
                place=str(scenario.telemetry),
                message="no connection of this telemetry can be driven between two "
                f"instances of {scenario.map.name}; left out: {_reasons(use.left_out)}",
            )
        )
    return Inputs(
        network=full,
        flows=flows,
        workloads=workloads,
        attachment=attachment,
        telemetry=use,
        production=production,
        allowed=allowed,
        recorded=demands.recorded,
    )


def _without_udp(left_out: Mapping[str, int], udp: DatagramDemands) -> Mapping[str, int]:
    """What the reader of connections left out, with the datagrams among it told by what became of them."""
    known = udp.driven + sum(udp.left_out.values())
    rest = {NO_TCP: left_out[NO_TCP] - known} if left_out.get(NO_TCP, 0) > known else {}
    others = {reason: count for reason, count in left_out.items() if reason != NO_TCP or not known}
    return dict(sorted({**others, **rest, **udp.left_out}.items()))


def calibrated_by(scenario: Scenario, network: Network) -> Calibrated:
    """What the telemetry is to tell.  Unless that is stated: the demand, and the links of a map without any values."""
    if scenario.calibrate is not None or scenario.telemetry is None:
        return scenario.calibrate or "demand"
    bare = all(
        one.delay_ns == 0 and one.rate_bps is None for link in network.links for one in (link.forward, link.backward)
    )
    return "both" if bare else "demand"


def _demands_of_map(scenario: Scenario, network: Network) -> MapTraffic:
    if scenario.demands is None:
        return MapTraffic(flows=(), left_out={})
    try:
        return map_traffic(network, unit=scenario.demands.unit, scale=scenario.demands.scale)
    except ValueError as error:
        raise InputError(Fault(place=scenario.demands.place, message=f"demands: {error}")) from error


def _allowed(one: Mitigation) -> Allowed:
    return one.with_text(read_script(one.file)) if isinstance(one, ScriptFile) else one


def _reasons(left_out: Mapping[str, int]) -> str:
    return "; ".join(f"{reason}: {count}" for reason, count in sorted(left_out.items())) or "none given"
