"""How long a receiver keeps what it wrote.

In: a receiver's folder, a longest age, a largest size.  Out: old segments removed, whole, the oldest first.
Never: the newest segment of an instance, which is written to and proves to the journal where it ends; a file that is no
segment; a link followed; a look outside the receiver's own folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shadowlab.errors import InputError
from shadowlab.model.units import NS_PER_S, parse_size
from shadowlab.replicate.receiving.instance_store import JOURNAL

DAY_NS = 24 * 3600 * NS_PER_S
EVERY_NS = 60 * NS_PER_S
"""How often a receiver looks."""
_DAYS = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)\s*d(?:ays?)?")
_SEGMENT = re.compile(r"[0-9]{6,}\.jsonl")


@dataclass(frozen=True, kw_only=True)
class Keep:
    """``age_ns``: segments whose last record came longer ago go; ``size_bytes``: all segments together stay below it,
    as far as the newest ones alone do.  None: no bound."""

    age_ns: int | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, kw_only=True, order=True)
class Segment:
    """A segment that nothing is written to any more."""

    changed_ns: int
    path: Path
    size_bytes: int


def keep_of(words: Sequence[str]) -> Keep | None:
    """What ``--keep 30d --keep 200GB`` means; None for nothing.  Raises InputError."""
    age: int | None = None
    size: int | None = None
    for text in words:
        if match := _DAYS.fullmatch(text.strip().lower()):
            age = round(float(match[1]) * DAY_NS)
        else:
            try:
                size = parse_size(text)
            except ValueError as error:
                raise InputError(f"--keep {text[:40]}: expected days, as 30d, or a size, as 200GB ({error})") from None
    if age == 0 or (size is not None and size <= 0):
        raise InputError("--keep: nothing would be kept")
    return Keep(age_ns=age, size_bytes=size) if words else None


def beyond(closed: Sequence[Segment], keep: Keep, *, now_ns: int, newest_bytes: int) -> tuple[Segment, ...]:
    """The closed segments to remove, oldest first; ``newest_bytes`` is what the others take, which stay."""
    left = newest_bytes + sum(one.size_bytes for one in closed)
    found = []
    for one in sorted(closed):
        too_old = keep.age_ns is not None and now_ns - one.changed_ns > keep.age_ns
        too_much = keep.size_bytes is not None and left > keep.size_bytes
        if too_old or too_much:
            found.append(one)
            left -= one.size_bytes
    return tuple(found)


def remove_old(folder: Path, keep: Keep, *, now_ns: int, say: Callable[[str], None]) -> int:
    """Remove what is beyond; every removal and failure is said.  Returns how many segments went."""
    closed: list[Segment] = []
    newest_bytes = 0
    for one, is_newest in _segments(folder):
        if is_newest:
            newest_bytes += one.size_bytes
        else:
            closed.append(one)
    removed = 0
    for one in beyond(closed, keep, now_ns=now_ns, newest_bytes=newest_bytes):
        where = f"{one.path.parent.name}/{one.path.name}"
        try:
            one.path.unlink()
        except OSError as error:
            say(f"old segment {where} cannot be removed: {error.strerror}")
            continue
        removed += 1
        say(f"old segment {where} removed: {one.size_bytes} bytes, {(now_ns - one.changed_ns) / DAY_NS:.1f} days old")
    return removed


def _segments(folder: Path) -> Iterator[tuple[Segment, bool]]:
    """Every segment of every instance, and whether it is the instance's newest.  What vanishes meanwhile is none."""
    try:
        places = sorted(one for one in folder.iterdir() if one.is_dir() and not one.is_symlink())
        for place in places:
            if not (place / JOURNAL).is_file():
                continue
            files = [one for one in place.iterdir() if _SEGMENT.fullmatch(one.name) and not one.is_symlink()]
            files.sort(key=lambda one: int(one.stem))
            for one in files:
                state = one.stat()
                yield Segment(changed_ns=state.st_mtime_ns, path=one, size_bytes=state.st_size), one is files[-1]
    except OSError:  # another time
        return
