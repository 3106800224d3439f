"""What a question is about: a scenario, a run of one, or a bare map.

In: a path, and what the command line says beside it.  Out: a scenario and its inputs.  Never: the events of the
scenario, which happen only if the question says so.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from shadowlab.detect.registry import DETECTORS
from shadowlab.errors import InputError
from shadowlab.lab.cures.read import Cures
from shadowlab.lab.inputs.gathered import Inputs, read_inputs
from shadowlab.lab.scenario import DemandUse, Scenario, load_scenario
from shadowlab.model.kpi import KPIS
from shadowlab.model.level import ServiceLevel, parse_limit
from shadowlab.model.units import NS_PER_MS, NS_PER_S
from shadowlab.topology.formats import read_input

MANIFEST = "manifest.json"
DEFAULT_LEVELS = (
    ServiceLevel(name="delivery", kpi="loss", limit=0.01, tolerated=0.2),
    ServiceLevel(name="clean transport", kpi="retransmission_share", limit=0.02, tolerated=0.2),
)
"""What is judged where nothing was promised: on every path less than 1 % of probes lost, and less than 2 % of segments
sent again, in at least 80 % of the windows."""
_LEVEL = re.compile(r"([a-z0-9_]+)\s*(<=|>=)\s*(\S.*)")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """``promised``: the service levels are somebody's, not :data:`DEFAULT_LEVELS`."""

    scenario: Scenario
    inputs: Inputs
    promised: bool


def read_level(text: str) -> ServiceLevel:
    """``latency_p95_ms<=110``.  Raises InputError."""
    match = _LEVEL.fullmatch(text.strip())
    if match is None:
        raise InputError(f"--level {text!r}: write it like 'latency_p95_ms<=110'")
    try:
        limit = parse_limit(match[1], match[3])
        level = ServiceLevel(name=text.replace(" ", ""), kpi=match[1], limit=limit, tolerated=0.2)
    except ValueError as error:
        raise InputError(f"--level {text!r}: {error}") from error
    wanted = ">=" if level.less_is_bad else "<="
    if match[2] != wanted:
        side = "above" if level.less_is_bad else "below"
        raise InputError(f"--level {text!r}: {match[1]} is good {side} a limit: use {wanted}")
    return level


def open_question(
    path: Path, *, telemetry: Path | None, unit: str, levels: tuple[ServiceLevel, ...], duration_ns: int, budget_ns: int
) -> Asked:
    """Raises InputError for what is none of the three, and for a map that nothing is known to be driven through."""
    if path.is_dir() and (path / MANIFEST).exists():
        scenario = _scenario_of_run(path)
    elif path.is_dir() or b"scenario/1" not in read_input(path, what="map or scenario")[:100_000]:
        scenario = _scenario_of_map(path, telemetry=telemetry, unit=unit)
    else:
        scenario = load_scenario(path, known_detectors=frozenset(DETECTORS))
    if telemetry is not None:
        scenario = replace(scenario, telemetry=_need_file(telemetry), demands=None)
    promised = bool(levels or scenario.levels)
    if levels or not scenario.levels:
        chosen = levels or DEFAULT_LEVELS
        scenario = replace(scenario, levels=chosen, level_places=("--level",) * len(chosen))
    try:
        inputs = read_inputs(scenario)
    except InputError as error:
        if scenario.demands is None or scenario.path != path or telemetry is not None:
            raise
        hint = "name what is driven: --telemetry FILE, or a scenario instead of the map, or --unit for its demands"
        raise InputError(*error.faults, hint) from error
    known = {one.kpi for one in scenario.levels}
    if not inputs.workloads and any(KPIS[kpi].subject == "service" for kpi in known):
        raise InputError("a service level is of services, and nothing that is driven has exchanges")
    scenario = replace(
        scenario,
        duration_ns=duration_ns,
        wall_budget_ns=budget_ns,
        cures=Cures(),
        expect=None,
        production_after=None,
    )
    return Asked(scenario=scenario, inputs=replace(inputs, production=None, allowed=()), promised=promised)


def _scenario_of_run(folder: Path) -> Scenario:
    try:
        named = Path(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["scenario"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / MANIFEST} does not say which scenario was run: {error}") from error
    if not named.is_file():
        raise InputError(f"{folder} is a run of {named}, which is not there any more: name the scenario or the map")
    return load_scenario(named, known_detectors=frozenset(DETECTORS))


def _scenario_of_map(path: Path, *, telemetry: Path | None, unit: str) -> Scenario:
    return Scenario(
        path=path,
        name=re.sub(r"[^A-Za-z0-9._-]", "-", path.stem)[:40] or "map",
        title=f"what if, on {path.name}",
        map=path,
        telemetry=telemetry,
        production_after=None,
        duration_ns=NS_PER_S,
        seed=1,
        sample_every_ns=NS_PER_S,
        probe_every_ns=200 * NS_PER_MS,
        baseline_ns=(0, 0),
        levels=(),
        events=(),
        detectors=("panel",),
        cures=Cures(),
        expect=None,
        wall_budget_ns=120 * NS_PER_S,
        demands=None if telemetry is not None else DemandUse(unit=unit, scale=1.0, place=str(path)),
    )


def _need_file(path: Path) -> Path:
    if not path.exists():
        raise InputError(f"{path} does not exist")
    return path
