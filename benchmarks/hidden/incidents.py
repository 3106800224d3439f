"""Incidents of five kinds, each told by ``shadowlab run`` from telemetry before and after: is the verdict right?

In: a case.  Out: one row per incident: what happened, what the run said, which links or instances it named.

*Quiet*: another run of the same.  *Demand moved*: half as much again.  *Network broke*: a direction of the busiest
trunk loses one packet in fifty.  *Shadow drifted*: every trunk's delay is half as long again, so the copy is wrong
everywhere.  *Measurement fault*: one instance tells bits for bytes.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.hidden.book import Book
from benchmarks.hidden.stages import SECONDS, WINDOW, Case
from benchmarks.hidden.workload import Traffic, utilisation
from shadowlab.model.network import Direction, Network
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
GROWTH, LOSS, STRETCH, FACTOR = 1.5, 0.02, 1.5, 8
_COUNTED = ("bytes_sent", "bytes_acked", "bytes_received", "bytes_retransmitted")
_SCENARIO = """\
shadowlab: scenario/1
name: incident
map: map.yaml
telemetry: {before}
production_after: {after}
duration: 36 s
baseline: {{from: 5 s, to: 30 s}}
wall_budget: 60 min
"""


def incidents(book: Book, case: Case) -> list[dict[str, object]]:
    """One row per kind."""
    guilty = _guilty(case)
    lossy = _changed(case.hidden.network, guilty)
    slow = _stretched(case.hidden.network)
    before = _telemetry(book, case, case.hidden.network, case.traffic, seed=1)
    afters = {
        "quiet": _telemetry(book, case, case.hidden.network, case.traffic, seed=2),
        "demand moved": _telemetry(book, case, case.hidden.network, case.traffic.grown(GROWTH), seed=2),
        "network broke": _telemetry(book, case, lossy, case.traffic, seed=2),
        "shadow drifted": _telemetry(book, case, slow, case.traffic, seed=2),
    }
    liar = case.traffic.flows[0].target
    afters["measurement fault"] = _multiplied(afters["quiet"], liar)
    rows = []
    for kind, after in afters.items():
        found = _told(book, case, before, after)
        whole = next((one["score"] for one in found["fidelity"] if one["kind"] == "whole"), None)
        rows.append(
            {
                "stage": "incidents",
                "seed": case.hidden.seed,
                "family": case.hidden.family,
                "load": case.load,
                "happened": kind,
                "verdict": found["verdict"],
                "right": found["verdict"] == RIGHT[kind],
                "named": found["suspects"],
                "truly": str(guilty) if kind == "network broke" else liar if kind == "measurement fault" else "",
                "fidelity": whole,
                "why": found["why"],
            }
        )
    return rows


def _telemetry(book: Book, case: Case, network: Network, traffic: Traffic, *, seed: int) -> Path:
    production = replace(case.hidden, network=network)
    given, _ = book.production(production, traffic, [WINDOW], seed=seed, seconds=SECONDS, told_s=SECONDS)
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


def _told(book: Book, case: Case, before: Path, after: Path) -> dict[str, object]:
    """The correlation of a run, as its result has it."""
    text = write_native(case.copy.network)[0]
    scenario = _SCENARIO.format(before=before.resolve(), after=after.resolve())
    key = hashlib.sha256(text.encode() + scenario.encode() + _code().encode()).hexdigest()[:20]
    kept = book.folder / "incidents" / f"{key}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as name:
            folder = Path(name)
            (folder / "map.yaml").write_text(text)
            (folder / "scenario.yaml").write_text(scenario)
            command = [sys.executable, "-m", "shadowlab", "run", str(folder / "scenario.yaml"), "--scale", "off"]
            subprocess.run([*command, "--quiet", "--out", str(folder / "run")], stdout=subprocess.DEVNULL, check=False)
            result = json.loads((folder / "run" / "result.json").read_text())
        kept.write_text(json.dumps(result["correlation"], sort_keys=True))
    return dict(json.loads(kept.read_text()))


def _code() -> str:
    """Of what judges: another judgement of the same run is another result."""
    root = Path(__file__).parents[2] / "shadowlab" / "correlate"
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(root.glob("*.py")))).hexdigest()
