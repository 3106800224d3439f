"""The cures that a run has rehearsed, read from its folder.

In: a run folder.  Out: outcomes, best first, and what is exported of one.  Never: a cure that was not rehearsed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from shadowlab.errors import InputError
from shadowlab.mitigate.export.subject import Subject
from shadowlab.model.plain import from_plain, without_format
from shadowlab.model.result import FORMAT
from shadowlab.model.units import format_fraction
from shadowlab.model.verdict import CureOutcome
from shadowlab.topology.wording import did_you_mean

RESULT = "result.json"


@dataclass(frozen=True, kw_only=True)
class RehearsedCures:
    """``scenario`` names the run."""

    scenario: str
    headline: str
    cures: tuple[CureOutcome, ...]

    def subject(self, name: str | None) -> Subject:
        """The cure of this name; without one the best, if it is better than doing nothing.  Raises InputError."""
        if name is None:
            best = self.cures[0]
            if best.kind == "nothing" or best.note or best.recovered <= 0:
                raise InputError(f"no cure that was rehearsed in {self.scenario} is better than doing nothing")
            return self._subject(best)
        found = next((one for one in self.cures if one.cure == name), None)
        if found is None:
            names = [one.cure for one in self.cures]
            raise InputError(
                f"no cure is called {name!r}{did_you_mean(name, names) or '; there are ' + ', '.join(names)}"
            )
        if found.note:
            raise InputError(f"{name} was not counted: {found.note}")
        if not found.actions:
            raise InputError(f"{name} asks nothing of production that could be written down")
        return self._subject(found)

    def helping(self, name: str | None) -> Subject:
        """As :meth:`subject`, but only what was better than doing nothing.  Raises InputError."""
        found = self.subject(name)
        one = next(one for one in self.cures if one.cure == found.cure)
        if one.recovered <= 0:
            raise InputError(f"{one.cure} was no better than doing nothing in {self.scenario}: it is not executed")
        return found

    def _subject(self, one: CureOutcome) -> Subject:
        nothing = next((other for other in self.cures if other.kind == "nothing"), one)
        back = "" if one.rolled_back_share is None else ", and its way back was tried"
        return Subject(
            run=self.scenario,
            cure=one.cure,
            summary=one.summary,
            gain=f"{format_fraction(one.broken_share)} of the judged windows broken instead of "
            f"{format_fraction(nothing.broken_share)}{back}",
            actions=one.actions,
        )


def read_cures(folder: Path) -> RehearsedCures:
    """Raises InputError for what is no finished run, or one that rehearsed nothing."""
    file = folder / RESULT
    try:
        plain = without_format(json.loads(file.read_text(encoding="utf-8")), FORMAT)
        cures: tuple[CureOutcome, ...] = from_plain(tuple[CureOutcome, ...], plain["cures"])
        found = RehearsedCures(scenario=str(plain["scenario"]), headline=str(plain["headline"]), cures=cures)
    except FileNotFoundError as error:
        raise InputError(f"{folder} is no folder of a finished run: it has no {RESULT}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} cannot be read as the result of a run: {error}") from error
    if not found.cures:
        raise InputError(f"in {folder} no cure was rehearsed: nothing was broken, or the scenario allows none")
    return found
