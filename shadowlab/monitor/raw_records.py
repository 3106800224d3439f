"""The raw files of a run as NumPy arrays.

In: a run folder.  Out: structured arrays, one element per record, exactly the bytes of the file.
Never: a derived figure.  Runs outside the segment.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shadowlab.errors import ShadowLabError
from shadowlab.monitor.layout import PROBE, PROBES_FILE, QUEUE, QUEUES_FILE, TCP_FILE, TCP_HEAD, TCP_INFO_BYTES

PROBE_TYPE = np.dtype(
    [("sent_ns", "<i8"), ("path", "<u4"), ("sequence", "<u4"), ("round_trip_ns", "<i8"), ("one_way_ns", "<i8")]
)
QUEUE_TYPE = np.dtype(
    [
        ("at_ns", "<i8"),
        ("interface", "<u4"),
        ("drops", "<u4"),
        ("sent_bytes", "<u8"),
        ("sent_packets", "<u8"),
        ("received_bytes", "<u8"),
        ("queued_packets", "<u4"),
        ("queued_bytes", "<u4"),
        ("offered_packets", "<u8"),
        ("marks", "<u8"),
    ]
)

_HEAD_FIELDS = (
    ("at_ns", "<i8", 0),
    ("flow", "<u4", 8),
    ("info_bytes", "<u2", 12),
    ("flags", "u1", 14),
    ("attempt", "u1", 15),
    ("received_bytes", "<u8", 16),
    ("unsent_bytes", "<u8", 24),
)
_INFO_FIELDS = (  # struct tcp_info of linux/tcp.h; only what indicators need
    ("state", "u1", 0),
    ("srtt_us", "<u4", 68),
    ("cwnd", "<u4", 80),
    ("total_retrans", "<u4", 100),
    ("bytes_acked", "<u8", 120),
    ("data_segs_out", "<u4", 156),
    ("dsack_dups", "<u4", 216),
)
INFO_BYTES_NEEDED = 220
"""A kernel whose tcp_info is shorter (before 4.19) does not know ``dsack_dups``: its records are left out."""

TCP_TYPE = np.dtype(
    {
        "names": [name for name, _, _ in _HEAD_FIELDS + _INFO_FIELDS],
        "formats": [kind for _, kind, _ in _HEAD_FIELDS + _INFO_FIELDS],
        "offsets": [at for _, _, at in _HEAD_FIELDS] + [TCP_HEAD.size + at for _, _, at in _INFO_FIELDS],
        "itemsize": TCP_HEAD.size + TCP_INFO_BYTES,
    }
)

assert PROBE_TYPE.itemsize == PROBE.size
assert QUEUE_TYPE.itemsize == QUEUE.size


def read_probes(folder: FilePath) -> NDArray[Any]:
    """Probes in the order of their ends, shape (N,), of PROBE_TYPE."""
    return _read(folder / PROBES_FILE, PROBE_TYPE)


def read_tcp(folder: FilePath, flows: int) -> NDArray[Any]:
    """Samples of all flows, shape (S, ``flows``), of TCP_TYPE; an unfinished last sample is left out."""
    return _matrix(_read(folder / TCP_FILE, TCP_TYPE), flows)


def read_queues(folder: FilePath, interfaces: int) -> NDArray[Any]:
    """Samples of all interfaces, shape (S, ``interfaces``), of QUEUE_TYPE; an unfinished last sample is left out."""
    return _matrix(_read(folder / QUEUES_FILE, QUEUE_TYPE), interfaces)


def _read(path: FilePath, kind: np.dtype[Any]) -> NDArray[Any]:
    try:
        return np.fromfile(path, dtype=kind)
    except OSError as error:
        raise ShadowLabError(f"cannot read the raw records {path}: {error.strerror or error}") from error


def _matrix(records: NDArray[Any], width: int) -> NDArray[Any]:
    if width == 0:
        return records[:0].reshape(0, 0)
    whole = len(records) // width
    return records[: whole * width].reshape(whole, width)
