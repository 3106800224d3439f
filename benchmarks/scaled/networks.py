"""The networks: a dumbbell with plain buffers, one that loses, one with an AQM, and Abilene under its recorded traffic.

In: nothing.  Out: scenario files.  Never: a run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Words = dict[str, Any]
PAIRS = 3
SECONDS, WARM_S = 30, 6
ABILENE = Path(__file__).parents[2] / "topologies"
_HEAD: Words = {
    "shadowlab": "scenario/1",
    "duration": f"{SECONDS} s",
    "baseline": {"from": f"{WARM_S} s", "to": f"{SECONDS} s"},
    "probe_every": "100 ms",
    "wall_budget": "1 h",
}


def _dumbbell(bottleneck: Words, *, greedy: int) -> Callable[[Path], Path]:
    """100 Mbit/s and 20 ms there and back between three pairs: so many carry a long transfer, the last one short ones
    (a sixth of the rate)."""

    def write(folder: Path) -> Path:
        sides = {side: [f"{side}{number}" for number in range(PAIRS)] for side in "ab"}
        plain = {"delay": "0.5 ms", "rate": "1 Gbit", "queue": 1000}
        links = {f"{one}-{router}": {"ends": [one, router], **plain}
                 for router, some in (("west", sides["a"]), ("east", sides["b"])) for one in some}  # fmt: skip
        middle = {"ends": ["west", "east"], "delay": "9 ms", "rate": "100 Mbit", "queue": 160, **bottleneck}
        hosts = {one: {"kind": "host"} for some in sides.values() for one in some}
        network = {
            "shadowlab": "map/1",
            "name": "dumbbell",
            "nodes": {"west": {"kind": "router"}, "east": {"kind": "router"}, **hosts},
            "links": {**links, "middle": middle},
        }
        longs = [
            {"transfers": f"long{number}", "from": f"a{number}", "to": f"b{number}", "size": "2 GB",
             "arrivals": {"at": [f"{100 * (number + 1)} ms"]}}
            for number in range(greedy)
        ]  # fmt: skip
        short = {"transfers": "short", "from": "a2", "to": "b2", "arrivals": "20/s",
                 "size": {"lognormal": {"median": "60 kB", "sigma": 1}}}  # fmt: skip
        (folder / "map.yaml").write_text(json.dumps(network), encoding="utf-8")
        scenario = {**_HEAD, "name": "dumbbell", "map": "map.yaml", "traffic": [*longs, short]}
        (folder / "scenario.yaml").write_text(json.dumps(scenario), encoding="utf-8")
        return folder / "scenario.yaml"

    return write


def _abilene(folder: Path) -> Path:
    files = {"map": str(ABILENE / "abilene.yaml"), "telemetry": str(ABILENE / "abilene" / "before.ss")}
    scenario = {**_HEAD, "name": "abilene", **files}
    (folder / "scenario.yaml").write_text(json.dumps(scenario), encoding="utf-8")
    return folder / "scenario.yaml"


NETWORKS: Mapping[str, Callable[[Path], Path]] = {
    "dumbbell, buffer of one bandwidth-delay product": _dumbbell({}, greedy=2),
    "dumbbell, 0.5 % loss": _dumbbell({"loss": "0.5 %"}, greedy=2),
    "dumbbell, CoDel": _dumbbell({"queue": {"kind": "codel", "ecn": False}}, greedy=2),
    "dumbbell, short transfers only": _dumbbell({}, greedy=0),
    "Abilene with its telemetry": _abilene,
}
