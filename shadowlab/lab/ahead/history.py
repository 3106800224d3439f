"""How demand was: series from a CSV file, or from telemetry of hours and days.

In: a file; for telemetry the network.  Out: one series each of the total, of services, of pairs; or InputError with the
line that is wrong.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from shadowlab.errors import Fault, InputError
from shadowlab.lab.sources import attach_file
from shadowlab.model.network import Network
from shadowlab.predict.forecast.series import DemandSeries, Floats, regular
from shadowlab.telemetry.attach import Connection
from shadowlab.topology.compose import decode_text
from shadowlab.topology.formats import read_input

TOTAL = "total"
MOST_SERIES = 200
_LEAST_STEP_S = 1.0


def read_history(path: Path, network: Network, *, by: str, step_s: float | None) -> tuple[DemandSeries, ...]:
    """``by``: ``total``, ``service`` or ``pair``, of telemetry; a CSV file names its series itself.

    Raises InputError.
    """
    if path.suffix.lower() == ".csv":
        return read_csv_history(path, step_s)
    attachment, _ = attach_file(path, network)
    points = _of_connections(attachment.connections, by, step_s)
    if not points:
        raise InputError(f"{path}: no connection of it was seen twice with its bytes counted, so no demand is known")
    return _made(path, points, step_s)


def _made(path: Path, points: Mapping[str, tuple[Floats, Floats]], step_s: float | None) -> tuple[DemandSeries, ...]:
    faults: list[Fault] = []
    found = []
    for name, (times, values) in points.items():
        try:
            found.append(regular(name, times, values, step_s))
        except ValueError as error:
            faults.append(Fault(place=str(path), message=str(error)))
    if faults:
        raise InputError(*faults)
    return tuple(found)


def read_csv_history(path: Path, step_s: float | None) -> tuple[DemandSeries, ...]:
    """Either a column of times and one for each series, or the columns ``time``, ``series``, ``value``."""
    text = decode_text(read_input(path, what="history"), name=str(path))
    rows = csv.reader(io.StringIO(text))
    try:
        head = [one.strip() for one in next(rows)]
    except (StopIteration, csv.Error):
        raise InputError(Fault(place=str(path), message="is empty: expected a line of column names")) from None
    if len(head) < 2 or len(head) > MOST_SERIES + 1 or len(set(head)) < len(head):
        message = f"expected a column of times and 1 to {MOST_SERIES} of series, each named once, in the first line"
        raise InputError(Fault(place=f"{path}:1", message=message))
    long = [one.lower() for one in head[1:]] == ["series", "value"]
    points: dict[str, list[tuple[float, float]]] = {}
    try:
        for number, row in enumerate(rows, 2):
            if not any(one.strip() for one in row):
                continue
            if len(row) != len(head):
                raise InputError(Fault(place=f"{path}:{number}", message=f"has {len(row)} columns, not {len(head)}"))
            moment = _moment(row[0], f"{path}:{number}")
            pairs = [(row[1].strip(), row[2])] if long else list(zip(head[1:], row[1:], strict=True))
            for name, value in pairs:
                if value.strip():
                    points.setdefault(name, []).append((moment, _number(value, f"{path}:{number}")))
    except csv.Error as error:
        raise InputError(Fault(place=str(path), message=f"no CSV: {error}")) from error
    if not points or len(points) > MOST_SERIES:
        raise InputError(Fault(place=str(path), message=f"holds {len(points)} series; expected 1 to {MOST_SERIES}"))
    arrays = {
        name: (np.array([one[0] for one in some]), np.array([one[1] for one in some])) for name, some in points.items()
    }
    return _made(path, arrays, step_s)


def _moment(text: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        try:
            stamp = datetime.fromisoformat(text.strip())
        except ValueError:
            message = f"{text[:40]!r} is no time: write seconds since 1970, or like 2026-03-01T12:00:00"
            raise InputError(Fault(place=place, message=message)) from None
        value = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(value) or abs(value) > 1e11:
        raise InputError(Fault(place=place, message=f"{text[:40]!r} is no time: seconds since 1970 are expected"))
    return value


def _number(text: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError(Fault(place=place, message=f"{text[:40]!r} is not a number")) from None
    if value == math.inf:
        raise InputError(Fault(place=place, message="demand is not infinite"))
    return value


def _of_connections(
    connections: Iterable[Connection], by: str, step_s: float | None
) -> dict[str, tuple[Floats, Floats]]:
    """Megabits per second by name: each connection's bytes over its time, spread evenly between its records."""
    courses: list[tuple[str, Floats, Floats]] = []
    for one in connections:
        seen = [
            (record.at_ns / 1e9, record.bytes_sent if record.bytes_acked is None else record.bytes_acked)
            for record in one.sender_records
        ]
        known = sorted((moment, float(count)) for moment, count in seen if count is not None)
        if len(known) < 2:
            continue
        times, counts = np.array([one[0] for one in known]), np.array([one[1] for one in known])
        service = next((record.service for record in one.sender_records if record.service), "")
        name = {"total": TOTAL, "pair": f"{one.source}>{one.target}"}.get(by, service or "other")
        courses.append((name, times, np.maximum.accumulate(counts)))
    if not courses:
        return {}
    begin = min(times[0] for _, times, _ in courses)
    end = max(times[-1] for _, times, _ in courses)
    gaps = np.concatenate([np.diff(times) for _, times, _ in courses])
    step = step_s or max(_LEAST_STEP_S, float(np.median(gaps)))
    edges = np.arange(np.floor(begin / step), np.ceil(end / step) + 1) * step
    found: dict[str, Floats] = {}
    for name, times, counts in courses:
        bits = 8 * np.diff(np.interp(edges, times, counts)) / step / 1e6
        found[name] = found.get(name, np.zeros(len(bits))) + bits
    middles = edges[:-1] + step / 2
    whole = (edges[:-1] >= begin - step / 2) & (edges[1:] <= end + step / 2)
    return {name: (middles[whole], bits[whole]) for name, bits in sorted(found.items())}
