"""A map and attached telemetry become a calibration.

In: a network, the connections that were attached to it, perhaps a calibration of before and a place to run shadows on.
Out: a calibration.  Never: a file, a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shadowlab.calibrate.demand import read_demands
from shadowlab.calibrate.links.estimate import estimate_links
from shadowlab.calibrate.links.memory import remembered
from shadowlab.calibrate.links.plausible import silent_instances, unit_factors
from shadowlab.calibrate.links.seen import see
from shadowlab.calibrate.observed import ObservedConnection
from shadowlab.lab.calibration.beforehand import delay_prior, stated_rates
from shadowlab.lab.calibration.refine import Refine, refined
from shadowlab.lab.inputs.ways import ways_of
from shadowlab.lab.progress import Progress, Silent
from shadowlab.model.calibration import CalibratedDemands, Calibration
from shadowlab.model.network import Network
from shadowlab.telemetry.attach import Attachment


def calibrate(
    network: Network,
    attached_records: Attachment,
    *,
    prior_state: Calibration | None = None,
    refine: Refine | None = None,
    run_ns: int | None = None,
    progress: Progress | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Calibration:
    """Calibrate ``network``.

    ``prior_state`` is what an earlier calibration of the same map came to: what is not seen now keeps its value, and
    ages.  With ``refine`` a few runs of the shadow mend what formulas cannot tell.  Flows that began later than
    ``run_ns`` after the first record are left out of the demands.
    """
    shown = progress or Silent()
    shown.stage("calibrate links and demands")
    connections, findings = unit_factors(attached_records.connections)
    seen = see(connections, ways_of(connections, network), network.directions)
    at_ns = int(seen.last_ns.max(initial=0))
    estimates = estimate_links(seen, network, delay_prior(network), stated_rates(network))
    findings += [*silent_instances(connections, network), *estimates.findings]
    links = estimates.links
    if prior_state is not None:
        links, drifts = remembered(prior_state.links, links, at_ns)
        findings += drifts
    found = Calibration(
        map=network,
        at_ns=at_ns,
        links=links,
        segments=estimates.segments,
        demands=_demands(network, connections, run_ns),
        findings=tuple(findings),
    )
    if refine is None:
        return found
    return refined(found, seen, connections, estimates, refine, progress=shown, interrupted=interrupted)


def _demands(network: Network, connections: Sequence[ObservedConnection], run_ns: int | None) -> CalibratedDemands:
    found = read_demands(connections, network, run_ns=run_ns)
    return CalibratedDemands(
        flows=found.flows, workloads=found.workloads, unknown=found.unknown, recorded=found.recorded
    )
