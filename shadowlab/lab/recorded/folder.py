"""A run's folder as something to ask: its indicators and its raw records, finished, going on, or left by a kill.

In: a folder, a question.  Out: series tables and sheets.  Never: a value of a second that more may be measured of.

The indicators of a finished run lie beside its raw records, and only the blocks of the window are read.  Of any other
run, and of rehearsals, those of paths and links are derived from the raw records that are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from shadowlab.errors import InputError
from shadowlab.lab.recorded.asking import Listed, check_names, chosen_of
from shadowlab.lab.recorded.watched import WATCHED_FILE, Watched, derive, read_watched
from shadowlab.model.kpi import KPIS, SeriesTable
from shadowlab.monitor.layout import EVENTS_FILE, TRACE_FILE
from shadowlab.monitor.probes import TIMEOUT_NS
from shadowlab.monitor.void_windows import VOID
from shadowlab.store.folder import MARK, is_being_written
from shadowlab.store.reader import BlockReader
from shadowlab.store.recorder import ENDING
from shadowlab.store.sheet import Sheet, sheet_of_lines, sheet_of_records
from shadowlab.store.tables import MOMENT, SUBJECT, unit_of
from shadowlab.store.window import Samples, Window, matching, samples_of, tabled

KPI_FOLDER = "kpis"
RAW_FOLDER = "raw"
DERIVED_KINDS = ("path", "link")
_ORDER = (*DERIVED_KINDS, "service", "instance")
LINES = ".jsonl"
_OLD = "probes.bin"
_NO_VOID = np.zeros(0)


class Recorded:
    """An :class:`~shadowlab.lab.recorded.asking.Asked`: the folder of a run, or raw records alone.

    Raises InputError if it is none, or one that an older or newer ShadowLab wrote.
    """

    zero_ns = 0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._raw = folder / RAW_FOLDER if (folder / RAW_FOLDER).is_dir() else folder
        probes = f"probes{ENDING}"
        if not (self._raw / probes).exists():
            if (self._raw / _OLD).exists():
                raise InputError(
                    f"{folder} was written by a ShadowLab from before the store ({_OLD}): only that version reads its "
                    "raw records; run the scenario again, or use the paths.csv and links.csv there"
                )
            if not folder.is_dir():
                raise InputError(f"{folder} is no folder: name the folder of a run")
            raise InputError(f"{folder} is no folder of a run: it holds neither {RAW_FOLDER}/{probes} nor {probes}")
        whole = (folder / KPI_FOLDER).is_dir() and not (folder / MARK).exists()
        self._whole = folder / KPI_FOLDER if whole else None
        self._watched = self._find_watched()
        self.kinds = DERIVED_KINDS if self._whole is None else self._stored_kinds(self._whole)

    @staticmethod
    def _stored_kinds(folder: Path) -> tuple[str, ...]:
        """Those that there are subjects of."""
        kinds = []
        for path in sorted(folder.glob(f"*s{ENDING}")):
            with BlockReader(path) as reader:
                if reader.names.get(SUBJECT):
                    kinds.append(path.name.removesuffix(f"s{ENDING}"))
        return tuple(sorted(kinds, key=lambda kind: (*_ORDER, kind).index(kind)))

    def _find_watched(self) -> Watched:
        for place in (self.folder, self.folder.parent, self.folder.parent.parent):
            try:
                return read_watched(place / WATCHED_FILE)
            except OSError:
                continue
        raise InputError(
            f"neither {self.folder} nor the folders above it hold {WATCHED_FILE}, which says what was watched: "
            "name the folder of the run"
        )

    @property
    def goes_on(self) -> bool:
        """Whether a process writes into it now."""
        return is_being_written(self.folder)

    def listed(self) -> tuple[Listed, ...]:
        """Every indicator."""
        return tuple(
            Listed(name=name, unit=unit_of(name), subject=kind) for kind in self.kinds for name in self._names(kind)
        )

    def subjects(self, kind: str) -> tuple[str, ...]:
        """Every subject of a kind."""
        if self._whole is not None:
            with BlockReader(self._whole / f"{kind}s{ENDING}") as reader:
                return reader.names[SUBJECT]
        if kind == "path":
            return tuple(str(one) for one in self._watched.paths)
        return self._watched.directions

    def known_until_ns(self) -> int:
        """Up to where the indicators will not change any more: probes are answered, counters sampled, and all that is
        written."""
        if self._whole is not None:
            return self._last_ns()
        needed = ["tcp"] * bool(self._watched.flows) + ["queues"] * bool(self._watched.directions) or ["probes"]
        needed += ["lateness"] * (self._raw / f"lateness{ENDING}").exists()
        last = []
        for name in needed:
            with BlockReader(self._raw / f"{name}{ENDING}") as reader:
                last.append(max((one.head.to_ns for one in reader.blocks), default=0))
        turn_ns = self._watched.flow_turns * self._watched.sample_every_ns if self._watched.flow_turns > 1 else 0
        return max(0, min(last) - max(TIMEOUT_NS, turn_ns)) // self._watched.window_ns * self._watched.window_ns

    def ask(self, names: Sequence[str], patterns: Sequence[str], window: Window) -> dict[str, SeriesTable]:
        """The indicators of a window by kind of subject; all without names.  Raises InputError for an indicator that
        there is none of, or a pattern that fits no subject of them.

        What is void (measured late) is flagged by a column of its own, also if nobody asked for it."""
        wanted = self._wanted(names)
        chosen = chosen_of(self.folder, {kind: self.subjects(kind) for kind in wanted}, patterns)
        samples = self._stored(wanted, window) if self._whole is not None else self._derived(wanted)
        tables = {kind: tabled(one, chosen[kind], window) for kind, one in samples.items() if chosen[kind]}
        if not names or VOID in names or any((one.values.get(VOID, _NO_VOID) > 0).any() for one in tables.values()):
            return tables
        return {kind: _unflagged(one) for kind, one in tables.items()}

    def raw_types(self) -> tuple[str, ...]:
        """The record types that there are files of."""
        blocks = [path.name.removesuffix(ENDING) for path in self._raw.glob(f"*{ENDING}")]
        lines = [name.removesuffix(LINES) for name in (TRACE_FILE, EVENTS_FILE) if (self._raw / name).exists()]
        return tuple(sorted([*blocks, *lines]))

    def raw(self, name: str, patterns: Sequence[str], from_ns: int | None, to_ns: int | None) -> tuple[Sheet, int]:
        """The raw records of a type with ``from_ns <= moment < to_ns``, and how many bytes of it are damaged."""
        if name not in self.raw_types():
            raise InputError(f"{self.folder} has no raw records {name!r}; it has {', '.join(self.raw_types())}")
        lines = self._raw / f"{name}{LINES}"
        if lines.exists():
            try:
                return sheet_of_lines(lines.read_bytes(), from_ns, to_ns), 0
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise InputError(f"{lines} cannot be read: {error}") from error
        with BlockReader(self._raw / f"{name}{ENDING}") as reader:
            wanted: Mapping[str, Sequence[int]] = {
                key: matching(names, patterns) for key, names in reader.names.items() if patterns
            }
            return sheet_of_records(reader, wanted, from_ns, to_ns), reader.damaged_bytes

    def _names(self, kind: str) -> tuple[str, ...]:
        if self._whole is not None:
            with BlockReader(self._whole / f"{kind}s{ENDING}") as reader:
                return tuple(one.name for one in reader.kind.columns[2:]) if reader.kind is not None else ()
        return tuple(derive(self._raw, self._watched, 0)[kind].values)

    def _wanted(self, names: Sequence[str]) -> dict[str, list[str]]:
        known = {kind: self._names(kind) for kind in self.kinds}
        every = [name for some in known.values() for name in some]
        later = [name for name in names if name in KPIS and name not in every]
        if later and self._whole is None:
            raise InputError(
                f"{self.folder} has no indicator {later[0]!r}: of a run that is not over, and of a rehearsal, there "
                "are those of paths and links; --raw exchanges, instances and streams are there"
            )
        check_names(self.folder, names, every)
        told = [name for name in names if name != VOID] or list(names)
        kinds = [kind for kind, some in known.items() if not names or set(some) & set(told)]
        wanted = {kind: [name for name in known[kind] if not names or name in (*names, VOID)] for kind in kinds}
        return {kind: some for kind, some in wanted.items() if some}

    def _last_ns(self) -> int:
        assert self._whole is not None
        last = 0
        for kind in self.kinds:
            with BlockReader(self._whole / f"{kind}s{ENDING}") as reader:
                last = max([last, *(one.head.to_ns for one in reader.blocks)])
        return last

    def _stored(self, wanted: Mapping[str, Sequence[str]], window: Window) -> dict[str, Samples]:
        assert self._whole is not None
        found = {}
        for kind, names in wanted.items():
            with BlockReader(self._whole / f"{kind}s{ENDING}") as reader:
                records = reader.read(
                    [MOMENT, SUBJECT, *names],
                    from_ns=None if window.from_ns is None else window.from_ns + 1,
                    to_ns=None if window.to_ns is None else window.to_ns + 1,
                )
                found[kind] = Samples(
                    times_ns=records[MOMENT],
                    subject=records[SUBJECT].astype(np.int64),
                    values={name: records[name] for name in names},
                    subjects=reader.names[SUBJECT],
                )
        return found

    def _derived(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, Samples]:
        tables = derive(self._raw, self._watched, self.known_until_ns())
        return {kind: samples_of(tables[kind], names) for kind, names in wanted.items()}


def _unflagged(table: SeriesTable) -> SeriesTable:
    return replace(table, values={name: values for name, values in table.values.items() if name != VOID})
