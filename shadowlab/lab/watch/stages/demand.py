"""A window of production becomes what a shadow is driven by.

In: the map as it is known, attached records, the watch file.  Out: inputs of a run, and what was summed up.
Never: a link property: that is calibration's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from shadowlab.calibrate.demand import read_demands
from shadowlab.errors import InputError
from shadowlab.lab.cures.read import ScriptFile
from shadowlab.lab.inputs.gathered import Inputs
from shadowlab.lab.prepare import Prepared, resolve
from shadowlab.lab.scenario import Scenario
from shadowlab.lab.sources import read_script
from shadowlab.lab.watch.decide.aggregate import merged
from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Network
from shadowlab.model.result import TelemetryUse
from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.watch.cycle import Aggregation
from shadowlab.predict.fitting import Scale
from shadowlab.telemetry.attach import Attachment, attach
from shadowlab.telemetry.rules import Rules

MOST_PROBES_A_RUN = 60_000
"""Of all paths together: with more paths each is probed less often."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """``inputs.flows`` may be merged ones; ``before`` is how many there were."""

    inputs: Inputs
    before: int
    merged: int
    in_detail: tuple[str, ...]
    mbps: float
    unknown: int

    def aggregation(self, prepared: Prepared) -> Aggregation | None:
        """What was summed up or scaled, in words; None where nothing was."""
        factor = prepared.scaling.factor
        parts = []
        if self.merged:
            left = len(self.inputs.flows)
            parts.append(f"{self.before} flows summed up to {left}, by pair of instances and service")
            if self.in_detail:
                parts.append(f"{len(self.in_detail)} suspected paths in full detail")
        if factor != 1:
            parts.append(prepared.scaling.reason)
        if not parts:
            return None
        return Aggregation(
            flows_before=self.before,
            flows_after=len(self.inputs.flows),
            factor=factor,
            in_detail=self.in_detail,
            text="; ".join(parts),
        )


def attached(records: Sequence[TcpRecord], network: Network, rules: Rules) -> tuple[Attachment, TelemetryUse]:
    """The same as from a file."""
    found = attach(records, network, rules)
    left_out: Counter[str] = Counter()
    for one in found.left_out:
        left_out[one.reason] += one.count
    use = TelemetryUse(
        records=len(records), unreadable=0, connections=len(found.connections), left_out=dict(sorted(left_out.items()))
    )
    return found, use


def demand_of(
    scenario: Scenario,
    network: Network,
    attachment: Attachment,
    use: TelemetryUse,
    *,
    window_ns: int,
    merge_above: int,
    suspected: Collection[str] = (),
    usual: Mapping[str, FlowSpec] | None = None,
) -> Demand | None:
    """None where nothing of it can be driven.  ``usual``: the baseline's flows, see :func:`as_usual`.

    A window is a course of minutes, a run one of seconds: what began late in the window begins as late in the run, by
    its share of it.
    """
    demands = read_demands(attachment.connections, network)
    share = min(1.0, scenario.duration_ns / window_ns)
    asked = as_usual(demands.flows, usual or {})
    flows = tuple(replace(one, start_ns=min(round(one.start_ns * share), _latest(scenario))) for one in asked)
    if not flows and not demands.workloads:
        return None
    found = merged(flows, above=merge_above, suspected=suspected)
    names = sorted({f"{one.source}→{one.target}" for one in found.flows} & set(suspected)) if found.members else []
    return Demand(
        inputs=Inputs(
            network=network,
            flows=found.flows,
            workloads=demands.workloads,
            attachment=attachment,
            telemetry=use,
            production=None,
            allowed=tuple(
                one.with_text(read_script(one.file)) if isinstance(one, ScriptFile) else one
                for one in scenario.cures.mitigations
            ),
            recorded=demands.recorded,
        ),
        before=len(flows),
        merged=len(found.members),
        in_detail=tuple(names),
        mbps=sum(one.rate_bps or 0 for one in flows) / 1e6,
        unknown=len(demands.unknown),
    )


def as_usual(flows: Sequence[FlowSpec], usual: Mapping[str, FlowSpec]) -> tuple[FlowSpec, ...]:
    """What a broken network holds back looks as if it wanted all it could get.  A connection that was paced in the
    baseline, and seems to be greedy now, is taken to want what it wanted then."""
    found = []
    for one in flows:
        before = usual.get(one.id)
        held = one.flow_class == "greedy" and before is not None and before.flow_class == "paced"
        found.append(before if held and before is not None else one)
    return tuple(found)


def _latest(scenario: Scenario) -> int:
    """No flow begins after this: there would be nothing of it to judge."""
    return scenario.duration_ns // 2


def prepared_for(scenario: Scenario, demand: Demand, scale: Scale) -> Prepared:
    """Ready to run.  Of very many paths each is probed less often.  Raises InputError where no scale fits."""
    paths = len({(one.source, one.target) for one in demand.inputs.flows}) or 1
    least = round(scenario.duration_ns * paths / MOST_PROBES_A_RUN)
    fitted = replace(scenario, probe_every_ns=max(scenario.probe_every_ns, least))
    try:
        return resolve(fitted, demand.inputs, scale=scale, partial=True)
    except ValueError as error:
        raise InputError(str(error)) from error
