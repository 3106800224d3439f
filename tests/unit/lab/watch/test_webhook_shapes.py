"""What the page on webhooks shows runs, and takes what a watch really sends."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shadowlab.lab.watch.config import ReceiverConfig
from shadowlab.lab.watch.notify.webhook import rendered, signature
from shadowlab.model.watch.incident import Notification

_PAGE = (Path(__file__).parents[4] / "docs/how-to/webhooks.md").read_text(encoding="utf-8")
_SECRET = b"sixteen bytes and more"
_OPENED = Notification(
    id="4-1-network:2:hook",
    receiver="hook",
    incident="4-1-network",
    event="opened",
    severity="critical",
    title="r-s: loss",
    text="r-s: loss 2 %",
    at_ns=10**18,
    began_ns=10**18,
    links=("r-s",),
)


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    (code,) = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
    found: dict[str, Any] = {}
    exec(compile(code, "webhooks.md", "exec"), found)
    return found


def _sent(one: Notification) -> bytes:
    return rendered(one, ReceiverConfig(name="hook", kind="webhook", url="http://127.0.0.1:9", labels={"team": "net"}))


def test_the_signature_is_checked_as_shown(shown: dict[str, Any]) -> None:
    body = _sent(_OPENED)

    assert shown["checked"](body, signature(body, _SECRET), _SECRET)["incident"] == "4-1-network"
    with pytest.raises(PermissionError):
        shown["checked"](body + b" ", signature(body, _SECRET), _SECRET)


def test_an_incident_opens_and_resolves_one_and_the_same_of_theirs(shown: dict[str, Any]) -> None:
    first, last = (
        shown["checked"](body, signature(body, _SECRET), _SECRET)
        for body in (_sent(_OPENED), _sent(replace(_OPENED, event="resolved", ended_ns=2 * 10**18)))
    )

    pages = [shown["pagerduty"](one, "key") for one in (first, last)]
    events = [shown["servicenow"](one)["records"][0] for one in (first, last)]
    texts = [shown["slack"](one)["text"] for one in (first, last)]

    assert [one["event_action"] for one in pages] == ["trigger", "resolve"]
    assert {one["dedup_key"] for one in pages} == {"4-1-network"}
    assert pages[0]["payload"]["severity"] in ("critical", "error", "warning", "info")
    assert [one["severity"] for one in events] == ["1", "0"]
    assert {one["message_key"] for one in events} == {"4-1-network"}
    assert events[0]["type"] == "network"
    assert "rotating_light" in texts[0] and "white_check_mark" in texts[1]


def test_the_object_that_the_page_shows_has_the_keys_that_are_sent(shown: dict[str, Any]) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", _PAGE, re.DOTALL)

    assert set(json.loads(example)) == set(json.loads(_sent(_OPENED)))
