"""One row after the other: a score, and whether it is an alarm.

In: rows, a detector, what is asked of the alarms.  Out: judged rows; the state, to go on later.  Never: a second pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from shadowlab.detect.online.reading import QUIET, Online, Reading, restored, saved
from shadowlab.detect.online.registry import ONLINE
from shadowlab.detect.threshold.conformal import Conformal
from shadowlab.detect.threshold.discovery import Lord
from shadowlab.detect.threshold.policy import Policy
from shadowlab.errors import Fault, InputError
from shadowlab.lab.detecting.table import Row

DAY_NS = 86_400 * 10**9
_BACKWARDS = 10
"""So many rows going back in time at the beginning: the file is sorted the other way."""


class Judged(NamedTuple):
    """A row with its verdict; ``onset`` is the time, as it stood in the file, of the row with which it began."""

    row: Row
    score: float
    alarm: bool
    onset: str
    onset_row: int
    """Counted from 1."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """At most one of them is given; without any the detector's own limit decides, a score of 0.5 with an onset."""

    threshold: float | None = None
    false_alarms_per_day: float | None = None
    false_discovery_rate: float | None = None


@dataclass(slots=True)
class Judge:
    """Hears rows in the file's order.  Those that go back in time are not judged; ``late`` counts them."""

    detector: str
    asked: Asked
    online: Online
    rarity: Conformal = field(default_factory=Conformal)
    policy: Policy = field(default_factory=Policy)
    lord: Lord = field(default_factory=Lord)
    fixed: bool = False
    """The calibration was handed in: the series' own scores are not added to it."""
    last_ns: int | None = None
    interval_ns: float = 0.0
    rows: int = 0
    late: int = 0
    missing: int = 0
    times: dict[int, tuple[str, int]] = field(default_factory=dict)

    def calibrate(self, rows: Iterable[Row]) -> None:
        """Take the scores of rows without a fault for what is normal; the detector learns from them too."""
        for row in rows:
            self.rarity.learn(self._heard(row).score)
        self.fixed, self.last_ns = True, None

    def judge(self, rows: Iterable[Row], path: str) -> Iterator[Judged]:
        """Raises InputError where the detector cannot take a row, or the file runs backwards."""
        for row in rows:
            self.rows += 1
            if self.last_ns is not None and row.time_ns < self.last_ns:
                self.late += 1
                if self.late == self.rows - 1 >= _BACKWARDS:
                    message = "times run backwards from the first row on: sort the file by time"
                    raise InputError(Fault(place=f"{path}:{row.place}", message=message))
                yield Judged(row, 0.0, False, "", 0)
                continue
            self._tick(row)
            try:
                reading = self._heard(row)
            except ValueError as error:
                raise InputError(Fault(place=f"{path}:{row.place}", message=str(error))) from error
            alarm = self._alarm(row.time_ns, reading)
            began = row.time_ns if reading.onset_ns is None else reading.onset_ns
            text, place = self.times.get(began, (row.text, self.rows))
            yield Judged(row, reading.score, alarm, text if alarm else "", place if alarm else 0)

    def _heard(self, row: Row) -> Reading:
        if any(one != one for one in row.values):
            self.missing += 1
            return QUIET
        takes_one = ONLINE[self.detector].takes == "value"
        return self.online.observe(row.time_ns, row.values[0] if takes_one else row.values)

    def _tick(self, row: Row) -> None:
        if self.last_ns is not None:
            self.interval_ns += (row.time_ns - self.last_ns - self.interval_ns) / min(self.rows, 1000)
        self.last_ns = row.time_ns
        self.times.setdefault(row.time_ns, (row.text, self.rows))
        if len(self.times) > 256:  # onsets are not farther back than any window of a detector
            del self.times[next(iter(self.times))]

    def _alarm(self, now_ns: int, reading: Reading) -> bool:
        asked = self.asked
        if asked.threshold is not None:
            return self.policy.alarm(now_ns, reading.score / asked.threshold, reading.onset_ns)
        if asked.false_alarms_per_day is None and asked.false_discovery_rate is None:
            told = reading.score >= 0.5 and reading.onset_ns is not None
            return self.policy.alarm(now_ns, 1.0 if told else min(2 * reading.score, 0.99), reading.onset_ns)
        p_value = self.rarity.p_value(reading.score)
        if asked.false_alarms_per_day is not None:
            rare = p_value <= asked.false_alarms_per_day * self.interval_ns / DAY_NS
        else:
            rare = self.lord.test(p_value)
        if not self.fixed and not rare:
            self.rarity.learn(reading.score)
        return self.policy.alarm(now_ns, 1.0 if rare else 0.0, reading.onset_ns)

    def state(self) -> dict[str, Any]:
        """All of it, for JSON."""
        parts = {name: saved(getattr(self, name)) for name in ("online", "rarity", "policy", "lord")}
        times = [[at, *known] for at, known in self.times.items()]
        return parts | {"detector": self.detector, "last_ns": self.last_ns, "interval_ns": self.interval_ns,
                        "rows": self.rows, "late": self.late, "missing": self.missing, "times": times,
                        "fixed": self.fixed}  # fmt: skip

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where another one stopped.  Raises ValueError for a state that is none of this detector's."""
        if state.get("detector") != self.detector:
            raise ValueError(f"it is the state of detector {state.get('detector')!r}, not of {self.detector!r}")
        try:
            for name in ("online", "rarity", "policy", "lord"):
                restored(getattr(self, name), state[name])
            self.last_ns, self.interval_ns, self.fixed = state["last_ns"], state["interval_ns"], state["fixed"]
            self.rows, self.late, self.missing = state["rows"], state["late"], state["missing"]
            self.times = {int(at): (str(text), int(place)) for at, text, place in state["times"]}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it is no state of a detector ({error})") from error


def new_judge(detector: str, asked: Asked) -> Judge:
    """Raises CannotRunError where the detector needs what is not installed."""
    judge = Judge(detector=detector, asked=asked, online=ONLINE[detector].fresh())
    if asked.false_discovery_rate is not None:
        judge.lord.rate = asked.false_discovery_rate
    return judge
