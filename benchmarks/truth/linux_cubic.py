"""CUBIC as Linux computes it: whole packets, ticks, and an increase that is looked up only now and then.

In: loss, round trip, ticks a second.  Out: the mean window.  Never: a measured figure.

RFC 9438 is about real numbers.  Linux (``net/ipv4/tcp_cubic.c``, read, not copied) counts the Reno-friendly window in
whole packets and, when that is larger than the window, adds the difference over a round trip: it follows one packet or
so behind.  While the window does not change it computes anew only each 32nd of a second, in ticks.  At windows of a
dozen packets that is a tenth.  The tick of the embedded kernel is 10 ms; ``ticks`` of 1000 shows how little it matters.
"""

from __future__ import annotations

import random

SCALE, BETA = 1024, 717
_FRIENDLY = 8 * (SCALE + BETA) // 3 // (SCALE - BETA)


class LinuxCubic:
    """A window that is told of every packet acknowledged, and of losses."""

    def __init__(self, rtt_s: float, ticks: int) -> None:
        self.window = 10
        self._rtt_s, self._ticks = rtt_s, ticks
        self._top = self._friendly = self._acked = self._part = 0
        self._every = 20
        self._looked: tuple[int, int] = (0, -ticks)  # window, tick
        self._began: int | None = None
        self._k_s, self._origin = 0.0, 0

    def acknowledge(self, now_s: float) -> None:
        """One packet."""
        tick = int(now_s * self._ticks)
        self._acked += 1
        if self._looked[0] != self.window or tick - self._looked[1] > self._ticks // 32:
            if self._began is None or tick != self._looked[1]:
                self._aim(tick)
            self._befriend()
        if self._part >= self._every:
            self._part, self.window = 0, self.window + 1
        self._part += 1
        more, self._part = divmod(self._part, self._every)
        self.window += more

    def lose(self) -> None:
        """One or more, in a round trip."""
        self._top = self.window * (SCALE + BETA) // (2 * SCALE) if self.window < self._top else self.window
        self.window = max(2, self.window * BETA // SCALE)
        self._began = None

    def _aim(self, tick: int) -> None:
        self._looked = (self.window, tick)
        if self._began is None:
            self._began, self._acked, self._friendly = tick, 1, self.window
            self._origin = max(self._top, self.window)
            self._k_s = ((self._origin - self.window) / 0.4) ** (1 / 3)
        ahead_s = (tick - self._began) / self._ticks + self._rtt_s - self._k_s
        target = int(self._origin + 0.4 * ahead_s**3)
        self._every = self.window // (target - self.window) if target > self.window else 100 * self.window

    def _befriend(self) -> None:
        each = self.window * _FRIENDLY >> 3
        more, left = divmod(self._acked - 1, each)  # the last of them is not passed, only reached
        self._friendly, self._acked = self._friendly + more, left + 1
        if self._friendly > self.window:
            self._every = min(self._every, self.window // (self._friendly - self.window))
        self._every = max(self._every, 2)


def simulated_window(loss: float, rtt_s: float, ticks: int = 100, losses: int = 6_000) -> float:
    """Mean window where each packet is lost with that chance; a round trip in recovery for each reduction."""
    chance, one, now_s = random.Random(1), LinuxCubic(rtt_s, ticks), 0.0
    sent = rounds = 0
    while losses:
        window = one.window
        sent, rounds = sent + window, rounds + 1
        lost = chance.random() >= (1 - loss) ** window
        for number in range(chance.randrange(window) if lost else window):
            one.acknowledge(now_s + rtt_s * number / window)
        now_s += rtt_s
        if lost:
            losses -= 1
            one.lose()
            sent, rounds, now_s = sent + one.window, rounds + 1, now_s + rtt_s
    return sent / rounds
