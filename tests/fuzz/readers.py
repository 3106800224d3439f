"""Damaged telemetry against every reader: what to damage, how, and what must hold for whatever comes out.

In: a format's name and bytes.  Out: how many records and faults; AssertionError or the reader's own exception if it
breaks its promise: nothing but an InputError leaves a reader, and a record's numbers are in range.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import zstandard

from shadowlab.errors import InputError
from shadowlab.model.telemetry import TcpRecord, field_kinds
from shadowlab.telemetry.blocks import read_blocks
from shadowlab.telemetry.formats import BY_NAME, recognise
from shadowlab.telemetry.source import Source
from shadowlab.telemetry.sources.parquet import ParquetWriter
from shadowlab.telemetry.tally import PLACES_KEPT, Tally
from shadowlab.wire.inet_diag import INFO, decode_attributes

CAPTURES = Path(__file__).parents[1] / "captures" / "telemetry"
AT_NS = 1_795_338_000_000_000_000
KEPT_BYTES = 4096
"""Seeds are cut to this length: a small input is tried more often."""
_INTERESTING = (
    *(b"\0", b"\xff", b"\n", b'"', b"{", b"}", b"[", b"]", b":", b",", b"-", b"e999", b"NaN", b"null", b"true", b"1.5"),
    *(b"9" * 25, b"-1", b"0", b"\\u0000", b"[" * 50, b"::ffff:1.2.3.4", b"99999", b"\x80" * 6, b" ", b"\t"),
)


def seeds() -> dict[str, list[bytes]]:
    """For each reader a few good inputs."""
    ndt7: dict[str, object] = {"ServerIP": "1.1.1.1", "ServerPort": 1, "ClientIP": "::1", "ClientPort": 2}
    ndt7 |= {"StartTime": "2026-11-22T09:00:00Z"}
    ndt7 |= {"Download": {"ServerMeasurements": [{"TCPInfo": {"RTT": 5, "ElapsedTime": 7, "PacingRate": -1}}]}}
    flow = {"protocol": "TCP", "local_address": "10.0.0.1", "remote_address": "10.0.0.2", "local_port": 1}
    stats = {"bytes_received": 5, "rtt_us": {"count": 1, "min": 1, "max": 1, "sum": 1}, "retrans_syn": 1}
    observed = {"SrcAddr": "10.0.0.1", "DstAddr": "10.0.0.2", "SrcPort": 1, "DstPort": 2, "Proto": 6, "Bytes": 5}
    observed |= {"TimeFlowStartMs": 1795338000000, "TimeFlowEndMs": 1795338005000, "FlowDirection": 1}
    series = {"metric": {"__name__": "node_netstat_Tcp_OutSegs", "instance": "web"}, "values": [[1795338000, "5"]]}
    matrix = {"status": "success", "data": {"resultType": "matrix", "result": [series, series]}}
    raw = _texts("loopback.nl")[0]
    return {
        "ss": _texts("loopback.ss", "loopback-one-line.txt", "loopback-two-lines.txt"),
        "sock_diag": [raw],
        "jsonl": [b'{"at_ns":1,"instance":"web","local_address":"10.0.0.1","bytes_acked":5,"app_limited":true}\n' * 3],
        "mlab": [_mlab(raw) * 2],
        "ndt7": [json.dumps(ndt7).encode()],
        "netobserv": [json.dumps(observed).encode() + b"\n", json.dumps([observed] * 2).encode()],
        "prometheus-json": [json.dumps(matrix).encode()],
        "aws-nfm": [json.dumps({"network_stats": [{"flow": flow, "stats": stats}]}).encode(), *_texts("nfm.otlp")],
        "tcplife": _texts("tcplife.txt"),
        "prometheus": _texts("pairs.prom"),
        "pcap": _captures(),
        "parquet": [_parquet()],
    }


def _texts(*names: str) -> list[bytes]:
    return [(CAPTURES / name).read_bytes()[:KEPT_BYTES] for name in names]


def _captures() -> list[bytes]:
    """Real pcapng, and the same frames in the older format."""
    newer = gzip.decompress((CAPTURES / "tcp-both-b.pcapng.gz").read_bytes())[:KEPT_BYTES]
    older, at = [struct.pack(">IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 128, 1)], 0
    while at + 32 < len(newer):
        kind, length = struct.unpack_from("<II", newer, at)
        if kind == 6:
            captured, wire = struct.unpack_from("<II", newer, at + 20)
            older += [struct.pack(">IIII", 1, at, captured, wire), newer[at + 28 : at + 28 + captured]]
        at += length
    return [newer, b"".join(older)]


def _mlab(raw: bytes) -> bytes:
    import base64

    info = decode_attributes(raw[: int.from_bytes(raw[:4], "little")], 88)[INFO]
    attributes = [None, None, base64.b64encode(info).decode(), None, "Y3ViaWMA"]
    line: dict[str, object] = {"Timestamp": "2026-11-22T09:00:00Z", "Attributes": attributes}
    line |= {"RawIDM": base64.b64encode(raw[16:88]).decode()}
    return json.dumps(line).encode() + b"\n"


def _parquet() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        ends = {"local_address": "10.0.0.1", "local_port": 1, "peer_address": "10.0.0.2", "peer_port": 2}
        with ParquetWriter(path) as writer:
            writer.write(TcpRecord(at_ns=1, instance="web", bytes_acked=5, **ends))  # type: ignore[arg-type]
        return path.read_bytes()


def damaged(seed: bytes, chance: random.Random) -> bytes:
    """The seed with one to eight damages: bytes changed, cut out, doubled, moved, joined by something odd."""
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 2, 4, 16, 200)))
        what = chance.randrange(7)
        if what == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif what == 1 and at < len(data):
            data[at] = chance.randrange(256)
        elif what == 2:
            del data[at:end]
        elif what == 3:
            data[at:at] = data[at:end]
        elif what == 4:
            data[at:end] = chance.choice(_INTERESTING)
        elif what == 5:
            del data[at:]
        else:
            data[at:at] = chance.randbytes(chance.choice((1, 4, 30)))
    return bytes(data)


def packed(data: bytes, chance: random.Random) -> bytes:
    """Now and then the input comes in an archive, and the archive is damaged, too."""
    kind: Callable[[bytes], bytes] = chance.choice((gzip.compress, lzma.compress, zstandard.compress))
    archive = kind(data)
    return archive if chance.random() < 0.5 else damaged(archive, chance)


def check(name: str, data: bytes) -> tuple[int, int]:
    """Read the bytes as format ``name``: how many records, how many faults."""
    tally = Tally("x")
    path = None
    if name == "parquet":
        path = Path(tempfile.gettempdir()) / "shadowlab-fuzz.parquet"
        path.write_bytes(data)
    count = 0
    try:
        blocks = read_blocks(io.BytesIO(data), tally)
        for record in BY_NAME[name].read(Source(name="x", blocks=blocks, tally=tally, at_ns=AT_NS, path=path)):
            count += 1
            _hold(record)
    except InputError:
        return count, tally.unreadable
    assert len(tally.places) <= PLACES_KEPT
    for fault in tally.places:
        assert fault.message
        assert len(str(fault)) < 1000, fault
    return count, tally.unreadable


def recognises(data: bytes) -> None:
    """Recognition raises nothing but an InputError."""
    try:
        recognise(data, name="x")
    except InputError:
        return


def _hold(record: TcpRecord) -> None:
    kinds = field_kinds()
    for name, value in record.__dict__.items():
        if value is None:
            continue
        assert type(value) is kinds[name], (name, value)
        if kinds[name] is int:
            assert 0 <= value < 2**63, (name, value)
    assert record.local_port <= 65_535
    assert record.peer_port <= 65_535
    hash(record)
