"""Incidents of five kinds, told as ``shadowlab run`` tells them from telemetry before and after: is the verdict right?

In: a case.  Out: one row per incident: what happened, what the run said, which links or instances it named.

*Quiet*: another run of the same.  *Demand moved*: half as much again.  *Network broke*: a direction of the busiest
trunk loses one packet in fifty.  *Shadow drifted*: every trunk's delay is half as long again, so the copy is wrong
everywhere.  *Measurement fault*: one instance tells bits for bytes.

Runs are those that ``shadowlab run`` would make; what they came to is in the book, so that another judgement of the
same runs costs no run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.hidden.book import Book
from benchmarks.hidden.stages import SECONDS, WINDOW, Case
from benchmarks.hidden.workload import Traffic, utilisation
from shadowlab.correlate.agree import compare
from shadowlab.detect.registry import DETECTORS
from shadowlab.lab.correlation.null_model import null_model, null_window, ways_of
from shadowlab.lab.prepare import prepare
from shadowlab.lab.scenario import load_scenario
from shadowlab.model.network import Direction, Network
from shadowlab.model.verdict import Correlation
from shadowlab.telemetry.reading import open_telemetry
from shadowlab.telemetry.writing import open_writer
from shadowlab.topology.writers.native import write_native

RIGHT = {
    "quiet": "confirmed",
    "demand moved": "demand moved",
    "network broke": "network broke",
    "shadow drifted": "shadow drifted",
    "measurement fault": "measurement fault",
}
ALWAYS, IN_TURN = ("quiet", "measurement fault"), ("demand moved", "network broke", "shadow drifted")
"""Kinds that need no further run of production, and those of which a case has one."""
GROWTH, LOSS, STRETCH, FACTOR = 1.5, 0.02, 1.5, 8
_COUNTED = ("bytes_sent", "bytes_acked", "bytes_received", "bytes_retransmitted")
_SCENARIO = """\
shadowlab: scenario/1
name: incident
map: map.yaml
telemetry: {before}
production_after: {after}
duration: 31 s
baseline: {{from: 5 s, to: 30 s}}
wall_budget: 60 min
"""


def kinds_of(seed: int) -> tuple[str, ...]:
    """Those of a case, unless all are asked for."""
    return (*ALWAYS, IN_TURN[seed // 3 % len(IN_TURN)])


def incidents(book: Book, case: Case, kinds: Sequence[str]) -> list[dict[str, object]]:
    """One row per kind."""
    guilty, liar = _guilty(case), case.traffic.flows[0].target
    rows = []
    for kind in kinds:
        found = told(book, case, case.given.telemetry, _after(book, case, kind, guilty, liar))
        whole = found.whole
        rows.append(
            {
                "stage": "incidents",
                "seed": case.hidden.seed,
                "family": case.hidden.family,
                "load": case.load,
                "happened": kind,
                "verdict": found.verdict,
                "right": found.verdict == RIGHT[kind],
                "named": list(found.suspects),
                "truly": str(guilty) if kind == "network broke" else liar if kind == "measurement fault" else "",
                "fidelity": whole.score if whole is not None else None,
                "why": found.why,
                "accounts": {f"{one.name} ({one.verdict})": round(one.bic, 1) for one in found.hypotheses},
            }
        )
    return rows


def _after(book: Book, case: Case, kind: str, guilty: Direction, liar: str) -> Path:
    network, traffic = case.hidden.network, case.traffic
    if kind == "measurement fault":
        return _multiplied(_telemetry(book, case, network, traffic), liar)
    if kind == "demand moved":
        traffic = traffic.grown(GROWTH)
    elif kind == "network broke":
        network = _changed(network, guilty)
    elif kind == "shadow drifted":
        network = _stretched(network)
    return _telemetry(book, case, network, traffic)


def _telemetry(book: Book, case: Case, network: Network, traffic: Traffic) -> Path:
    production = replace(case.hidden, network=network)
    given, _ = book.production(production, traffic, [WINDOW], seed=2, seconds=SECONDS, told_s=SECONDS)
    return given.telemetry


def _guilty(case: Case) -> Direction:
    """The busiest direction of a trunk: what breaks there somebody sees."""
    network = case.hidden.network
    used = utilisation(network, [*case.traffic.flows, *case.traffic.workloads])
    trunks = [one for one in used if not network.is_access(network.links_by_id[one.link])]
    return max(trunks, key=lambda one: (used[one], str(one)))


def _changed(network: Network, direction: Direction) -> Network:
    link = network.links_by_id[direction.link]
    return network.with_links(link.with_impairment(direction, link.impairment(direction).with_loss(LOSS)))


def _stretched(network: Network) -> Network:
    changed = [
        replace(
            link,
            forward=replace(link.forward, delay_ns=round(link.forward.delay_ns * STRETCH)),
            backward=replace(link.backward, delay_ns=round(link.backward.delay_ns * STRETCH)),
        )
        for link in network.links
        if not network.is_access(link)
    ]
    return network.with_links(*changed)


def _multiplied(telemetry: Path, instance: str) -> Path:
    """The same records, but this instance counts bits and calls them bytes."""
    path = telemetry.with_name(f"liar-{instance}.jsonl")
    with open_telemetry(telemetry) as reading, open_writer(path, "jsonl") as out:
        for record in reading.records:
            known = {name: getattr(record, name) for name in _COUNTED if getattr(record, name) is not None}
            wrong = {name: value * FACTOR for name, value in known.items()} if record.instance == instance else {}
            out.write(replace(record, **wrong))
    return path


def told(book: Book, case: Case, before: Path, after: Path) -> Correlation:
    """The correlation of a run without events, by the parts of the product."""
    text = write_native(case.copy.network)[0]
    with tempfile.TemporaryDirectory(dir=book.scratch()) as name:
        folder = Path(name)
        (folder / "map.yaml").write_text(text)
        (folder / "scenario.yaml").write_text(_SCENARIO.format(before=before.resolve(), after=after.resolve()))
        scenario = load_scenario(folder / "scenario.yaml", known_detectors=frozenset(DETECTORS))
        prepared = prepare(scenario, scale="off")
        null = null_model(prepared)
        if isinstance(null, str):
            return Correlation(verdict="not compared", why=null)
        assert prepared.production is not None
        return compare(
            prepared.production.connections,
            book.series(prepared),
            window_ns=(scenario.baseline_ns[1], scenario.duration_ns),
            production_before=prepared.attachment.connections,
            baseline_ns=scenario.baseline_ns,
            production_scale=prepared.scaling.factor,
            events_replayed=False,
            null=book.series(null),
            null_ns=null_window(prepared),
            ways=ways_of(prepared.network, prepared.paths),
            spread=prepared.network.ecmp,
            jumps=prepared.production.clock_jumps,
        )
