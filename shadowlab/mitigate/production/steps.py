"""The commands of a cure, with those that take it back, before any of them runs.

In: a rehearsed cure, the configuration.  Out: steps as lists of words, and a digest that an approval names.
Never: a field of a map that is more than one plain word: such a cure is refused, whatever program it was meant for.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shadowlab.errors import InputError
from shadowlab.mitigate.export.subject import Subject
from shadowlab.mitigate.production.form import KINDS, Executor
from shadowlab.model.cure.action import Action, undone
from shadowlab.model.plain import from_plain, to_plain

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+/→-]{0,199}")
"""What a name may be made of: nothing that a shell at the far end of ssh would take for its own, and no option."""
_LONE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One action: the words that do it and those that take it back, and what each gets by standard input."""

    words: str
    do: tuple[str, ...]
    back: tuple[str, ...]
    do_input: str
    back_input: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Steps in their order.  They are taken back in the opposite one."""

    run: str
    cure: str
    steps: tuple[Step, ...]

    @property
    def digest(self) -> str:
        """Names exactly these commands with exactly this input."""
        text = json.dumps(to_plain(self), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @staticmethod
    def from_plain(plain: Any) -> Plan:
        """As it stands in the log.  Raises TypeError, KeyError or ValueError for what is none."""
        found: Plan = from_plain(Plan, plain)
        return found


def plan(of: Subject, by: Executor) -> Plan:
    """Raises InputError with everything that keeps this cure from being executed."""
    faults: list[str] = []
    steps = []
    for action in of.actions:
        kind = next(name for name, one in KINDS.items() if isinstance(action, one))
        words = action.describe()
        commands = by.actions.get(kind)
        if commands is None:
            faults.append(f"{words!r}: the configuration has no command for `{kind}`")
            continue
        way_back = undone(action)
        if way_back is None and commands.back is None:
            faults.append(f"{words!r}: there is no way back; state `actions.{kind}.back`")
            continue
        try:
            steps.append(
                Step(
                    words=words,
                    do=_filled(commands.do, action),
                    back=_filled(commands.back or commands.do, way_back or action),
                    do_input=_document("do", action),
                    back_input=_document("back", way_back or action),
                )
            )
        except ValueError as error:
            faults.append(f"{words!r}: {error}")
    if not of.actions:
        faults.append(f"{of.cure} asks nothing of production")
    if faults:
        raise InputError(*faults)
    return Plan(run=of.run, cure=of.cure, steps=tuple(steps))


def _document(what: str, action: Action) -> str:
    plain: Mapping[str, Any] = to_plain(action)
    return json.dumps({"step": what, **plain}, sort_keys=True, ensure_ascii=True) + "\n"


def _filled(command: tuple[str, ...], action: Action) -> tuple[str, ...]:
    """A word that is one blank alone becomes as many words as its field has."""
    words: list[str] = []
    for word in command:
        alone = _LONE.fullmatch(word)
        if alone:
            words += _values(alone[1], action)
        else:
            words.append(_LONE.sub(lambda found: ",".join(_values(found[1], action)), word))
    return tuple(words)


def _values(name: str, action: Action) -> list[str]:
    value = getattr(action, name)
    some = [str(one) for one in value] if isinstance(value, tuple) else [str(value)]
    for one in some:
        if not _WORD.fullmatch(one):
            raise ValueError(
                f"{name} is {one[:60]!r}: only letters, digits and . _ : @ + / - are passed on, with a letter or a "
                "digit first"
            )
    return some
