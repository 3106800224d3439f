"""Alertmanager's webhook as a reason to look at once: what begins a cycle, what does not, who may."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_watch_loop import Story

from shadowlab.errors import InputError
from shadowlab.lab.watch.loop import configured
from shadowlab.lab.watch.trigger import receiver
from shadowlab.lab.watch.trigger.alerts import Heard
from shadowlab.lab.watch.trigger.receiver import Trigger, TriggerConfig, listening
from tests.stories.monitoring import free_port


def _message(*alerts: dict[str, Any]) -> bytes:
    return json.dumps({"version": "4", "status": "firing", "alerts": list(alerts)}).encode()


def _alert(name: str = "HighLatency", status: str = "firing", starts: str = "2026-11-20T09:00:00Z") -> dict[str, Any]:
    labels = {"alertname": name, "instance": "web\n1"}
    return {"status": status, "labels": labels, "startsAt": starts, "annotations": {}}


def test_an_alert_begins_one_cycle_until_it_ends_and_fires_anew() -> None:
    heard = Heard()

    assert heard.take(_message(_alert())) == ["Alertmanager: HighLatency on web 1"]
    assert heard.take(_message(_alert())) == []
    assert heard.take(_message(_alert(status="resolved"))) == []
    assert len(heard.take(_message(_alert(), _alert(starts="2026-11-20T10:00:00Z")))) == 2


def test_our_own_alerts_that_come_back_begin_nothing() -> None:
    assert Heard().take(_message(_alert("ShadowLabNetwork"), _alert("ShadowLabIncidentOpen"))) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"alerts": [1]}', b'{"alerts": [{}]}', b"[" * 100_000])
def test_what_is_no_message_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|Alertmanager|labels"):
        Heard().take(body)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("correct horse battery\n")
    return path


@pytest.fixture
def there(token: Path) -> Iterator[tuple[Trigger, threading.Event]]:
    woken = threading.Event()
    with listening(TriggerConfig(host="127.0.0.1", port=0, token_file=token), woken.set) as trigger:
        yield trigger, woken


def _post(
    port: int, body: bytes, token: str = "correct horse battery", kind: str = "application/json", method: str = "POST"
) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, "/", body, {"Content-Type": kind, "Authorization": f"Bearer {token}"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_whoever_knows_the_token_wakes_the_watch(there: tuple[Trigger, threading.Event]) -> None:
    trigger, woken = there

    assert _post(trigger.port, _message(_alert())) == 202
    assert woken.is_set()
    assert trigger.taken() == ["Alertmanager: HighLatency on web 1"]
    assert trigger.taken() == []


def test_nobody_else_does_and_nothing_that_is_no_message(there: tuple[Trigger, threading.Event]) -> None:
    trigger, woken = there

    statuses = [
        _post(trigger.port, _message(_alert()), token="wrong"),
        _post(trigger.port, _message(_alert()), kind="text/plain"),
        _post(trigger.port, b"{}"),
        _post(trigger.port, _message(_alert()), method="GET"),
    ]
    large = http.client.HTTPConnection("127.0.0.1", trigger.port, timeout=20)
    large.putrequest("POST", "/")
    for name, value in (
        ("Content-Type", "application/json"),
        ("Authorization", "Bearer correct horse battery"),
        ("Content-Length", str(receiver.MOST_BYTES + 1)),
    ):
        large.putheader(name, value)
    large.endheaders()
    statuses.append(large.getresponse().status)
    large.close()

    assert statuses == [401, 415, 400, 501, 413]
    assert not woken.is_set()
    assert trigger.taken() == []


def test_an_alert_begins_a_cycle_early_and_the_cycle_says_so(tmp_path: Path) -> None:
    port = free_port()
    story = Story(tmp_path)
    story.path.write_text(story.path.read_text() + f'trigger: {{listen: "127.0.0.1:{port}"}}\n')
    story.at[90] = lambda: _post(port, _message(_alert()))

    story.loop().run(4)

    assert [one.trigger for one in story.cycles] == ["time", "time", "Alertmanager: HighLatency on web 1", "time"]
    assert story.cycles[2].began_ns - story.cycles[1].began_ns < 60 * 10**9
    assert any("told: Alertmanager: HighLatency" in one for one in story.lines)


def test_an_address_that_is_taken_is_named_and_one_that_others_reach_wants_a_token(tmp_path: Path) -> None:
    with (
        listening(TriggerConfig(host="127.0.0.1", port=0), lambda: None) as taken,
        pytest.raises(InputError, match="cannot be listened at: Address already in use"),
        listening(TriggerConfig(host="127.0.0.1", port=taken.port), lambda: None),
    ):
        pass
    story = Story(tmp_path)
    story.path.write_text(story.path.read_text() + 'trigger: {listen: "192.0.2.1:9195"}\n')

    with pytest.raises(InputError, match="give token_file, certificate_file, key_file"):
        configured(story.path)
