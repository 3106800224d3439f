"""What a self-test of links measured, raw.

In: nothing.  Out: frozen values.  Never: a judgement.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What this kernel and its clock can tell: how late its timers are called (median, and 90 % are below), how long
    a packet takes that goes nowhere (loopback, median), and how many bits a second it passes there at most (0: time
    does not pass meanwhile)."""

    late_ns: int
    late_p90_ns: int
    passage_ns: int
    most_bps: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One direction's raw result.  ``train_span_ns`` lies between two arrivals, ``train_came`` packets apart by count
    and ``train_numbers`` apart by number.  ``burst_held`` is the most that waited at one moment."""

    direction: str
    delays_ns: tuple[int, ...] = ()
    loss_sent: int = 0
    loss_came: int = 0
    loss_held: int = 0
    """The most packets of the loss part that were on their way at one moment."""
    repeated: int = 0
    train_span_ns: int = 0
    train_came: int = 0
    train_numbers: int = 0
    train_stalled_ns: int = 0
    """Part of the span that lies in pauses much longer than the usual one between two arrivals."""
    burst_sent: int = 0
    burst_came: int = 0
    burst_held: int = 0
    trouble: str = ""
