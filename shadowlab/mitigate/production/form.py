"""The file that switches the executor on, and says with which programs.

In: the bytes of a YAML file.  Out: a checked configuration, or every fault with its place.  Never: a guess: what is
left out is off, or as careful as it can be.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shadowlab.errors import Fault, InputError
from shadowlab.model.cure.action import (
    AddInstance,
    HoldRate,
    MoveInstance,
    MoveRoute,
    PinPath,
    RunRemediation,
    SetCapacity,
    SetControl,
    SetInstance,
    SetMetric,
    SetQueue,
    SetWeights,
)
from shadowlab.model.units import NS_PER_S
from shadowlab.topology.formats import read_input
from shadowlab.topology.positioned import Positioned, in_file_order, load_positioned, validate
from shadowlab.topology.quantities import Duration

KINDS: Mapping[str, type] = {
    "metric": SetMetric,
    "route": MoveRoute,
    "weights": SetWeights,
    "capacity": SetCapacity,
    "queue": SetQueue,
    "control": SetControl,
    "rate": HoldRate,
    "instance": SetInstance,
    "server": AddInstance,
    "move": MoveInstance,
    "path": PinPath,
    "script": RunRemediation,
}
"""What an action is called in the file.  Its fields are what commands can name."""
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "busybox"})
_NOT_A_WORD = frozenset({"text"})
"""Fields that no command line takes: a script's text goes in by standard input."""
_BLANK = re.compile(r"\{([^{}]*)\}")


def _positive(value: int) -> int:
    if value <= 0:
        raise ValueError("must be above zero")
    return value


Lasting = Annotated[Duration, AfterValidator(_positive)]
Command = Annotated[list[str], Field(min_length=1)]


class _Raw(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RawAction(_Raw):
    do: Command
    back: Command | None = None


class RawLevel(_Raw):
    command: Command
    every: Lasting = 5 * NS_PER_S
    within: Lasting = 60 * NS_PER_S
    in_a_row: int = Field(default=3, ge=1, le=1000, strict=True)


class RawBreaker(_Raw):
    failures: int = Field(default=1, ge=1, strict=True)
    most: int = Field(default=4, ge=1, strict=True)
    within: Lasting = 24 * 3600 * NS_PER_S


class RawExecutor(_Raw):
    shadowlab: Literal["executor/1"]
    enabled: bool = Field(default=False, strict=True)
    audit: str = Field(min_length=1)
    approvers: Annotated[list[str], Field(min_length=1)]
    four_eyes: bool = Field(default=False, strict=True)
    dry_run_valid: Lasting = 3600 * NS_PER_S
    time_limit: Lasting = 30 * NS_PER_S
    level: RawLevel
    breaker: RawBreaker = RawBreaker()
    environment: dict[str, str] = {}
    actions: dict[str, RawAction]


@dataclass(frozen=True, kw_only=True)
class Commands:
    """The command that does an action; ``back`` takes it back, None: by ``do`` with the fields of the way back."""

    do: tuple[str, ...]
    back: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class Level:
    """A command that ends with 0 as long as the service level holds.  After the action it is asked every ``every_ns``,
    until it held ``in_a_row`` times: then the action stays.  If that has not happened ``within_ns``, it goes."""

    command: tuple[str, ...]
    every_ns: int
    within_ns: int
    in_a_row: int


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """After so many ``failures`` (executions that were taken back), or with ``most`` executions begun, ``within_ns``
    nothing is executed until that time has passed."""

    failures: int
    most: int
    within_ns: int


@dataclass(frozen=True, kw_only=True)
class Executor:
    """A checked configuration.  ``approvers`` are users of this machine; with ``four_eyes`` who approves must not be
    who made the dry run, which holds for ``dry_run_valid_ns``.  ``time_limit_ns`` is each command's."""

    enabled: bool
    audit: Path
    approvers: tuple[str, ...]
    four_eyes: bool
    dry_run_valid_ns: int
    time_limit_ns: int
    level: Level
    breaker: Breaker
    environment: Mapping[str, str]
    actions: Mapping[str, Commands]


def read_executor(path: Path) -> Executor:
    """Raises InputError with every fault; a file that every user of the machine may change is one."""
    document = load_positioned(read_input(path, what="executor's configuration"), name=str(path))
    raw = validate(RawExecutor, document)
    faults = [*_open_to_all(path), *_commands_faults(raw, document)]
    if faults:
        raise InputError(*in_file_order(faults))
    return Executor(
        enabled=raw.enabled,
        audit=path.parent / raw.audit,
        approvers=tuple(raw.approvers),
        four_eyes=raw.four_eyes,
        dry_run_valid_ns=raw.dry_run_valid,
        time_limit_ns=raw.time_limit,
        level=Level(
            command=tuple(raw.level.command),
            every_ns=raw.level.every,
            within_ns=raw.level.within,
            in_a_row=raw.level.in_a_row,
        ),
        breaker=Breaker(failures=raw.breaker.failures, most=raw.breaker.most, within_ns=raw.breaker.within),
        environment=raw.environment,
        actions={
            kind: Commands(do=tuple(one.do), back=None if one.back is None else tuple(one.back))
            for kind, one in raw.actions.items()
        },
    )


def _open_to_all(path: Path) -> list[Fault]:
    if path.stat().st_mode & stat.S_IWOTH:
        return [Fault(place=f"{path}:1:1", message="every user of this machine may change this file: chmod o-w")]
    return []


def _commands_faults(raw: RawExecutor, document: Positioned) -> list[Fault]:
    faults = []
    for kind, action in raw.actions.items():
        if kind not in KINDS:
            known = ", ".join(KINDS)
            faults.append(
                document.fault(("actions", kind), f"actions.{kind}: no action; there are {known}", of_key=True)
            )
            continue
        blanks = {one.name for one in fields(KINDS[kind])} - _NOT_A_WORD
        for key, command in (("do", action.do), ("back", action.back or [])):
            where: tuple[Any, ...] = ("actions", kind, key)
            faults += [document.fault(where, f"actions.{kind}.{key}: {one}") for one in _wrong(command, blanks)]
    where = ("level", "command")
    faults += [document.fault(where, f"level.command: {one}") for one in _wrong(raw.level.command, frozenset())]
    for name, value in raw.environment.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or "\0" in value:
            faults.append(document.fault(("environment", name), f"environment: {name!r} cannot be a variable"))
    return faults


def _wrong(command: list[str], blanks: frozenset[str] | set[str]) -> list[str]:
    if not command:
        return []
    found = []
    if not os.path.isabs(command[0]) or _BLANK.search(command[0]):
        found.append(f"the program must be an absolute path without a blank, got {command[0]!r}")
    if os.path.basename(command[0]) in _SHELLS and len(command) > 1:
        found.append("a shell is not started from here: put what it does into a program of its own, and name that")
    for word in command:
        found += [
            f"{{{blank}}} is no field of it; there are {', '.join(sorted(blanks)) or 'none'}"
            for blank in _BLANK.findall(word)
            if blank not in blanks
        ]
        if "\0" in word:
            found.append("a word cannot hold a zero byte")
    return found
