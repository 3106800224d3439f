"""Where the network layer of each frame begins: link types, VLAN tags, MPLS labels, PPPoE, LLC.

In: :class:`Frames`.  Out: :class:`Group` after group of frames that are at the same kind of header.  Never: a loop over
frames; a loop over kinds of headers instead, at most :data:`DEPTH` deep.

Numbers: LINKTYPE registry (tcpdump.org), EtherTypes (IEEE), MPLS (RFC 3032), PPPoE (RFC 2516), SNAP (RFC 1042).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.packets.frames import Column, Frames, word_view

DEPTH = 24
"""Headers one behind the other that are looked at; the deepest honest stack seen has about eight."""
ETHERNET, TYPED, IP, IPV4, IPV6, MPLS, NULL, LOOP, SLL, SLL2, PPPOE = range(11)

_OF_LINK_TYPE = {
    0: NULL, 1: ETHERNET, 12: IP, 14: IP, 101: IP, 108: LOOP, 113: SLL, 228: IPV4, 229: IPV6, 276: SLL2,
}  # fmt: skip
_NEEDED = {ETHERNET: 14, NULL: 4, LOOP: 4, SLL: 16, SLL2: 20, MPLS: 4, PPPOE: 8, IP: 1}
_FAMILIES = {2: IPV4, 10: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}  # AF_INET, AF_INET6 of Linux and the BSDs
_VLAN = (0x8100, 0x88A8, 0x9100, 0x9200)
_CUT = "a frame cut (or ending) inside its headers"

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Frames whose next header is of one ``kind``.  ``index`` is each one's place in the :class:`Frames`, ``at`` where
    the header begins in the octets, ``end`` where what was captured ends, ``wire_end`` where the packet would end."""

    kind: int
    index: Column
    at: Column
    end: Column
    wire_end: Column

    def select(self, mask: Mask | slice, kind: int, step: int | Column = 0) -> Group:
        """Those of the mask, at a header of ``kind`` that begins ``step`` octets further."""
        move = step if isinstance(step, int) else step[mask]
        return Group(
            kind=kind, index=self.index[mask], at=self.at[mask] + move, end=self.end[mask], wire_end=self.wire_end[mask]
        )  # fmt: skip


class LayerReader:
    """Takes the frames of one piece apart."""

    def __init__(self, frames: Frames, account: Account) -> None:
        self.frames = frames
        self.account = account
        self.bytes = frames.octets
        self.halves = word_view(frames.octets, ">u2")
        self.words = word_view(frames.octets, ">u4")

    def groups(self) -> Iterator[Group]:
        """One group for each link type."""
        frames = self.frames
        end = frames.start + frames.captured
        everything = Group(
            kind=-1, index=np.arange(len(end)), at=frames.start, end=end, wire_end=frames.start + frames.wire
        )
        present = np.unique(frames.link_type).tolist()
        for one in present:
            mine: Mask | slice = slice(None) if len(present) == 1 else frames.link_type == one
            kind = _OF_LINK_TYPE.get(one)
            group = everything.select(mine, -1 if kind is None else kind)
            if kind is None:
                self.account.leave_out(f"a frame of link type {one}, which is not read", len(group.index))
            else:
                yield group

    def whole(self, group: Group, needed: int | Column) -> Group:
        """Without the frames that end before ``needed`` octets from here."""
        good = group.at + needed <= group.end
        if good.all():
            return group
        self.account.leave_out(_CUT, int((~good).sum()))
        return group.select(good, group.kind)

    def typed(self, group: Group, types: Column) -> Iterator[Group]:
        """Split frames by EtherType; the header of that type begins at ``at``."""
        present = np.unique(types).tolist()
        for one in present:
            mine: Mask | slice = slice(None) if len(present) == 1 else types == one
            if one == 0x0800:
                yield group.select(mine, IPV4)
            elif one == 0x86DD:
                yield group.select(mine, IPV6)
            elif one in _VLAN:
                yield group.select(mine, TYPED, 2)
            elif one in (0x8847, 0x8848):
                yield group.select(mine, MPLS)
            elif one == 0x8864:
                yield group.select(mine, PPPOE)
            elif one == 0x6558:
                yield group.select(mine, ETHERNET)
            elif one <= 1500:
                yield from self._snap(self.whole(group.select(mine, -1), 8))
            else:
                self._not_ip(int(np.count_nonzero(types == one)))

    def step(self, group: Group) -> Iterator[Group]:
        """One header of the link layer further."""
        group = self.whole(group, _NEEDED.get(group.kind, 2))
        if len(group.index):
            yield from _STEPS[group.kind](self, group)

    def _ethernet(self, group: Group) -> Iterator[Group]:
        yield from self.typed(group.select(slice(None), TYPED, 14), self.halves[group.at + 12])

    def _typed(self, group: Group) -> Iterator[Group]:
        yield from self.typed(group.select(slice(None), TYPED, 2), self.halves[group.at])

    def _sll(self, group: Group) -> Iterator[Group]:
        yield from self.typed(group.select(slice(None), TYPED, 16), self.halves[group.at + 14])

    def _sll2(self, group: Group) -> Iterator[Group]:
        yield from self.typed(group.select(slice(None), TYPED, 20), self.halves[group.at])

    def _mpls(self, group: Group) -> Iterator[Group]:
        bottom = (self.bytes[group.at + 2] & 1).astype(bool)
        yield group.select(~bottom, MPLS, 4)
        yield group.select(bottom, IP, 4)

    def _pppoe(self, group: Group) -> Iterator[Group]:
        protocol = self.halves[group.at + 6]
        yield group.select(protocol == 0x0021, IPV4, 8)
        yield group.select(protocol == 0x0057, IPV6, 8)
        self._not_ip(int(np.count_nonzero((protocol != 0x0021) & (protocol != 0x0057))))

    def _null(self, group: Group) -> Iterator[Group]:
        """The family is in the byte order of the machine that captured: it is small, so one of the halves is 0."""
        family = self.words[group.at]
        family = np.where(family > 0xFFFF, family.byteswap(), family) if group.kind == NULL else family
        known = np.zeros(len(family), bool)
        for number, kind in _FAMILIES.items():
            mine = family == number
            known |= mine
            yield group.select(mine, kind, 4)
        self._not_ip(int(np.count_nonzero(~known)))

    def _ip(self, group: Group) -> Iterator[Group]:
        version = self.bytes[group.at] >> 4
        yield group.select(version == 4, IPV4)
        yield group.select(version == 6, IPV6)
        self._not_ip(int(np.count_nonzero((version != 4) & (version != 6))))

    def _snap(self, group: Group) -> Iterator[Group]:
        snap = (self.words[group.at] == 0xAAAA0300) & (self.halves[group.at + 4] == 0)
        self._not_ip(int(np.count_nonzero(~snap)))
        yield group.select(snap, TYPED, 6)

    def _not_ip(self, count: int) -> None:
        self.account.leave_out("a frame that carries no IP", count)


_STEPS: dict[int, Callable[[LayerReader, Group], Iterator[Group]]] = {
    ETHERNET: LayerReader._ethernet,
    TYPED: LayerReader._typed,
    SLL: LayerReader._sll,
    SLL2: LayerReader._sll2,
    MPLS: LayerReader._mpls,
    PPPOE: LayerReader._pppoe,
    NULL: LayerReader._null,
    LOOP: LayerReader._null,
    IP: LayerReader._ip,
}
