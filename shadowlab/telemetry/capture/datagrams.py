"""UDP in a capture: when each datagram went from whom to whom, and how large it was.

In: a capture's octets, unpacked, in blocks.  Out: :class:`Datagrams`, columns over the whole file, in its order.
Never: what is in a tunnel (VXLAN, GENEVE: those datagrams are the tunnel), a fragment, a datagram behind IPv6
extension headers.  The connections of a capture are told elsewhere; this is a pass of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import numpy as np
from numpy.typing import NDArray

from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.packets.frames import Column, Frames
from shadowlab.telemetry.capture.packets.layers import DEPTH, IPV4, IPV6, Group, LayerReader
from shadowlab.telemetry.capture.packets.open import read_frames

MOST_DATAGRAMS = 2_000_000
"""Of one capture; later ones are counted in ``beyond``."""
_UDP, _HEADER_BYTES = 17, 8
_TUNNELS = (4789, 8472, 6081)
_MAPPED = 0xFFFF


@dataclass(frozen=True, kw_only=True, eq=False)
class Datagrams:
    """Columns of equal length.  ``at_ns`` is Unix time, ``ends`` the row of ``streams``; ``payload_bytes`` as on the
    wire.  ``streams``: source address and port, target address and port, DSCP of the first."""

    at_ns: Column
    ends: Column
    payload_bytes: Column
    streams: tuple[tuple[str, int, str, int, int], ...]
    beyond: int = 0


def read_datagrams(blocks: Iterator[bytes], name: str) -> Datagrams:
    """All of a capture.  Raises InputError if the file is no capture at all."""
    account = Account(name=name)
    parts: list[NDArray[np.int64]] = []
    count = beyond = 0
    for frames in read_frames(blocks, account):
        found = _of_piece(frames, account)
        room = max(MOST_DATAGRAMS - count, 0)
        beyond += max(len(found) - room, 0)
        count += min(len(found), room)
        parts.append(found[:room])
    rows = np.concatenate(parts) if parts else np.zeros((0, 13), np.int64)
    keys, first, ends = np.unique(rows[:, 2:12], axis=0, return_index=True, return_inverse=True)
    return Datagrams(
        at_ns=rows[:, 0],
        ends=ends.reshape(-1),
        payload_bytes=rows[:, 1],
        streams=tuple(
            (_address(key[0:4]), int(key[8]), _address(key[4:8]), int(key[9]), int(rows[place, 12]))
            for key, place in zip(keys, first, strict=True)
        ),
        beyond=beyond,
    )


def _of_piece(frames: Frames, account: Account) -> NDArray[np.int64]:
    """Shape (n, 13): moment, payload, words of source and target, ports, DSCP."""
    reader = LayerReader(frames, account)
    waiting, found = list(reader.groups()), [np.zeros((0, 14), np.int64)]
    for _ in range(DEPTH):
        following: list[Group] = []
        for group in waiting:
            if group.kind in (IPV4, IPV6):
                found.append(_of_group(reader, group))
            elif len(group.index):
                following += reader.step(group)
        waiting = following
    rows = np.concatenate(found)
    return rows[np.argsort(rows[:, 13], kind="stable"), :13]


def _of_group(reader: LayerReader, group: Group) -> NDArray[np.int64]:
    four = group.kind == IPV4
    group = reader.whole(group, 20 if four else 40)
    at = group.at
    if four:
        header = (reader.bytes[at] & 15).astype(np.int64) * 4
        whole = (reader.halves[at + 6] & 0x3FFF) == 0
        mine = (reader.bytes[at + 9] == _UDP) & (reader.bytes[at] >> 4 == 4) & (header >= 20) & whole
    else:
        header = np.full(len(at), 40, np.int64)
        mine = (reader.bytes[at + 6] == _UDP) & (reader.bytes[at] >> 4 == 6)
    mine &= at + header + _HEADER_BYTES <= group.end
    at, begin, index = at[mine], (at + header)[mine], group.index[mine]
    source_port, target_port = reader.halves[begin].astype(np.int64), reader.halves[begin + 2].astype(np.int64)
    payload = reader.halves[begin + 4].astype(np.int64) - _HEADER_BYTES
    usable = (payload >= 0) & ~np.isin(target_port, _TUNNELS)
    zero = np.zeros(len(at), np.int64)
    if four:
        words = [zero, zero, zero + _MAPPED, reader.words[at + 12], zero, zero, zero + _MAPPED, reader.words[at + 16]]
        dscp = reader.bytes[at + 1] >> 2
    else:
        words = [reader.words[at + 8 + 4 * place] for place in range(8)]
        dscp = (reader.halves[at] >> 6) & 0x3F
    columns = [reader.frames.at_ns[index], payload, *words, source_port, target_port, dscp, index]
    rows: NDArray[np.int64] = np.stack([one.astype(np.int64) for one in columns], axis=1)[usable]
    return rows


def _address(words: NDArray[np.int64]) -> str:
    if words[:3].tolist() == [0, 0, _MAPPED]:
        return str(IPv4Address(int(words[3])))
    return str(IPv6Address(sum(int(word) << 32 * (3 - place) for place, word in enumerate(words))))
