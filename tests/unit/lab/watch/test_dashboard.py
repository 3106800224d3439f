"""The shipped dashboard is one by Grafana's own schema, and asks only for metrics that there are."""

from __future__ import annotations

import json
import re
from typing import Any

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from test_metrics_page import _everything

from shadowlab.lab.watch.shipped import shipped_text

_BOARD: dict[str, Any] = json.loads(shipped_text("grafana"))


def _lost(mine: Any, theirs: Any, where: str = "") -> list[str]:
    """What the schema does not know, or took for something else."""
    if isinstance(mine, dict):
        known = theirs if isinstance(theirs, dict) else {}
        return [one for key, value in mine.items() for one in _lost(value, known.get(key), f"{where}/{key}")]
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        return [one for at, pair in enumerate(zip(mine, theirs, strict=True)) for one in _lost(*pair, f"{where}/{at}")]
    return [] if mine == theirs else [where]


def test_nothing_of_it_is_unknown_to_grafanas_schema() -> None:
    plugins.register_default_plugins()
    wrong = {"panels": [{"type": "stat", "gridpos": {"x": 1}}]}

    read, misread = Dashboard.from_json(_BOARD), Dashboard.from_json(wrong)

    assert _lost(_BOARD, json.loads(JSONEncoder().encode(read))) == []
    assert _lost(wrong, json.loads(JSONEncoder().encode(misread))) == ["/panels/0/gridpos/x"]


def test_it_asks_only_for_metrics_and_labels_that_there_are() -> None:
    exposed = _everything()
    there = set(re.findall(r"^(shadowlab_\w+)\{", exposed, re.MULTILINE))
    asked = [target["expr"] for panel in _BOARD["panels"] for target in panel["targets"]]
    asked += [one["query"] for one in _BOARD["templating"]["list"][1:]]
    asked += [one["expr"] for one in _BOARD["annotations"]["list"]]

    assert {name for one in asked for name in re.findall(r"shadowlab_\w+", one)} <= there
    for target in (target for panel in _BOARD["panels"] for target in panel["targets"]):
        (name, *_), legend = re.findall(r"shadowlab_\w+", target["expr"]), target["legendFormat"]
        line = next(one for one in exposed.splitlines() if one.startswith(name + "{"))
        assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= set(re.findall(r'(\w+)="', line)), target["expr"]


def test_no_two_panels_lie_on_each_other() -> None:
    cells = [
        (x, y)
        for panel in _BOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
