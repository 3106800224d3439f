"""A cure as the body of a webhook: plain JSON.

In: a cure.  Out: one JSON document: what it is, what it does, what takes it back.
"""

from __future__ import annotations

import json
from typing import Any

from shadowlab.mitigate.export.subject import Subject
from shadowlab.model.cure.action import Action
from shadowlab.model.plain import to_plain


def text(of: Subject) -> str:
    """Keys sorted, so that a diff shows what changed."""
    body = {
        "format": "shadowlab/cure/1",
        "run": of.run,
        "cure": of.cure,
        "summary": of.summary,
        "gain": of.gain,
        "actions": [_plain(one) for one in of.actions],
        "roll_back": [_plain(one) for one in of.way_back],
    }
    return json.dumps(body, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _plain(one: Action) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(one)
    return {**plain, "words": one.describe()}
