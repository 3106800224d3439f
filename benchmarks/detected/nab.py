"""The scoring rule of the Numenta Anomaly Benchmark, for a copy of its data that lies in a folder outside the project.

In: the folder (``data/**/*.csv`` and ``labels/combined_windows.json``), a score in [0, 1] for every row of every file.
Out: the standard score, that which rewards few false positives, and that which rewards few false negatives.

After A. Lavin, S. Ahmad, "Evaluating Real-time Anomaly Detection Algorithms – the Numenta Anomaly Benchmark", ICMLA
2015.  A window counts once, by its earliest detection, ``s(y) = 2 / (1 + exp(5 y)) - 1`` with y = -1 at its left edge
and 0 at its right one; a detection outside costs ``s`` of its distance behind the last window (1 where there is none,
or beyond three widths).  The first 15 % of a file (750 rows at most) do not count.  One threshold holds for all files;
it is the best one, as that benchmark has it.  100 is all windows at once and nothing else, 0 is silence.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PROFILES: Mapping[str, tuple[float, float]] = {"standard": (0.11, 1.0), "low-FP": (0.22, 1.0), "low-FN": (0.11, 2.0)}
"""What a false positive and a missed window cost."""
PROBATION, PROBATION_ROWS = 0.15, 5000

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class File:
    """One series: times in ns and values, shape (T,); windows as rows (first, last)."""

    name: str
    times_ns: tuple[int, ...]
    values: tuple[float, ...]
    windows: tuple[tuple[int, int], ...]


def read_folder(folder: Path, *, only: Sequence[str] = ()) -> tuple[File, ...]:
    """Every labelled file, or those whose name begins with one of ``only``."""
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    return tuple(
        _read(folder / "data" / name, name, windows)
        for name, windows in sorted(labels.items())
        if not only or name.startswith(tuple(only))
    )


def _read(path: Path, name: str, windows: Sequence[Sequence[str]]) -> File:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = [_ns(row["timestamp"]) for row in rows]
    edges = tuple((times.index(_ns(first)), times.index(_ns(last))) for first, last in windows)
    return File(name=name, times_ns=tuple(times), values=tuple(float(row["value"]) for row in rows), windows=edges)


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def score(files: Sequence[File], scores: Callable[[File], Array]) -> dict[str, float]:
    """The three scores of a detector, and the threshold that the standard one takes."""
    rated, worth, window_of, windows = [], [], [], 0
    for file in files:
        given = np.asarray(scores(file), dtype=np.float64)
        assert given.shape == (len(file.values),), file.name
        value, window = _worth(file)
        counted = np.arange(len(value)) >= min(int(PROBATION * len(value)), int(PROBATION * PROBATION_ROWS))
        rated.append(given[counted])
        worth.append(value[counted])
        window_of.append(np.where(window[counted] >= 0, window[counted] + windows, -1))
        windows += len(file.windows)
    points, gains, owners = np.concatenate(rated), np.concatenate(worth), np.concatenate(window_of)
    result: dict[str, float] = {}
    for profile, (false_positive, missed) in PROFILES.items():
        best, threshold = _best(points, gains, owners, windows, false_positive, missed)
        silent, perfect = -missed * windows, float(windows)
        result[profile] = 100 * (best - silent) / (perfect - silent)
        result.setdefault("threshold", threshold)
    return result


def _worth(file: File) -> tuple[Array, NDArray[np.int64]]:
    """What a detection at each row is worth (before weights), and the window it lies in or -1."""
    rows = np.arange(len(file.values))
    value, owner = np.full(len(rows), -1.0), np.full(len(rows), -1)
    for first, last in file.windows:
        behind = rows > last
        position = (rows[behind] - last) / max(last - first, 1)
        value[behind] = np.where(position > 3, -1.0, 2 / (1 + np.exp(np.minimum(5 * position, 50))) - 1)
    for index, (first, last) in enumerate(file.windows):
        inside = slice(first, last + 1)
        position = -(last - rows[inside] + 1) / (last - first + 1)
        value[inside] = (2 / (1 + np.exp(5 * position)) - 1) / (2 / (1 + np.exp(-5.0)) - 1)
        owner[inside] = index
    return value, owner


def _best(
    points: Array, gains: Array, owners: NDArray[np.int64], windows: int, false_positive: float, missed: float
) -> tuple[float, float]:
    """The best sum over all thresholds, and that threshold."""
    order = np.argsort(-points, kind="stable")
    order = order[points[order] > 0]
    held = np.full(windows, -missed)
    total, best, at = -missed * windows, -missed * windows, 1.1
    for place, row in enumerate(order.tolist()):
        if owners[row] < 0:
            total += false_positive * gains[row]
        elif gains[row] > held[owners[row]]:
            total += gains[row] - held[owners[row]]
            held[owners[row]] = gains[row]
        last = place + 1 == len(order) or points[order[place + 1]] != points[row]
        if last and total > best:
            best, at = total, float(points[row])
    return float(best), at
