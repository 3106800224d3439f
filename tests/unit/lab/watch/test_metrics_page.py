"""The page of metrics and events says what there is: no name too few, none too many."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import yaml
from prometheus_client.parser import text_string_to_metric_families

from shadowlab.lab.watch.metrics import metrics_text
from shadowlab.lab.watch.shipped import shipped_text
from shadowlab.model.verdict import Fidelity
from shadowlab.model.watch.cycle import Cycle, StageTime, WatchedLink, WatchedPath
from shadowlab.model.watch.incident import EntryKind, Incident, IncidentKind
from shadowlab.model.watch.state import WatchState

_PAGE = (Path(__file__).parents[4] / "docs/reference/metrics.md").read_text(encoding="utf-8")


def _everything() -> str:
    kpis = {"srtt_ms": 1.0, "retransmission_share": 0.0, "throughput_mbps": 1.0}
    cycle = Cycle(
        number=1,
        began_ns=0,
        ended_ns=1,
        status="complete",
        headline="",
        stages=(StageTime(name="read", wall_s=1.0),),
        paths=(WatchedPath(path="a", state="off", production=kpis, shadow=kpis, before={}),),
        links=(
            WatchedLink(
                direction="a>b", link="a-b", source="a", target="b", rate_bps=1, utilisation=0.0, loss=0.0, delay_ns=0
            ),
        ),
        fidelity=Fidelity(kind="whole", subject="", score=1.0, standing="true", values=9),
    )
    incident = Incident(id="1", kind="network", severity="info", title="", opened_ns=0, updated_ns=0, opened_cycle=1)
    state = WatchState(name="w", told={"hook": 1}, given_up={"hook": 1}, open_incidents=(incident,))
    return metrics_text(state, cycle)


def test_the_page_lists_every_metric_with_its_type_and_labels() -> None:
    there = set()
    for family in text_string_to_metric_families(_everything()):
        name = family.name + ("_total" if family.type == "counter" else "")
        there.add((name, family.type, tuple(sorted(set(family.samples[0].labels) - {"watch"}))))

    rows = re.findall(r"^\| `(shadowlab_\w+)` \| (\w+) \| ([^|]*) \|", _PAGE, re.MULTILINE)
    assert {(name, kind, tuple(sorted(re.findall(r"`(\w+)`", labels)))) for name, kind, labels in rows} == there


def test_the_page_lists_every_event_and_kind() -> None:
    rows = set(re.findall(r"^\| `([a-z]+)` \|", _PAGE, re.MULTILINE))

    assert rows == {*get_args(EntryKind), *get_args(IncidentKind)}


def test_the_shipped_rules_ask_only_for_metrics_that_there_are() -> None:
    exposed = set(re.findall(r"^(shadowlab_\w+)\{", _everything(), re.MULTILINE))
    rules = [rule for group in yaml.safe_load(shipped_text("rules"))["groups"] for rule in group["rules"]]

    asked = {name for rule in rules for name in re.findall(r"shadowlab_\w+", rule["expr"])}
    assert asked and asked <= exposed
