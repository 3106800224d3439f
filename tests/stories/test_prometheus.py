"""A watch beside the real Prometheus and Alertmanager: scraped, a rule fires, the alert arrives, and ends."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shadowlab.lab.watch.config import ReceiverConfig
from shadowlab.lab.watch.metrics import metrics_text
from shadowlab.lab.watch.notify.http import post
from shadowlab.lab.watch.notify.interface import Senders
from shadowlab.lab.watch.trigger.receiver import TriggerConfig, listening
from shadowlab.model.watch.cycle import Cycle, WatchedLink
from shadowlab.model.watch.incident import Incident, Notification
from shadowlab.model.watch.state import WatchState
from tests.stories.monitoring import PATIENCE_S, Site, alertmanager, get, programs, prometheus, until

_DIRECTION = 'a→"b"\\c'
"""With all that the text format must escape."""


def _exposed(*incidents: Incident) -> str:
    now_ns = time.time_ns()
    link = WatchedLink(
        direction=_DIRECTION, link="a-b", source="a", target="b", rate_bps=1, utilisation=0.5, loss=0.0, delay_ns=1
    )
    cycle = Cycle(
        number=1,
        began_ns=now_ns - 10**9,
        ended_ns=now_ns,
        status="complete",
        headline="",
        verdict="network broke" if incidents else "confirmed",
        telemetry_to_ns=now_ns,
        links=(link,),
    )
    return metrics_text(WatchState(name="backbone", cycle=1, open_incidents=incidents), cycle)


_INCIDENT = Incident(
    id="1-1-network",
    kind="network",
    severity="critical",
    title="a-b: loss",
    opened_ns=10**18,
    updated_ns=10**18,
    opened_cycle=1,
)


def _rules() -> str:
    words = [sys.executable, "-m", "shadowlab", "integrate", "rules"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@pytest.mark.story
def test_an_incident_told_by_us_arrives_in_a_real_alertmanager_and_its_resolution_ends_it(tmp_path: Path) -> None:
    with Site().open() as site, alertmanager(tmp_path / "am", site.port) as port:
        receiver = ReceiverConfig(
            name="pager", kind="alertmanager", url=f"http://127.0.0.1:{port}", labels={"team": "net"}
        )
        senders, now_ns = Senders().of([receiver]), time.time_ns()
        opened = Notification(
            id="1-1-network:1:pager",
            receiver="pager",
            incident="1-1-network",
            event="opened",
            severity="critical",
            title="a-b: loss | 2 %",
            text="a→b loses",
            at_ns=now_ns,
            began_ns=now_ns - 60 * 10**9,
            links=("a-b",),
        )

        senders.send(opened)
        first = site.posted.get(timeout=PATIENCE_S)
        listed = get(port, "/api/v2/alerts")
        senders.send(replace(opened, event="resolved", title="a-b: well again", ended_ns=now_ns))
        last = site.posted.get(timeout=PATIENCE_S)

    labels = {"alertname": "ShadowLabNetwork", "incident": "1-1-network", "kind": "network", "team": "net"}
    assert (first["status"], first["alerts"][0]["labels"]) == ("firing", labels)
    assert [one["labels"] for one in listed] == [labels]
    assert listed[0]["annotations"]["severity"] == "critical"
    assert (last["status"], last["alerts"][0]["labels"]) == ("resolved", labels)
    assert last["alerts"][0]["annotations"]["summary"] == "a-b: well again"


@pytest.mark.story
def test_prometheus_scrapes_a_watch_its_shipped_rule_fires_reaches_alertmanager_and_ends(tmp_path: Path) -> None:
    with Site().open() as metrics, Site().open() as hook, alertmanager(tmp_path / "am", hook.port) as told:
        metrics.metrics = _exposed(_INCIDENT)
        with prometheus(tmp_path / "prom", target=metrics.port, alerts_to=told, rules=_rules()) as port:
            first = hook.posted.get(timeout=PATIENCE_S)
            scraped = get(port, "/api/v1/query?query=shadowlab_link_utilisation_ratio")
            alerts = get(port, "/api/v1/alerts")
            metrics.metrics = _exposed()
            last = hook.posted.get(timeout=PATIENCE_S)
            until(
                lambda: get(port, "/api/v1/alerts")["data"]["alerts"],
                lambda firing: firing == [],
                "alerts of Prometheus",
            )

    (series,) = scraped["data"]["result"]
    assert series["metric"]["direction"] == _DIRECTION
    assert float(series["value"][1]) == 0.5
    assert [one["labels"]["alertname"] for one in alerts["data"]["alerts"]] == ["ShadowLabIncidentOpen"]
    labels = {"alertname": "ShadowLabIncidentOpen", "watch": "backbone", "kind": "network", "severity": "critical"}
    assert (first["status"], first["alerts"][0]["labels"]) == ("firing", labels)
    assert first["alerts"][0]["annotations"]["summary"] == "backbone: 1 open, kind network"
    assert (last["status"], last["alerts"][0]["labels"]) == ("resolved", labels)


def _case(series: str, values: str, at: str, alert: str, labels: dict[str, str] | None) -> dict[str, Any]:
    fired = [] if labels is None else [{"exp_labels": {"watch": "w", **labels}}]
    return {
        "interval": "1m",
        "input_series": [{"series": series, "values": values}],
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": fired}],
    }


@pytest.mark.story
def test_each_shipped_rule_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    drifted = 'shadowlab_verdict{watch="w",verdict="shadow drifted"}'
    given_up = 'shadowlab_notifications_given_up_total{watch="w",receiver="hook"}'
    link = 'shadowlab_link_utilisation_ratio{watch="w",direction="a>b",link="a-b"}'
    ended = 'shadowlab_cycle_end_timestamp_seconds{watch="w"}'
    newest = 'shadowlab_telemetry_timestamp_seconds{watch="w"}'
    refused = 'shadowlab_reloads_refused_total{watch="w"}'
    is_open = 'shadowlab_incidents_open{watch="w",kind="network",severity="critical"}'
    link_labels = {"direction": "a>b", "link": "a-b", "severity": "warning"}
    cases = [
        _case(is_open, "0 1", "0m", "ShadowLabIncidentOpen", None),
        _case(is_open, "0 1", "1m", "ShadowLabIncidentOpen", {"kind": "network", "severity": "critical"}),
        _case(ended, "0x20", "10m", "ShadowLabWatchSilent", None),
        _case(ended, "0x20", "11m", "ShadowLabWatchSilent", {"severity": "critical"}),
        _case(newest, "0x20", "10m", "ShadowLabTelemetryOld", None),
        _case(newest, "0x20", "11m", "ShadowLabTelemetryOld", {"severity": "warning"}),
        _case(drifted, "1x20", "9m", "ShadowLabShadowDrifted", None),
        _case(drifted, "1x20", "10m", "ShadowLabShadowDrifted", {"verdict": "shadow drifted", "severity": "warning"}),
        _case(link, "0.9x20", "20m", "ShadowLabLinkFull", None),
        _case(link, "0.95x20", "10m", "ShadowLabLinkFull", link_labels),
        _case(given_up, "3x200", "150m", "ShadowLabNotificationLost", None),
        _case(given_up, "3x149 4", "150m", "ShadowLabNotificationLost", {"receiver": "hook", "severity": "warning"}),
        _case(given_up, "_x99 1", "100m", "ShadowLabNotificationLost", {"receiver": "hook", "severity": "warning"}),
        _case(refused, "0 1", "1m", "ShadowLabReloadRefused", {"severity": "warning"}),
    ]
    rules = tmp_path / "rules.yaml"
    rules.write_text(_rules())
    # What is not to be compared here, the words, is left out of the rules.
    bare = [
        line
        for line in _rules().splitlines()
        if line.strip().split(":")[0] not in ("annotations", "summary", "description")
    ]
    (tmp_path / "bare.yaml").write_text("\n".join(bare))
    tested = tmp_path / "tested.json"
    tested.write_text(json.dumps({"rule_files": ["bare.yaml"], "evaluation_interval": "1m", "tests": cases}))

    for words in (["check", "rules", str(rules)], ["test", "rules", str(tested)]):
        ended_with = subprocess.run([programs() / "promtool", *words], capture_output=True, text=True)
        assert ended_with.returncode == 0, ended_with.stdout + ended_with.stderr
    assert all(f"alert: {case['alert_rule_test'][0]['alertname']}" in rules.read_text() for case in cases)


@pytest.mark.story
def test_promtool_has_nothing_against_our_metrics_but_that_rates_are_in_bits() -> None:
    words = [programs() / "promtool", "check", "metrics"]
    checked = subprocess.run(words, input=_exposed(_INCIDENT), capture_output=True, text=True)

    # Rates of links and demands are in bits per second wherever network engineers look.
    remarks = [line for line in checked.stderr.splitlines() if 'use base unit "bytes" instead of "bits"' not in line]
    assert (remarks, checked.stdout) == ([], "")
    assert checked.returncode in (0, 3)


_EXPORTED = """node_netstat_Tcp_RetransSegs 7
tcp_rtt_seconds{src="web",dst="db"} 0.025
tcp_sent_bytes_total{src="web",dst="db",port="1"} 3000
tcp_sent_bytes_total{src="web",dst="db",port="2"} 2000
"""
_SOURCE = """shadowlab: prometheus/1
url: http://127.0.0.1:PORT
step: 1 s
queries:
  - node_netstat_Tcp_RetransSegs
  - {query: tcp_rtt_seconds, field: srtt_ns, times: 1e9, instance: src, peer: dst}
  - {query: "sum by (src, dst) (tcp_sent_bytes_total)", field: bytes_acked, instance: src, peer: dst}
"""


@pytest.mark.story
@pytest.mark.slow
def test_a_real_prometheus_is_asked_for_telemetry_and_says_what_it_does_not_understand(tmp_path: Path) -> None:
    source, out = tmp_path / "source.yaml", tmp_path / "out.jsonl"
    fetch = [sys.executable, "-m", "shadowlab", "telemetry", "fetch", str(source), str(out)]
    with Site().open() as metrics, prometheus(tmp_path / "prom", target=metrics.port, alerts_to=9, rules="") as port:
        metrics.metrics = _EXPORTED
        until(
            lambda: get(port, "/api/v1/query?query=tcp_rtt_seconds")["data"]["result"],
            lambda found: found != [],
            "the first scrape",
        )
        source.write_text(_SOURCE.replace("PORT", str(port)))
        # The first sample may lie behind the last whole step.
        until(lambda: subprocess.run([*fetch, "--last", "10 min"]).returncode, lambda code: code == 0, "a fetch")
        source.write_text(_SOURCE.replace("PORT", str(port)).replace("sum by", "sum buy"))
        wrong = subprocess.run([*fetch, "--last", "10 min"], capture_output=True, text=True)

    told = [json.loads(line) for line in out.read_text().splitlines()[1:]]
    hosts = {one["retransmits_total"] for one in told if one["scope"] == "host"}
    pairs = {
        (one["instance"], one["peer"], one["srtt_ns"], one["bytes_acked"]) for one in told if one["scope"] == "pair"
    }
    assert hosts == {7}
    assert pairs == {("web", "db", 25_000_000, 5000)}
    assert wrong.returncode == 2
    assert f"http://127.0.0.1:{port}: does not answer 'sum buy" in wrong.stderr
    assert "parse error" in wrong.stderr


@pytest.mark.story
@pytest.mark.slow
def test_a_real_alertmanagers_webhook_wakes_a_watch_once(tmp_path: Path) -> None:
    woken = threading.Event()
    with (
        listening(TriggerConfig(host="127.0.0.1", port=0), woken.set) as trigger,
        alertmanager(tmp_path / "am", trigger.port) as port,
    ):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        names = ("ShadowLabNetwork", "HighLatency")
        alerts = [{"labels": {"alertname": name, "instance": "web:9100"}, "startsAt": now} for name in names]
        post(f"http://127.0.0.1:{port}/api/v2/alerts", json.dumps(alerts).encode(), {})
        assert woken.wait(PATIENCE_S)

    assert trigger.taken() == ["Alertmanager: HighLatency on web:9100"]
