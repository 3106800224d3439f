"""The jobs: each shape by itself, and all but the largest in a few packs.

In: shapes.  Out: a folder with a map, a scenario and what they name.  Never: a run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.repeated.shapes import CORE, SHAPES, Shape, side_by_side

SCENARIO = "job.yaml"
_SECONDS, _CALM_S = 16, 11

PACKS: Mapping[str, Sequence[str]] = {
    "links": ("lossy", "bursts", "overtaking", "doubled", "datagrams", "lookups", "replay"),
    "queues": ("aqm", "dctcp", "bbr", "incast", "short"),
    "ways": ("multipath", "segment", "ipv6", "source", "events", "requests"),
    "programs": ("iperf3", "program"),
}
"""What may stand side by side: pieces that share no link but those to ``core``, which carry nothing of theirs.
Programs are by themselves, for theirs is the chance that no other piece should move."""

JOBS: Mapping[str, Shape] = {
    **SHAPES,
    **{f"pack-{name}": side_by_side(name, [SHAPES[one] for one in parts]) for name, parts in PACKS.items()},
}
SINGLE = tuple(SHAPES)
PACKED = tuple(name for name in JOBS if name not in SHAPES)


def write_job(name: str, folder: Path) -> Path:
    """The scenario, in a new folder."""
    shape = JOBS[name]
    folder.mkdir(parents=True)
    calm = not shape.events
    map_file = {
        "shadowlab": "map/1",
        "name": name,
        "nodes": {CORE: {"kind": "router"}, **shape.nodes},
        "links": dict(shape.links),
        "routes": list(shape.routes),
        "groups": dict(shape.groups),
        "routing": {"ecmp": "multipath" in name or "ways" in name},
    }
    scenario = {
        "shadowlab": "scenario/1",
        "name": name,
        "map": "map.yaml",
        "duration": f"{_CALM_S + 1 if calm else _SECONDS} s",
        "baseline": {"from": "1 s", "to": f"{_CALM_S} s"},
        "wall_budget": "10 min",
        "traffic": list(shape.traffic),
        "events": list(shape.events),
        "compute": dict(shape.compute),
    }
    (folder / "map.yaml").write_text(json.dumps(map_file), encoding="utf-8")
    (folder / SCENARIO).write_text(json.dumps(scenario), encoding="utf-8")
    for file, content in shape.files.items():
        (folder / file).write_bytes(content)
    return folder / SCENARIO
