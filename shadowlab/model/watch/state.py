"""The one file that a watch resumes from.

In: plain values.  Out: a frozen state with a stable JSON form.  Never: samples; anything that grows with time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from shadowlab.model.plain import from_plain, to_plain, without_format
from shadowlab.model.watch.incident import Incident, Notification

FORMAT = "watch-state/1"


@dataclass(frozen=True, kw_only=True)
class WatchState:
    """``cycle`` is the last whole cycle (0: none).  ``calibration`` and ``baseline`` name files of the folder, empty
    for none.  ``outbox`` is what is still to be told, ``told`` how much was, by receiver.  ``demand`` holds the latest
    (Unix seconds, Mbit/s) of the cycles, ``instances`` where each known instance hangs, ``skipped`` how many cycles
    were left out in all."""

    name: str
    cycle: int = 0
    calibration: str = ""
    baseline: str = ""
    baseline_ns: int = 0
    telemetry_ns: int = 0
    """The moment of the newest record that a cycle took in."""
    open_incidents: tuple[Incident, ...] = ()
    outbox: tuple[Notification, ...] = ()
    told: Mapping[str, int] = field(default_factory=dict)
    given_up: Mapping[str, int] = field(default_factory=dict)
    demand: tuple[tuple[float, float], ...] = ()
    instances: Mapping[str, str] = field(default_factory=dict)
    silent: Mapping[str, int] = field(default_factory=dict)
    """Instances that are known and sent nothing, with the cycles in a row."""
    skipped: int = 0
    incidents_opened: int = 0

    def to_json(self) -> str:
        """The same text for the same state."""
        return json.dumps({"format": FORMAT, **to_plain(self)}, ensure_ascii=False, sort_keys=True) + "\n"

    @staticmethod
    def from_json(text: str) -> WatchState:
        """What :meth:`to_json` wrote.  Raises ValueError for what is none."""
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ValueError(f"no JSON: {error}") from None
        known = without_format(document, FORMAT)
        try:
            state: WatchState = from_plain(WatchState, known)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"a part of it is missing or malformed: {error}") from None
        return state
