"""What the two ends of a connection agree on when it opens: how a flow gets what it wishes, and whether it got it.

In: a flow's options, the door to its node.  Out: settings that hold for one SYN; what the kernel holds instead of a
wish, in words.  Never: a packet.  Imported inside the guest: standard library only.

SACK, timestamps, window scaling and ECN are settings of a namespace, but the kernel looks at them only when it makes
the SYN, inside ``connect()`` (``tcp_syn_options``, ``tcp_ecn_send_syn``), and a target agrees to what it was offered.
So a flow that differs from its node gets its own by setting them for the length of that call.  Two things follow.  An
offer can be left out for one SYN but not made by a node that is set against it, for such a node does not understand
the answer: :mod:`shadowlab.shadow.transport` sets a node against something only if no flow of it wishes it.  And a SYN
that was lost is made again later, by the node's settings.  Both show when the connection is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from shadowlab.kernel.sockets.negotiation import ECN, ECN_ANSWER, ECN_ASK, SACK, TIMESTAMPS, WINDOW_SCALING
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.wire.tcp_info import TcpInfo

OFFERS = {"sack": SACK, "timestamps": TIMESTAMPS, "window_scaling": WINDOW_SCALING}

_TIMESTAMPS, _SACK, _WINDOW_SCALING, _ECN_AGREED = 1, 2, 4, 8
"""Bits of ``tcpi_options`` (``linux/tcp.h``)."""
_SEGMENT_BYTES = 1448
_LARGEST_UNSCALED = 65_535


class SettingsDoor(Protocol):
    """The part of :class:`~shadowlab.kernel.ports.Segment` that this uses."""

    def set_sysctl(self, node: str, key: str, value: str) -> None: ...
    def read_sysctl(self, node: str, key: str) -> str: ...


class Handshakes:
    """Opens connections as they wish.  The nodes' own settings are read once and taken to stay."""

    def __init__(self, door: SettingsDoor) -> None:
        self._door = door
        self._held: dict[tuple[str, str], str] = {}

    @contextmanager
    def offering(self, node: str, tcp: TcpOptions) -> Iterator[None]:
        """A ``connect()`` of the node inside offers what ``tcp`` says."""
        changed = [(key, held) for key, value in wishes(tcp) if (held := self._read(node, key)) != value]
        wanted = dict(wishes(tcp))
        for key, _ in changed:
            self._door.set_sysctl(node, key, wanted[key])
        try:
            yield
        finally:
            for key, held in changed:
                self._door.set_sysctl(node, key, held)

    def _read(self, node: str, key: str) -> str:
        if (node, key) not in self._held:
            self._held[node, key] = self._door.read_sysctl(node, key).strip()
        return self._held[node, key]


def wishes(tcp: TcpOptions) -> tuple[tuple[str, str], ...]:
    """(key, value) of each setting that the options say something about."""
    offers = tuple((key, str(int(wish))) for name, key in OFFERS.items() if (wish := getattr(tcp, name)) is not None)
    if tcp.ecn is None:
        return offers
    return (*offers, (ECN, ECN_ASK if tcp.ecn else ECN_ANSWER))


def differences(tcp: TcpOptions, info: TcpInfo) -> tuple[str, ...]:
    """What a sender that has just connected holds instead of what was wished: ``mss 8948, holds 1448``."""
    options = info.options or 0
    held = (
        ("mss", tcp.mss, info.snd_mss),
        ("initial_cwnd_segments", tcp.initial_cwnd_segments, info.snd_cwnd),
        ("initial_rwnd_segments", _announced(tcp), (info.snd_wnd or 0) // _SEGMENT_BYTES),
        ("ecn", tcp.ecn, bool(options & _ECN_AGREED)),
        ("sack", tcp.sack, bool(options & _SACK)),
        ("timestamps", tcp.timestamps, bool(options & _TIMESTAMPS)),
        ("window_scaling", tcp.window_scaling, bool(options & _WINDOW_SCALING)),
    )
    return tuple(
        f"{name} {_word(wish)}, holds {_word(value)}"
        for name, wish, value in held
        if wish is not None and value is not None and wish != value
    )


def _announced(tcp: TcpOptions) -> int | None:
    """What the answer to a SYN announces of the wish: no more than 64 kB, the field is not scaled there."""
    wish = tcp.initial_rwnd_segments
    return None if wish is None else min(wish, _LARGEST_UNSCALED // _SEGMENT_BYTES)


def _word(value: int | bool) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
