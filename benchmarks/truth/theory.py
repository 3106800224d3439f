"""What theory says a network and a TCP do.

In: rates, times, shares of loss.  Out: times, windows, rates.  Never: a measured figure.

Windows are in packets, times in seconds.  Sources: Mathis, Semke, Mahdavi and Ott 1997 (CCR 27/3); Ott, Kemperman and
Mathis 1996 (*The stationary behavior of ideal TCP congestion avoidance*); Padhye, Firoiu, Towsley and Kurose 1998
(SIGCOMM), PFTK; RFC 9438 (CUBIC), section 5; Alizadeh et al. 2010 (SIGCOMM) and 2011 (SIGMETRICS), DCTCP; RFC 6937 is
how Linux recovers.

``b`` is the number of segments that one acknowledgement covers *as far as the window's growth is concerned*.  A
receiver acknowledges every second segment, but Linux's Reno and CUBIC grow by the segments that were acknowledged, not
by the acknowledgements (``tcp_cong_avoid_ai``): so b is 1 here, not the 2 of the papers.
"""

from __future__ import annotations

import math

MSS_BYTES = 1448
"""Payload of a full segment at an MTU of 1500 with timestamps."""
FRAME_BYTES = 1514
WIRE_BYTES = FRAME_BYTES + 24
ACK_WIRE_BYTES = 52 + 14 + 24
LINUX_B = 1
CUBIC_C, CUBIC_BETA = 0.4, 717 / 1024
"""Linux's beta is 717/1024 where RFC 9438 says 0.7."""


def wire_s(frame_bytes: int, rate_bps: float, overhead_bytes: int = 24) -> float:
    """How long a frame occupies the wire."""
    return 8 * (frame_bytes + overhead_bytes) / rate_bps


def goodput_bps(rate_bps: float) -> float:
    """The most payload that TCP gets through a wire of that rate: full segments, Ethernet framing."""
    return rate_bps * MSS_BYTES / WIRE_BYTES


def mathis_window(loss: float, b: int = LINUX_B) -> float:
    """Mean window of Reno where each 1/loss-th packet is lost: a perfect sawtooth."""
    return math.sqrt(3 / (2 * b * loss))


def ott_window(loss: float, b: int = LINUX_B) -> float:
    """Mean window of Reno where each packet is lost with that chance, by itself.  Over time, not over packets.

    The sawtooth's teeth are of random length then, which makes the constant 1.3098 in the place of 1.2247.
    """
    return 1.3098 / math.sqrt(b * loss)


def pftk_window(loss: float, rtt_s: float, rto_s: float, b: int = LINUX_B) -> float:
    """Packets a round trip by PFTK's full approximation (equation 30, no bound by the receiver), time-outs included."""
    first = rtt_s * math.sqrt(2 * b * loss / 3)
    return rtt_s / (first * (1 + pftk_timeouts(loss, rtt_s, rto_s, b)))


def pftk_timeouts(loss: float, rtt_s: float, rto_s: float, b: int = LINUX_B) -> float:
    """The time that PFTK gives to time-outs, as a share of the rest."""
    again = min(1.0, 3 * math.sqrt(3 * b * loss / 8)) * loss * (1 + 32 * loss * loss)
    return rto_s * again / (rtt_s * math.sqrt(2 * b * loss / 3))


def cubic_window(loss: float, rtt_s: float) -> float:
    """Mean window of CUBIC by RFC 9438, equation 5: each 1/loss-th packet is lost."""
    return (CUBIC_C * (3 + CUBIC_BETA) / (4 * (1 - CUBIC_BETA))) ** 0.25 * (rtt_s / loss) ** 0.75


def cubic_friendly_window(loss: float) -> float:
    """Mean window in CUBIC's Reno-friendly region: RFC 9438 chooses its alpha so that it is Reno's."""
    return mathis_window(loss)


def cubic_epoch_s(most: float) -> float:
    """The time CUBIC takes from a reduction at a window of ``most`` back to that window (K of RFC 9438)."""
    return (most * (1 - CUBIC_BETA) / CUBIC_C) ** (1 / 3)


class Rules:
    """A control's window, one round trip at a time.  ``kind`` is "reno" or "cubic": with its Reno-friendly region and
    fast convergence, which the closed formula leaves out.  No queue, no time-outs, no slow start."""

    def __init__(self, kind: str, rtt_s: float) -> None:
        self.window = 10.0
        self._cubic = kind == "cubic"
        self._rtt_s = rtt_s
        self._origin = self._age_s = self._k_s = 0.0
        self._friendly = self._top = self.window

    def grow(self) -> None:
        """A round trip in which all was acknowledged."""
        if not self._cubic:
            self.window += 1
            return
        self._age_s += self._rtt_s
        self._friendly += 3 * (1 - CUBIC_BETA) / (1 + CUBIC_BETA)
        target = self._origin + CUBIC_C * (self._age_s + self._rtt_s - self._k_s) ** 3
        self.window = max(min(max(target, self.window), 1.5 * self.window), self._friendly)

    def reduce(self) -> None:
        """A loss was noticed."""
        if not self._cubic:
            self.window = max(2.0, self.window / 2)
            return
        self._top = self.window * (1 + CUBIC_BETA) / 2 if self.window < self._top else self.window
        self.window = max(2.0, self.window * CUBIC_BETA)
        self._origin = max(self._top, self.window)
        self._k_s = ((self._origin - self.window) / CUBIC_C) ** (1 / 3)
        self._age_s, self._friendly = 0.0, self.window


def simulated_window(kind: str, loss: float, rtt_s: float, losses: int = 20_000) -> float:
    """Mean window by a control's rules where each packet is lost with that chance; it stays a round trip in recovery.

    It is what the closed formulas approximate, without their assumption of even losses.
    """
    import random

    chance, rules = random.Random(1), Rules(kind, rtt_s)
    sent = rounds = 0.0
    while losses:
        sent, rounds = sent + rules.window, rounds + 1
        if chance.random() < (1 - loss) ** rules.window:
            rules.grow()
            continue
        losses -= 1
        rules.reduce()
        sent, rounds = sent + rules.window, rounds + 1
    return sent / rounds


def simulated_even_window(kind: str, most: float, rtt_s: float, losses: int = 40) -> tuple[float, float]:
    """Mean window, and packets for each loss, where one is lost whenever the window exceeds ``most``.

    The loss is noticed a round trip later.
    """
    rules = Rules(kind, rtt_s)
    sent = rounds = 0.0
    for number in range(losses + 10):
        if number == 10:
            sent = rounds = 0.0
        while rules.window <= most:
            sent, rounds = sent + rules.window, rounds + 1
            rules.grow()
        sent, rounds = sent + rules.window, rounds + 1
        rules.grow()
        rules.reduce()
        sent, rounds = sent + rules.window, rounds + 1
    return sent / rounds, sent / losses


def bbr_goodput_bps(rate_bps: float, loss: float) -> float:
    """BBR (version 1) does not answer to losses below a fifth: the wire's whole rate, less what is lost behind it.

    Once in ten seconds it sends four packets a round trip for 200 ms, to see the round trip without its own queue.
    """
    return goodput_bps(rate_bps) * (1 - 0.2 / 10) * (1 - loss)


def dctcp_queue_packets(mark_packets: float, room: float, flows: int = 1) -> tuple[float, float]:
    """The least and the greatest queue of DCTCP flows in step at a step threshold (2011, section 3).

    ``room`` is the bandwidth-delay product.  Greatest: threshold and one packet for each flow; the amplitude of the
    oscillation of N flows is sqrt(N (C RTT + K) / 2) / 2 for each window of W* = (C RTT + K) / N.
    """
    amplitude = 0.5 * math.sqrt(2 * flows * (room + mark_packets))
    greatest = mark_packets + flows
    return greatest - amplitude, greatest
