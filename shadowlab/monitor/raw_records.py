"""The raw records of a run as the arrays that indicators are derived from.

In: a run's raw folder.  Out: structured arrays, one element per record.  Never: a derived figure.
Runs outside the segment.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def read_tcp(folder: FilePath, flows: int) -> NDArray[Any]:
    """Samples of all flows, shape (S, ``flows``), of TCP_TYPE; a sample that is not whole is left out."""
    records = read_records(folder / f"tcp{ENDING}")
    found = _structured(records, TCP_TYPE, "tcp")
    if records.strings is not None:
        found["info_bytes"] = records.strings.lengths
        for name, field in _INFO_FIELDS:
            found[name], _ = records.strings.field(*_PLACES[field])
    return _matrix(found, "flow", flows)


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
