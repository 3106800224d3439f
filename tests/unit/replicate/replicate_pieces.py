"""Small true pieces for the tests of replication: records, lines, batches, raw messages."""

from __future__ import annotations

import struct

from shadowlab.replicate.batch import Head, encode_batch, pack
from shadowlab.wire.inet_diag import INFO

STREAM = "00000000000000a1"
AT_NS = 1_795_338_000_000_000_000


def line(number: int, instance: str = "web", at_ns: int = AT_NS) -> str:
    """A record that tells its number by its counter."""
    return (
        f'{{"at_ns":{at_ns + number},"instance":"{instance}","local_address":"192.0.2.1","local_port":80,'
        f'"peer_address":"198.51.100.7","peer_port":{number % 60_000 + 1},"bytes_acked":{number}}}'
    )


def packed(sequence: int, numbers: list[int], *, instance: str = "web", stream: str = STREAM) -> tuple[str, bytes]:
    """Content coding and body of a batch with these records."""
    lines = [line(one, instance) for one in numbers]
    head = Head(instance=instance, stream=stream, sequence=sequence, records=len(lines))
    return pack(encode_batch(head, lines))


def message(
    cookie: int,
    *,
    acked: int = 0,
    state: int = 1,
    peer: bytes = b"\xc6\x33\x64\x07",
    local: bytes = b"\xc0\x00\x02\x01",
    age_ms: int = 0,
    before_info: bytes = b"",
) -> bytes:
    """An inet_diag message of IPv4 with 232 bytes of tcp_info."""
    info = bytearray(232)
    struct.pack_into("=4I", info, 44, age_ms, age_ms, age_ms, age_ms)
    struct.pack_into("=Q", info, 120, acked)
    head = struct.pack("=BBBB", 2, state, 0, 0) + struct.pack("!HH", 80, cookie % 60_000 + 1)
    head += local.ljust(16, b"\0") + peer.ljust(16, b"\0") + struct.pack("=IQ5I", 0, cookie, 0, 0, 0, 0, 0)
    return head + before_info + struct.pack("=HH", 4 + len(info), INFO) + bytes(info)
