"""Small fabrics and flows on them, as a file of observations states them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import numpy as np

LEAVES, SPINES, HOSTS = 4, 3, 3
EDGES = [
    *((f"h{leaf}{host}", f"l{leaf}") for leaf in range(LEAVES) for host in range(HOSTS)),
    *((f"l{leaf}", f"s{spine}") for leaf in range(LEAVES) for spine in range(SPINES)),
]
NODES = sorted({end for edge in EDGES for end in edge})
LINKS = [f"{a}>{b}" for one, two in EDGES for a, b in ((one, two), (two, one))]


def network(**more: Any) -> dict[str, Any]:
    """The leaves and spines as the first line states them."""
    links = [{"from": name.split(">")[0], "to": name.split(">")[1]} for name in LINKS]
    return {"network": {"nodes": NODES, "links": links, **more}}


def ways(source: str, target: str) -> list[list[str]]:
    """All shortest paths between two hosts."""
    a, b = source[1], target[1]
    if a == b:
        return [[source, f"l{a}", target]]
    return [[source, f"l{a}", f"s{spine}", f"l{b}", target] for spine in range(SPINES)]


def flows(
    rng: np.random.Generator,
    *,
    loss: Mapping[str, float] | None = None,
    slow_ms: Mapping[str, float] | None = None,
    good: float = 2e-5,
    packets: int = 2000,
    known: bool = True,
) -> list[dict[str, Any]]:
    """Three flows between all pairs of hosts; ``loss`` and ``slow_ms`` are by link or by node."""
    loss, slow_ms = loss or {}, slow_ms or {}
    found = []
    hosts = [node for node in NODES if node[0] == "h"]
    for source, target in permutations(hosts, 2):
        for _ in range(3):
            candidates = ways(source, target)
            path = candidates[int(rng.integers(len(candidates)))]
            hops = [f"{a}>{b}" for a, b in pairwise(path)]
            kept = np.prod([1 - good - loss.get(hop, 0.0) for hop in hops])
            kept *= np.prod([1 - loss.get(node, 0.0) for node in path])
            one: dict[str, Any] = {"src": source, "dst": target, "sent": packets}
            one["bad"] = int(rng.binomial(packets, 1 - kept))
            if known:
                one["paths"] = [path]
            if slow_ms:
                excess = sum(slow_ms.get(name, 0.0) for name in (*hops, *path)) + float(rng.normal(0, 0.2))
                one |= {"rtt_ms": max(10 + excess, 0.0), "base_rtt_ms": 10}
            found.append(one)
    return found


def write(folder: Path, lines: Sequence[Any]) -> Path:
    """A file of them."""
    file = folder / "observations.jsonl"
    file.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
    return file
