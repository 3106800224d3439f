"""Alertmanager's API v2 (``POST /api/v2/alerts``): an incident is one alert, known by its labels.

In: a notification.  Out: one alert.  The labels do not change in an incident's life, so that later news of it replaces
what was told before, and the resolution ends it; what changes stands in annotations.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from shadowlab.lab.watch.config import ReceiverConfig
from shadowlab.lab.watch.notify.http import post
from shadowlab.model.units import NS_PER_S
from shadowlab.model.watch.incident import Notification

LASTS_NS = 24 * 3600 * NS_PER_S
"""An alert without an end ends by itself after Alertmanager's own five minutes; an incident lasts until we say so, and
is told anew when it changes."""


def rendered(one: Notification, receiver: ReceiverConfig) -> list[dict[str, Any]]:
    """The body."""
    kind = one.incident.rsplit("-", 1)[-1]
    ends_ns = one.ended_ns if one.ended_ns is not None else one.at_ns + LASTS_NS
    return [
        {
            "labels": {
                **receiver.labels,
                "alertname": f"ShadowLab{kind.capitalize()}",
                "incident": one.incident,
                "kind": kind,
            },
            "annotations": {
                "summary": one.title,
                "description": one.text,
                "severity": one.severity,
                "event": one.event,
                "links": ", ".join(one.links),
                "notification": one.id,
            },
            "startsAt": stamp(one.began_ns),
            "endsAt": stamp(ends_ns),
        }
    ]


def stamp(at_ns: int) -> str:
    """RFC 3339, to the millisecond."""
    seconds, rest = divmod(at_ns, NS_PER_S)
    moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{rest // 1_000_000:03d}Z"


def send(one: Notification, receiver: ReceiverConfig) -> None:
    """Raises Refused."""
    url = receiver.url.rstrip("/")
    if not url.endswith("/api/v2/alerts"):
        url += "/api/v2/alerts"
    body = json.dumps(rendered(one, receiver), ensure_ascii=False).encode()
    post(url, body, {}, ca_file=receiver.ca_file)
