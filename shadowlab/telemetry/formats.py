"""The formats of telemetry, in the order in which they are tried.

In: the first bytes of a file, or a format's name.  Out: the format.
A new one is one file in ``sources/`` and one line here.
"""

from __future__ import annotations

from shadowlab.errors import Fault, InputError
from shadowlab.telemetry.source import Format
from shadowlab.telemetry.sources import (
    capture,
    jsonl,
    mlab,
    ndt7,
    netobserv,
    parquet,
    sock_diag,
    ss,
    tcplife,
)
from shadowlab.telemetry.sources.metrics import aws_nfm, prometheus

FORMATS = (  # strict recognisers stand before lenient ones
    Format("pcap", "packet captures, pcap and pcapng", capture.recognise, capture.read, capture.EXPECTED),
    Format("parquet", "our own Parquet", parquet.recognise, parquet.read, parquet.EXPECTED),
    Format("sock_diag", "recorded sock_diag messages", sock_diag.recognise, sock_diag.read, sock_diag.EXPECTED),
    Format("jsonl", "our own JSON lines", jsonl.recognise, jsonl.read, jsonl.EXPECTED),
    Format("mlab", "M-Lab's tcp-info archive, JSON lines", mlab.recognise, mlab.read, mlab.EXPECTED),
    Format("ndt7", "ndt7 results and messages, JSON", ndt7.recognise, ndt7.read, ndt7.EXPECTED),
    Format("netobserv", "netobserv flow logs, JSON", netobserv.recognise, netobserv.read, netobserv.EXPECTED),
    Format(
        "prometheus-json",
        "answers of Prometheus' query_range and query",
        prometheus.recognise_json,
        prometheus.read_json,
        prometheus.EXPECTED_JSON,
    ),
    Format("aws-nfm", "reports of AWS's Network Flow Monitor agent", aws_nfm.recognise, aws_nfm.read, aws_nfm.EXPECTED),
    Format("tcplife", "bcc's tcplife, text", tcplife.recognise, tcplife.read, tcplife.EXPECTED),
    Format("ss", "`ss -tinOHm` text of iproute2", ss.recognise, ss.read, ss.EXPECTED),
    Format(
        "prometheus",
        "a page of Prometheus metrics",
        prometheus.recognise_text,
        prometheus.read_text,
        prometheus.EXPECTED_TEXT,
    ),
)
"""Name, title, recogniser, reader, and what would be right for a file without one record."""
BY_NAME = {one.name: one for one in FORMATS}
_ENDINGS = {".ss": "ss", ".jsonl": "jsonl"}


def format_named(name: str) -> Format:
    """Raises InputError for a name that is none."""
    if name not in BY_NAME:
        raise InputError(f"{name!r} is no format of telemetry; there are: {', '.join(sorted(BY_NAME))}")
    return BY_NAME[name]


def recognise(head: bytes, *, name: str) -> Format:
    """The format of a file that begins with ``head``.  Raises InputError if it is none."""
    for one in FORMATS:
        if one.recognise(head):
            return one
    if head and name.endswith(tuple(_ENDINGS)):  # garbage may stand before the first record
        return BY_NAME[_ENDINGS["." + name.rpartition(".")[2]]]
    if not head:
        raise InputError(Fault(place=name, message=f"the file is empty; {ss.EXPECTED}"))
    raise InputError(
        Fault(
            place=name,
            message=f"not recognised as telemetry; formats: {', '.join(BY_NAME)} (say which with --format); "
            + ss.EXPECTED,
        )
    )
