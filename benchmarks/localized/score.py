"""How well a localisation fits the truth, as published: precision and recall per trace, F of their means.

A class counts as found where it holds what is bad; of a bad node also its links count, as parts of it (so does Harsh et
al., "Flock": a link of a bad node is right, and recalls its share of the node's links).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shadowlab.localize.findings import Localisation
from shadowlab.localize.observations import Component


@dataclass(frozen=True, kw_only=True)
class Score:
    """Of one trace.  ``named`` is how many were named, ``right_type`` the share of right ones whose kind is right."""

    precision: float
    recall: float
    named: int
    right_type: float
    seconds: float


def score(found: Localisation, bad: Sequence[Component], fault: str, seconds: float) -> Score:
    """With precision 1 where nothing is named, and recall 1 where nothing is bad."""
    names = {str(one) for one in bad}
    of_node = {link: str(one) for one in bad if one.kind != "link" for link in one.links}
    links_of = {str(one): len(one.links) for one in bad}
    whole: set[str] = set()
    parts: dict[str, int] = {}
    right, right_type = 0, 0
    for one in found.suspects:
        own = {str(part) for part in one.components}
        nodes = {of_node[name] for name in own if name in of_node}
        if own & names:
            whole |= own & names
        elif nodes:
            for node in sorted(nodes):
                parts[node] = parts.get(node, 0) + 1
        else:
            continue
        right += 1
        right_type += one.fault == fault
    recalled = len(whole) + sum(min(1.0, count / links_of[node]) for node, count in parts.items() if node not in whole)
    named = len(found.suspects)
    return Score(
        precision=right / named if named else 1.0,
        recall=recalled / len(names) if names else 1.0,
        named=named,
        right_type=right_type / right if right else 1.0,
        seconds=seconds,
    )


def f_of(scores: Sequence[Score]) -> float:
    """The harmonic mean of mean precision and mean recall."""
    precision, recall = (float(np.mean([getattr(one, key) for one in scores])) for key in ("precision", "recall"))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def interval(scores: Sequence[Score]) -> tuple[float, float]:
    """95 % of F by drawing traces with replacement, a thousand times, from a fixed seed."""
    rng = np.random.default_rng(0)
    values = np.array([(one.precision, one.recall) for one in scores])
    means = values[rng.integers(len(values), size=(1000, len(values)))].mean(axis=1)
    drawn = 2 * means.prod(axis=1) / np.maximum(means.sum(axis=1), 1e-12)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)
