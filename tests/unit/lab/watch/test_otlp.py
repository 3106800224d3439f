"""OTLP metrics out: a receiver with OpenTelemetry's own definitions reads them; what waits is bounded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from test_watch_loop import Story

from shadowlab.errors import InputError
from shadowlab.lab.watch.loop import configured
from shadowlab.lab.watch.notify.interface import Refused
from shadowlab.lab.watch.otlp.config import OtlpConfig
from shadowlab.lab.watch.otlp.export import FIRST_PAUSE_NS, MOST_WAITING, Exporter
from tests.stories.monitoring import Site

_NOWHERE = OtlpConfig(url="http://127.0.0.1:9/v1/metrics")


def test_a_collector_gets_every_cycle_and_reads_it_by_opentelemetrys_own_definitions(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("let me in\n")
    story = Story(tmp_path)
    with Site().open() as site:
        otlp = f'otlp: {{url: "http://127.0.0.1:{site.port}/v1/metrics", token_file: token}}\n'
        story.path.write_text(story.path.read_text() + otlp)

        story.loop().run(3)

    told = [Parse(json.dumps(site.posted.get_nowait()), ExportMetricsServiceRequest()) for _ in range(3)]
    assert site.posted.empty()
    (resource,) = told[-1].resource_metrics
    assert {one.key: one.value.string_value for one in resource.resource.attributes} == {
        "service.name": "shadowlab",
        "service.instance.id": "small",
    }
    by_name = {one.name: one for one in resource.scope_metrics[0].metrics}
    cycles = by_name["shadowlab_cycles"].sum
    assert (cycles.is_monotonic, cycles.aggregation_temporality) == (True, 2)
    assert [one.as_double for one in cycles.data_points] == [3.0]
    assert cycles.data_points[0].time_unix_nano == story.cycles[-1].ended_ns
    used = by_name["shadowlab_link_utilisation_ratio"].gauge.data_points
    assert {one.key for one in used[0].attributes} == {"watch", "direction", "link"}


def test_what_waits_is_bounded_and_tried_after_longer_and_longer_pauses() -> None:
    tried: list[int] = []
    now = [0]

    def refuse(config: OtlpConfig, body: bytes) -> None:
        tried.append(now[0])
        raise Refused("not now")

    exporter = Exporter(config=_NOWHERE, sender=refuse)
    for number in range(MOST_WAITING + 7):
        exporter.offer(str(number).encode())
    for moment in range(0, 20 * FIRST_PAUSE_NS, FIRST_PAUSE_NS // 2):
        now[0] = moment
        exporter.send(moment)

    assert exporter.dropped == 7
    assert [one // FIRST_PAUSE_NS for one in tried] == [0, 1, 3, 7, 15]
    assert exporter.fault == "not now"


def test_what_is_refused_for_good_is_dropped_and_the_next_goes_on() -> None:
    arrived: list[bytes] = []

    def choose(config: OtlpConfig, body: bytes) -> None:
        if body == b"0":
            raise Refused("no such path", for_good=True)
        arrived.append(body)

    exporter = Exporter(config=_NOWHERE, sender=choose)
    for number in range(3):
        exporter.offer(str(number).encode())
    exporter.send(0)

    assert (arrived, exporter.dropped, exporter.fault) == ([b"1", b"2"], 1, "")


def test_a_token_does_not_go_in_the_clear(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("let me in")
    story = Story(tmp_path)
    otlp = 'otlp: {url: "http://collector.example:4318/v1/metrics", token_file: token}\n'
    story.path.write_text(story.path.read_text() + otlp)

    with pytest.raises(InputError, match="in the clear"):
        configured(story.path)
