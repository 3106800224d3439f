"""IPv4 and IPv6 down to the TCP header, through tunnels.

In: :class:`Frames`.  Out: :class:`Located`: where each TCP header is and whose it is.  Never: reassembly; fragments are
counted and left out.

Tunnels looked into: IP in IP (RFC 2003, 4213), GRE (RFC 2784, 2890), VXLAN (RFC 7348, ports 4789 and 8472), GENEVE
(RFC 8926, port 6081).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.packets.frames import Column, Frames
from shadowlab.telemetry.capture.packets.layers import DEPTH, ETHERNET, IPV4, IPV6, TYPED, Group, LayerReader

_TCP, _UDP, _IPIP, _IPV6, _GRE, _FRAGMENT, _AUTHENTICATION = 6, 17, 4, 41, 47, 44, 51
_EXTENSIONS = (0, 43, 60, 135, 139, 140, _FRAGMENT, _AUTHENTICATION)
_MOST_EXTENSIONS = 12
_VXLAN, _GENEVE = (4789, 8472), 6081
_DAMAGED = "an IP header whose lengths contradict each other"
_FRAGMENTS = "an IP fragment (not reassembled)"

Addresses = NDArray[np.uint32]
"""Shape (n, 4): the words of an IPv6 address, most significant first; IPv4 is mapped (RFC 4291, ::ffff:0:0/96)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Located:
    """TCP headers in the order of the frames; columns as in :class:`~.layers.Group`.  ``marks``: the two ECN bits."""

    index: Column
    at: Column
    end: Column
    wire_end: Column
    source: Addresses
    target: Addresses
    marks: NDArray[np.uint8]


def locate(frames: Frames, account: Account) -> Located:
    """Find the TCP headers; what has none is counted."""
    reader = LayerReader(frames, account)
    found: list[Located] = []
    waiting = list(reader.groups())
    for _ in range(DEPTH):
        following: list[Group] = []
        for group in waiting:
            if not len(group.index):
                continue
            if group.kind == IPV4:
                following += _ipv4(reader, group, found)
            elif group.kind == IPV6:
                following += _ipv6(reader, group, found)
            else:
                following += reader.step(group)
        waiting = following
        if not waiting:
            break
    account.leave_out("a frame of too many headers", sum(len(group.index) for group in waiting))
    return _in_order(found)


def _in_order(found: list[Located]) -> Located:
    if not found:
        none = np.zeros(0, np.int64)
        nobody = np.zeros((0, 4), np.uint32)
        return Located(
            index=none, at=none, end=none, wire_end=none, source=nobody, target=nobody, marks=np.zeros(0, np.uint8)
        )  # fmt: skip
    if len(found) == 1:
        return found[0]
    order = np.argsort(np.concatenate([one.index for one in found]), kind="stable")

    def column(name: str) -> NDArray[np.int64]:
        joined: NDArray[np.int64] = np.concatenate([getattr(one, name) for one in found])[order]
        return joined

    return Located(
        index=column("index"),
        at=column("at"),
        end=column("end"),
        wire_end=column("wire_end"),
        source=np.concatenate([one.source for one in found])[order],
        target=np.concatenate([one.target for one in found])[order],
        marks=np.concatenate([one.marks for one in found])[order],
    )


def _ipv4(reader: LayerReader, group: Group, found: list[Located]) -> Iterator[Group]:
    group = reader.whole(group, 20)
    at = group.at
    first = reader.bytes[at]
    header = (first & 15).astype(np.int64) * 4
    total = reader.halves[at + 2].astype(np.int64)
    total = np.where(total == 0, group.wire_end - at, total)  # 0: a super-frame above 64 kB
    damaged = (first >> 4 != 4) | (header < 20) | (total < header)
    fragment = (reader.halves[at + 6] & 0x3FFF) != 0
    reader.account.leave_out(_DAMAGED, int(damaged.sum()))
    reader.account.leave_out(_FRAGMENTS, int((fragment & ~damaged).sum()))
    bad = damaged | fragment
    inside = Group(
        kind=IPV4,
        index=group.index,
        at=at + header,
        end=np.minimum(group.end, at + total),
        wire_end=np.minimum(group.wire_end, at + total),
    )
    protocol = reader.bytes[at + 9].astype(np.int64)
    source, target = np.zeros((len(at), 4), np.uint32), np.zeros((len(at), 4), np.uint32)
    source[:, 2] = target[:, 2] = 0xFFFF
    source[:, 3], target[:, 3] = reader.words[at + 12], reader.words[at + 16]
    marks = (reader.bytes[at + 1] & 3).astype(np.uint8)
    good: NDArray[np.bool_] | slice = ~bad if bad.any() else slice(None)
    inside = inside.select(good, IPV4)
    yield from _transport(reader, inside, protocol[good], source[good], target[good], marks[good], found)


def _ipv6(reader: LayerReader, group: Group, found: list[Located]) -> Iterator[Group]:
    group = reader.whole(group, 40)
    at = group.at
    length = reader.halves[at + 4].astype(np.int64)
    total = np.where(length == 0, group.wire_end - at, length + 40)  # 0: a jumbogram or a super-frame
    version = reader.bytes[at] >> 4
    reader.account.leave_out(_DAMAGED, int((version != 6).sum()))
    good = version == 6
    protocol = reader.bytes[at + 6].astype(np.int64)
    inside = Group(
        kind=IPV6,
        index=group.index,
        at=at + 40,
        end=np.minimum(group.end, at + total),
        wire_end=np.minimum(group.wire_end, at + total),
    )
    places = [at + 8 + 4 * number for number in range(4)]
    source = np.stack([reader.words[place] for place in places], axis=1).astype(np.uint32)
    target = np.stack([reader.words[place + 16] for place in places], axis=1).astype(np.uint32)
    marks = ((reader.halves[at] >> 4) & 3).astype(np.uint8)
    begin, protocol, passable = _after_extensions(reader, inside, protocol, good)
    inside = Group(kind=IPV6, index=inside.index, at=begin, end=inside.end, wire_end=inside.wire_end)
    yield from _transport(
        reader,
        inside.select(passable, IPV6),
        protocol[passable],
        source[passable],
        target[passable],
        marks[passable],
        found,
    )


def _after_extensions(
    reader: LayerReader, inside: Group, protocol: Column, good: NDArray[np.bool_]
) -> tuple[Column, Column, NDArray[np.bool_]]:
    """Pass over extension headers (RFC 8200): where the payload begins, what it is, whether there is one."""
    begin, protocol, good = inside.at.copy(), protocol.copy(), good.copy()
    waiting = np.flatnonzero(np.isin(protocol, _EXTENSIONS) & good)
    for _ in range(_MOST_EXTENSIONS):
        if not len(waiting):
            break
        place, kind = begin[waiting], protocol[waiting]
        cut = place + 8 > inside.end[waiting]
        reader.account.leave_out("a frame cut (or ending) inside its headers", int(cut.sum()))
        place = np.minimum(place, len(reader.bytes) - 8)
        fragment = (kind == _FRAGMENT) & ((reader.halves[place + 2] & 0xFFF9) != 0) & ~cut
        reader.account.leave_out(_FRAGMENTS, int(fragment.sum()))
        good[waiting[cut | fragment]] = False
        stated = reader.bytes[place + 1].astype(np.int64)
        step = np.where(kind == _FRAGMENT, 8, np.where(kind == _AUTHENTICATION, (stated + 2) * 4, (stated + 1) * 8))
        begin[waiting] += step
        protocol[waiting] = reader.bytes[place]
        waiting = waiting[good[waiting] & np.isin(protocol[waiting], _EXTENSIONS)]
    reader.account.leave_out("a frame of too many headers", len(waiting))
    good[waiting] = False
    return begin, protocol, good


def _transport(
    reader: LayerReader,
    group: Group,
    protocol: Column,
    source: Addresses,
    target: Addresses,
    marks: NDArray[np.uint8],
    found: list[Located],
) -> Iterator[Group]:
    """TCP is found; tunnels lead on; the rest is counted."""
    present = np.unique(protocol).tolist()
    for one in present:
        mine: NDArray[np.bool_] | slice = slice(None) if len(present) == 1 else protocol == one
        if one == _TCP:
            found.append(
                Located(
                    index=group.index[mine],
                    at=group.at[mine],
                    end=group.end[mine],
                    wire_end=group.wire_end[mine],
                    source=source[mine],
                    target=target[mine],
                    marks=marks[mine],
                )
            )
        elif one == _IPIP:
            yield group.select(mine, IPV4)
        elif one == _IPV6:
            yield group.select(mine, IPV6)
        elif one == _UDP:
            yield from _udp(reader, group.select(mine, -1))
        elif one == _GRE:
            yield from _gre(reader, reader.whole(group.select(mine, -1), 4))
        else:
            reader.account.leave_out("a packet that carries no TCP", int(np.count_nonzero(protocol == one)))


def _udp(reader: LayerReader, group: Group) -> Iterator[Group]:
    group = reader.whole(group, 16)
    port = reader.halves[group.at + 2]
    vxlan, geneve = np.isin(port, _VXLAN), port == _GENEVE
    yield group.select(vxlan, ETHERNET, 16)
    if geneve.any():
        options = (reader.bytes[group.at + 8] & 0x3F).astype(np.int64) * 4
        behind = group.select(geneve, TYPED, options + 16)
        yield from reader.typed(behind, reader.halves[group.at[geneve] + 10])
    reader.account.leave_out("a packet that carries no TCP", int(np.count_nonzero(~vxlan & ~geneve)))


def _gre(reader: LayerReader, group: Group) -> Iterator[Group]:
    flags, kind = reader.halves[group.at], reader.halves[group.at + 2]
    usable = (flags & 0x4007) == 0  # no routing, version 0
    reader.account.leave_out("a GRE packet of a kind that is not read", int((~usable).sum()))
    fields = 4 * sum((flags & bit != 0).astype(np.int64) for bit in (0x8000, 0x2000, 0x1000))
    yield from reader.typed(group.select(usable, TYPED, fields + 4), kind[usable])
