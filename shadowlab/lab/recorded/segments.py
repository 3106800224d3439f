"""What agents replicate, as something to ask: the segments of a receiver, or one instance's.

In: a folder of segments, a question.  Out: series tables and sheets, the indicators being the measured fields of the
records.  Never: a value that no record has; a record of a batch whose line is cut (it comes again, or was never
acknowledged).

Segments are JSON lines without an index: every question reads them all.  Moments count from the first record.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from shadowlab.errors import InputError
from shadowlab.lab.recorded.asking import Listed, check_names, chosen_of
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.telemetry import ALWAYS, MEASURED, TcpRecord, field_kinds
from shadowlab.store.sheet import Sheet, SheetColumn
from shadowlab.store.tables import unit_of
from shadowlab.store.window import Samples, Window, matching, tabled
from shadowlab.telemetry.reading import open_telemetry

KIND = "connection"
RAW = "telemetry"
_NUMBERS = tuple(name for name in MEASURED if field_kinds()[name] is not str)


def holds_segments(folder: Path) -> bool:
    """Whether it is the folder of a receiver, or of one of its instances: the journal of what is stored says so."""
    return (folder / "journal").is_file() or any(folder.glob("*/journal"))


def subject_of(record: TcpRecord) -> str:
    """What a record is about, as one name: a connection, a pair of ends, or a whole host."""
    if record.scope == "host":
        return record.instance
    peer = record.peer or record.peer_address
    if record.scope == "pair":
        return f"{record.instance}→{peer}"
    return f"{record.instance}:{record.local_port}→{peer}:{record.peer_port}"


class Segments:
    """An :class:`~shadowlab.lab.recorded.asking.Asked`."""

    kinds = (KIND,)
    goes_on = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def zero_ns(self) -> int:
        """Of the earliest record."""
        return self._extent[0]

    def listed(self) -> tuple[Listed, ...]:
        """Every field that some record knows."""
        return tuple(Listed(name=name, unit=unit_of(name), subject=KIND) for name in self._extent[2])

    def subjects(self, kind: str) -> tuple[str, ...]:
        """Every connection, pair and host, in order of their names."""
        return self._extent[3]

    def known_until_ns(self) -> int:
        """The latest record."""
        return self._extent[1] - self._extent[0]

    def ask(self, names: Sequence[str], patterns: Sequence[str], window: Window) -> dict[str, SeriesTable]:
        """Raises InputError without a step: each connection is sampled at moments of its own."""
        if window.every_ns is None:
            raise InputError(
                f"{self.folder} holds records of connections, each with moments of its own: sum them up in steps with "
                f"--every, or take them as they are with --raw {RAW}"
            )
        zero_ns, _, known, subjects = self._extent
        wanted = list(names) or list(known)
        check_names(self.folder, wanted, known)
        chosen = chosen_of(self.folder, {KIND: subjects}, patterns)[KIND]
        numbers = {subjects[one]: one for one in chosen}
        times, which = array("q"), array("q")
        values = {name: array("d") for name in wanted}
        for record in self._records():
            number = numbers.get(subject_of(record))
            if number is None:
                continue
            times.append(record.at_ns - zero_ns)
            which.append(number)
            for name, column in values.items():
                value = getattr(record, name)
                column.append(np.nan if value is None else value)
        order = np.argsort(np.frombuffer(times, dtype=np.int64), kind="stable") if times else np.zeros(0, dtype=int)
        samples = Samples(
            times_ns=np.array(times, dtype=np.int64)[order],
            subject=np.array(which, dtype=np.int64)[order],
            values={name: np.array(column, dtype=np.float64)[order] for name, column in values.items()},
            subjects=subjects,
        )
        return {KIND: tabled(samples, chosen, window)}

    def raw_types(self) -> tuple[str, ...]:
        """One."""
        return (RAW,)

    def raw(self, name: str, patterns: Sequence[str], from_ns: int | None, to_ns: int | None) -> tuple[Sheet, int]:
        """The records with all fields that one of them knows."""
        if name != RAW:
            raise InputError(f"{self.folder} has no raw records {name!r}; it has {RAW}")
        zero_ns, _, _, subjects = self._extent
        wanted = {subjects[one] for one in matching(subjects, patterns)}
        found = [
            record
            for record in self._records()
            if (from_ns is None or record.at_ns - zero_ns >= from_ns)
            and (to_ns is None or record.at_ns - zero_ns < to_ns)
            and (not patterns or subject_of(record) in wanted)
        ]
        columns = [_column(field, [getattr(record, field) for record in found]) for field in (*ALWAYS, *MEASURED)]
        return Sheet(columns=tuple(one for one in columns if one.name in ALWAYS or not one.values.mask.all())), 0

    def _records(self) -> Iterator[TcpRecord]:
        with open_telemetry(self.folder, format_name="jsonl") as reading:
            yield from reading.records

    @cached_property
    def _extent(self) -> tuple[int, int, tuple[str, ...], tuple[str, ...]]:
        """First and last moment, the fields that are known of any record, the subjects."""
        first, last, known, subjects = None, 0, set[str](), set[str]()
        for record in self._records():
            first = record.at_ns if first is None else min(first, record.at_ns)
            last = max(last, record.at_ns)
            known.update(record.known)
            subjects.add(subject_of(record))
        if first is None:
            raise InputError(f"{self.folder} holds no readable record yet")
        return first, last, tuple(name for name in _NUMBERS if name in known), tuple(sorted(subjects))


def _column(name: str, values: list[Any]) -> SheetColumn:
    unknown = np.array([one is None for one in values], dtype=np.bool_)
    if field_kinds()[name] is str:
        texts = np.empty(len(values), dtype=object)
        texts[:] = values
        return SheetColumn(name=name, unit="", values=np.ma.array(texts, mask=unknown))
    kind = np.float64 if field_kinds()[name] is float else np.int64
    numbers = np.array([0 if one is None else one for one in values], dtype=kind)
    return SheetColumn(name=name, unit=unit_of(name), values=np.ma.array(numbers, mask=unknown))
