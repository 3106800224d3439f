"""What changed between two readings of an instance's sockets.  Pure.

In: the raw messages of a reading, and those of sockets that ended.  Out: the messages worth telling, and counts.
Never: a change passed over; memory beyond some 300 bytes per open socket.

A socket is told when it is new, when anything a record would show has moved, when it ended, and now and then although
nothing moved (every ``refresh`` readings, spread evenly over the sockets), so that silence is not taken for absence.
Counters are told as the kernel counts them, from the opening of the connection: what one batch does not tell, the next
does.  The fields that only say how long ago something was (``last_data_sent`` and its like) move always, and do not
count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from shadowlab.wire.inet_diag import AF_INET, INFO, MESSAGE_BYTES

STATES = sum(1 << state for state in (1, 2, 3, 4, 5, 8, 9, 11, 12))
"""Asked for: all states but UNCONN, TIME-WAIT and LISTEN, which carry no data."""
MOST_ENDED = 50_000
"""Ends told of one interval; more are only counted."""
_ENDS, _COOKIE, _HEAD = slice(4, 40), slice(44, 52), 44
_AGES = slice(44, 60)


@dataclass(kw_only=True)
class Changes:
    """One reading's outcome."""

    told: list[bytes] = field(default_factory=list)
    """Of sockets that are open."""
    ended: list[tuple[int, bytes]] = field(default_factory=list)
    """(Unix time, message) of those whose end was heard."""
    vanished: list[bytes] = field(default_factory=list)
    """Heads of the messages of those that are gone without that."""
    open: int = 0
    opened: int | None = None
    """None in the first reading."""
    not_told: int = 0
    """Ends beyond :data:`MOST_ENDED`."""


class _Known(NamedTuple):
    print: int
    head: bytes


class Tracker:
    """Remembers the last reading."""

    def __init__(self, *, refresh: int, loopback: bool, own: Iterable[int] = ()) -> None:
        """``loopback``: whether connections of the host with itself are told.  ``own``: cookies to leave out."""
        self._refresh = refresh
        self._loopback = loopback
        self.own = set(own)
        self._known: dict[bytes, _Known] = {}
        self._readings = 0
        self._info_at = MESSAGE_BYTES
        self._info_mark = b"none"
        self._ended: list[tuple[int, bytes]] = []
        self._ended_unknown = 0
        self._not_told = 0

    def end(self, message: bytes, at_ns: int) -> None:
        """A socket was destroyed."""
        if self._passed_over(message) or not self._info(message):
            return
        if self._known.pop(message[_COOKIE], None) is None:
            self._ended_unknown += 1
        if len(self._ended) < MOST_ENDED:
            self._ended.append((at_ns, message))
        else:
            self._not_told += 1

    def read(self, messages: Iterable[bytes]) -> Changes:
        """A whole dump, taken after the ends given to :meth:`end`."""
        first = not self._readings
        turn = self._readings % self._refresh
        self._readings += 1
        before, now = self._known, {}
        told, opened = [], self._ended_unknown
        for message in messages:
            if self._passed_over(message):
                continue
            info = self._info(message)
            if not info:  # a socket in its last moments, of which nothing is left to tell
                continue
            cookie = message[_COOKIE]
            seen = hash((message[1], info[: _AGES.start], info[_AGES.stop :]))
            old = before.pop(cookie, None)
            if old is None:
                opened += 1
                now[cookie] = _Known(seen, message[:_HEAD])
                told.append(message)
            elif old.print != seen or cookie[0] % self._refresh == turn:
                now[cookie] = _Known(seen, old.head)
                told.append(message)
            else:
                now[cookie] = old
        changes = Changes(
            told=told,
            ended=self._ended,
            vanished=[one.head for one in before.values()],
            open=len(now),
            opened=None if first else opened,
            not_told=self._not_told,
        )
        self._known, self._ended, self._ended_unknown, self._not_told = now, [], 0, 0
        return changes

    def _passed_over(self, message: bytes) -> bool:
        if len(message) < MESSAGE_BYTES or message[24:40] == _NOWHERE:
            return True
        if self.own and int.from_bytes(message[_COOKIE], "little") in self.own:
            return True
        return not self._loopback and _on_loopback(message)

    def _info(self, message: bytes) -> bytes:
        """The payload of INFO, first looked for where it was in the message before; empty if there is none."""
        at = self._info_at
        if message[at : at + 4] != self._info_mark:
            at = _place_of_info(message)
            if at == 0:
                return b""
            self._info_at, self._info_mark = at, message[at : at + 4]
        return message[at + 4 : at + int.from_bytes(self._info_mark[:2], "little")]


def _place_of_info(message: bytes) -> int:
    """Where its attribute begins; 0 if there is none, or if it leads outside."""
    at = MESSAGE_BYTES
    while at + 4 <= len(message):
        length = int.from_bytes(message[at : at + 2], "little")
        if length < 4 or at + length > len(message):
            return 0
        if message[at + 2 : at + 4] == _INFO_KIND:
            return at
        at += (length + 3) & ~3
    return 0


_INFO_KIND = INFO.to_bytes(2, "little")
_NOWHERE = bytes(16)
_LOOPBACK6 = bytes(15) + b"\1"
_MAPPED_LOOPBACK = bytes(10) + b"\xff\xff\x7f"


def _on_loopback(message: bytes) -> bool:
    if message[0] == AF_INET:
        return message[8] == 127
    return message[8:24] == _LOOPBACK6 or message[8:21] == _MAPPED_LOOPBACK
