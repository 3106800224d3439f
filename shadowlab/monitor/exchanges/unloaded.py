"""How long an exchange takes alone on the idle path, by formula.

In: sizes, the impairments of the way there and back.  Out: nanoseconds.  Never: a measurement: a calibration phase
would cost network time for every pair, and would itself meet whatever else is configured to run.

With frame times s_i(n) = 8 (n + headers + framing) / rate_i on hop i, and T(n) = sum of (delay_i + s_i(n)):

- opening takes T_there(SYN) + T_back(SYN-ACK), and the ACK goes ahead of the data;
- a message of N segments leaves in rounds of W, 2 W, 4 W … segments (slow start from the initial window W, every
  segment acknowledged: RFC 5681, section 3.1, as Linux does with its quick acknowledgements).  A round begins when the
  first acknowledgement of the one before is back, R = T_there(MSS) + T_back(0) after that one began, and its segments
  follow each other at the bottleneck's pace s = max s_i(MSS).  From the first round on that fills the pipe, W_k s >= R,
  the rest is one stream at that pace.  So segment j of round k is there at k R + j s + T_there(its size);
- between request and answer lies the service; a lookup is one datagram each way.

Loss, jitter, waiting, other congestion controls than one that doubles, and delayed acknowledgements are left out: they
are what the slowdown is to show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.impairment import Impairment

INITIAL_WINDOW = 10
"""Segments (RFC 6928; Linux's TCP_INIT_CWND)."""
ETHERNET_BYTES = 14
TCP_BYTES = 32
"""With timestamps."""
SYN_BYTES = 40
"""With all options of Linux."""
UDP_BYTES = 8
IPV4_BYTES, IPV6_BYTES = 20, 40

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class IdlePair:
    """The way from source to target and back, each direction in its order."""

    there: tuple[Impairment, ...]
    back: tuple[Impairment, ...]
    ipv6: bool = False
    mss: int | None = None
    initial_window: int = INITIAL_WINDOW

    def transfer_ns(self, sizes: Numbers) -> Numbers:
        """From opening the connection to the last byte at the target, of each size."""
        return self._opening_ns() + self._message_ns(self.there, self.back, sizes)

    def request_ns(self, requests: Numbers, responses: Numbers, fresh: NDArray[np.bool_]) -> Numbers:
        """From the request (opening the connection first, where ``fresh``) to the last byte of the answer."""
        opening = np.where(fresh, self._opening_ns(), 0.0)
        there = self._message_ns(self.there, self.back, requests)
        return opening + there + self._message_ns(self.back, self.there, responses)

    def lookup_ns(self, questions: Numbers, answers: Numbers) -> Numbers:
        """One datagram there, one back; fragments go one after the other."""
        header = self._ip + UDP_BYTES
        return self._way_ns(self.there, questions + header) + self._way_ns(self.back, answers + header)

    @property
    def _ip(self) -> int:
        return IPV6_BYTES if self.ipv6 else IPV4_BYTES

    def _opening_ns(self) -> float:
        syn = self._ip + SYN_BYTES
        ack = max((_serial_ns(one, self._ip + TCP_BYTES) for one in self.there), default=0.0)
        return float(self._way_ns(self.there, syn) + self._way_ns(self.back, syn)) + float(ack)

    def _message_ns(self, way: Sequence[Impairment], back: Sequence[Impairment], sizes: Numbers) -> Numbers:
        header = self._ip + TCP_BYTES
        mtu = min((one.mtu for one in (*way, *back)), default=1500)
        mss = min(mtu - header, self.mss or mtu)
        window = self.initial_window
        pace = max((float(_serial_ns(one, mss + header)) for one in way), default=0.0)
        round_ns = float(self._way_ns(way, mss + header) + self._way_ns(back, header))
        segments = np.maximum(np.ceil(sizes / mss), 1.0)
        last = sizes - (segments - 1) * mss
        rounds = np.floor(np.log2((segments - 1) / window + 1))
        if pace > 0:
            # The first round whose segments last as long as it takes to hear of the first of them.
            rounds = np.minimum(rounds, max(0.0, np.ceil(np.log2(max(1.0, round_ns / (window * pace))))))
        before = window * (np.exp2(rounds) - 1)
        found: Numbers = rounds * round_ns + (segments - 1 - before) * pace + self._way_ns(way, last + header)
        return found

    @staticmethod
    def _way_ns(way: Sequence[Impairment], packet_bytes: Numbers | float) -> Numbers:
        total = np.zeros_like(np.asarray(packet_bytes, dtype=np.float64))
        for one in way:
            total = total + one.delay_ns + _serial_ns(one, packet_bytes)
        return total


def _serial_ns(one: Impairment, packet_bytes: Numbers | float) -> Numbers | float:
    if one.rate_bps is None:
        return np.asarray(packet_bytes) * 0.0
    return (packet_bytes + ETHERNET_BYTES + one.wire_overhead_bytes) * 8e9 / one.rate_bps
