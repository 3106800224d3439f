"""Alertmanager's webhook messages (version 4) become reasons to look at once.

In: a body, what was heard before.  Out: a line per alert that began to fire.  Never: our own alerts, which come back to
us where Alertmanager sends everything everywhere; the same alert twice.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

OURS = "ShadowLab"
"""All alerts of a watch, and of the rules that are shipped for it, begin with this."""
MOST_ALERTS = 1000
_MOST_KNOWN = 10_000
_LONGEST = 200
_SUBJECTS = ("instance", "node", "pod", "device", "link", "job")


@dataclass(kw_only=True)
class Heard:
    """Which alerts are known to fire."""

    _known: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def take(self, body: bytes) -> list[str]:
        """The alerts of a message that are new.  Raises ValueError, in words, for what is no such message."""
        found = []
        for one in _alerts(body):
            name, labels = _text(one["labels"].get("alertname")) or "an alert without a name", one["labels"]
            if name.startswith(OURS):
                continue
            mark = json.dumps([sorted(labels.items(), key=str), str(one.get("startsAt"))], default=str)
            if one.get("status") == "resolved":
                self._known.pop(mark, None)
                continue
            if mark in self._known:
                continue
            self._known[mark] = None
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
            subject = next((_text(labels[key]) for key in _SUBJECTS if labels.get(key)), "")
            found.append(f"Alertmanager: {name}" + (f" on {subject}" if subject else ""))
        return found


def _alerts(body: bytes) -> list[dict[str, Any]]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {str(error)[:100]}") from None
    alerts = document.get("alerts") if isinstance(document, dict) else None
    if not isinstance(alerts, list):
        raise ValueError('no message of Alertmanager: expected {"version": "4", "alerts": […]}')
    if len(alerts) > MOST_ALERTS:
        raise ValueError(f"more than {MOST_ALERTS} alerts: set max_alerts in the webhook's configuration")
    if not all(isinstance(one, dict) and isinstance(one.get("labels"), dict) for one in alerts):
        raise ValueError("an alert is an object with labels")
    return alerts


def _text(value: object) -> str:
    """Of a label, on one line and not for ever: it goes into logs and files."""
    return "".join(one if one.isprintable() else " " for one in str(value or ""))[:_LONGEST]
