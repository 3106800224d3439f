"""The raw records of a run as the arrays that indicators are derived from.

In: a run's raw folder.  Out: structured arrays, one element per record.  Never: a derived figure.
Runs outside the segment.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shadowlab.monitor.layout import FLAG_CLOSED
from shadowlab.store.reader import Records, read_records
from shadowlab.store.recorder import ENDING
from shadowlab.store.records import RECORDS
from shadowlab.wire.tcp_info import TCP_INFO_FIELDS


def _type_of(name: str) -> np.dtype[Any]:
    return np.dtype([(one.name, f"<{one.kind}") for one in RECORDS[name].numbers])


PROBE_TYPE = _type_of("probes")
QUEUE_TYPE = _type_of("queues")

_INFO_FIELDS = (  # what indicators need of struct tcp_info, and their names for it
    ("state", "state"),
    ("ca_state", "ca_state"),
    ("srtt_us", "rtt"),
    ("cwnd", "snd_cwnd"),
    ("total_retrans", "total_retrans"),
    ("bytes_acked", "bytes_acked"),
    ("data_segs_out", "data_segs_out"),
    ("dsack_dups", "dsack_dups"),
    ("min_rtt_us", "min_rtt"),
    ("reord_seen", "reord_seen"),
)
_PLACES = {name: (offset, f"u{np.dtype(form).itemsize}") for name, offset, form in TCP_INFO_FIELDS}
INFO_BYTES_NEEDED = 220
"""A kernel whose tcp_info is shorter (before 4.19) does not know ``dsack_dups``: its records are left out."""

_COUNTERS = (
    *("received_bytes", "unsent_bytes", "total_retrans", "bytes_acked", "data_segs_out", "dsack_dups", "reord_seen"),
)

TCP_TYPE = np.dtype(
    [
        *((one.name, f"<{one.kind}") for one in RECORDS["tcp"].numbers),
        ("info_bytes", "<u4"),
        *((name, f"<{_PLACES[field][1]}") for name, field in _INFO_FIELDS),
    ]
)
"""``info_bytes`` is how long the kernel's tcp_info was; a field beyond it is 0 here."""


def read_probes(folder: FilePath) -> NDArray[Any]:
    """Probes in the order of their ends, shape (N,), of PROBE_TYPE."""
    return _structured(read_records(folder / f"probes{ENDING}"), PROBE_TYPE, "probes")


def read_tcp(folder: FilePath, flows: int, turns: int = 1) -> NDArray[Any]:
    """Samples of all flows, shape (S, ``flows``), of TCP_TYPE; a sample that is not whole is left out.

    Where flows took ``turns``, what lies between two samples of a flow is filled in: see :func:`_filled`.
    """
    records = read_records(folder / f"tcp{ENDING}")
    found = _structured(records, TCP_TYPE, "tcp")
    if records.strings is not None:
        found["info_bytes"] = records.strings.lengths
        for name, field in _INFO_FIELDS:
            found[name], _ = records.strings.field(*_PLACES[field])
    return _matrix(found, "flow", flows) if turns == 1 else _filled(found, flows)


def read_queues(folder: FilePath, interfaces: int) -> NDArray[Any]:
    """Samples of all interfaces, shape (S, ``interfaces``), of QUEUE_TYPE; one that is not whole is left out."""
    return _matrix(_structured(read_records(folder / f"queues{ENDING}"), QUEUE_TYPE, "queues"), "interface", interfaces)


def _structured(records: Records, kind: np.dtype[Any], name: str) -> NDArray[Any]:
    """A column that the file is too old to have is unknown, where there is a value that says so."""
    found = np.zeros(len(records), dtype=kind)
    for column in RECORDS[name].numbers:
        if column.name not in records.numbers and column.unknown is not None:
            found[column.name] = column.unknown
    for known, values in records.numbers.items():
        if known in (kind.names or ()):
            found[known] = values
    return found


def _matrix(records: NDArray[Any], subject: str, width: int) -> NDArray[Any]:
    """One row per sample.  A sample that was being written when its writer died is not whole."""
    if width == 0:
        return records[:0].reshape(0, 0)
    starts = np.flatnonzero(records[subject] == 0)
    starts = starts[starts + width <= len(records)]
    places = starts[:, None] + np.arange(width)
    whole = (records[subject][places] == np.arange(width)).all(axis=1)
    found: NDArray[Any] = records[places[whole]]
    return found


def _filled(records: NDArray[Any], flows: int) -> NDArray[Any]:
    """One row per moment at which some flow was sampled, as far as every flow was sampled before and after it.

    Between two samples of a connection its counters are taken to have grown evenly; everything else is as in the later
    sample, but that it has not ended before.  Where the later sample is of another connection, the earlier one holds.
    So what was counted from sample to sample is kept to the last byte, and only its place within them is made up.
    """
    if flows == 0 or not len(records):
        return records[:0].reshape(0, flows)
    moments, row = np.unique(records["at_ns"], return_inverse=True)
    place = np.full((len(moments), flows), -1, dtype=np.int64)
    place[row, records["flow"]] = np.arange(len(records))
    steps = np.arange(len(moments))[:, None]
    seen = place >= 0
    before = np.maximum.accumulate(np.where(seen, steps, -1), axis=0)
    after = np.minimum.accumulate(np.where(seen, steps, len(moments))[::-1], axis=0)[::-1]
    rows = np.flatnonzero((before >= 0).all(axis=1) & (after < len(moments)).all(axis=1))
    columns = np.arange(flows)
    old, new = (records[place[which[rows], columns]] for which in (before, after))
    found = new.copy()
    elapsed = (moments[rows][:, None] - old["at_ns"]) / np.maximum(new["at_ns"] - old["at_ns"], 1)
    for name in _COUNTERS:
        grown = np.where(new[name] >= old[name], new[name] - old[name], 0)
        found[name] = old[name] + np.floor(grown * elapsed).astype(old[name].dtype)
    between = new["at_ns"] > old["at_ns"]
    found["flags"] = np.where(between, new["flags"] & ~np.uint8(FLAG_CLOSED) | old["flags"] & FLAG_CLOSED, new["flags"])
    other = between & (new["attempt"] != old["attempt"])
    found[other] = old[other]
    found["at_ns"], found["flow"] = moments[rows][:, None], columns
    return found
