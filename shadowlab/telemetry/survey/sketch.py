"""Distinct values and quantiles of a stream, in bounded memory.

In: values, one by one.  Out: how many different ones (within 2 %), quantiles (within 1 %).
Never: memory that grows with the stream.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from hashlib import blake2b

_BITS = 12
_REGISTERS = 1 << _BITS
EXACT_UP_TO = 10_000


class Distinct:
    """How many different values there were: exact up to 10 000, from there on an estimate.

    The estimate is HyperLogLog (Flajolet and others, 2007) with 4096 registers: its standard error is 1.04/sqrt(4096).
    """

    def __init__(self) -> None:
        self._seen: set[Hashable] | None = set()
        self._registers = bytearray(_REGISTERS)

    def add(self, value: Hashable) -> None:
        """One more value."""
        if self._seen is not None:
            self._seen.add(value)
            if len(self._seen) <= EXACT_UP_TO:
                return
            for one in self._seen:
                self._register(one)
            self._seen = None
        else:
            self._register(value)

    def _register(self, value: Hashable) -> None:
        digest = int.from_bytes(blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        index, rest = digest >> (64 - _BITS), digest & ((1 << (64 - _BITS)) - 1)
        rank = 64 - _BITS - rest.bit_length() + 1
        if rank > self._registers[index]:
            self._registers[index] = rank

    @property
    def exact(self) -> bool:
        """Whether :meth:`count` is no estimate."""
        return self._seen is not None

    def count(self) -> int:
        """The number of different values."""
        if self._seen is not None:
            return len(self._seen)
        raw = 0.7213 / (1 + 1.079 / _REGISTERS) * _REGISTERS**2 / sum(2.0**-rank for rank in self._registers)
        empty = self._registers.count(0)
        if raw <= 2.5 * _REGISTERS and empty:
            raw = _REGISTERS * math.log(_REGISTERS / empty)
        return round(raw)


class Quantiles:
    """Quantiles of values above zero, from a histogram whose bins grow by 2 % (as DDSketch does, Masson 2019)."""

    _GROWTH = math.log(1.02)

    def __init__(self) -> None:
        self._bins: dict[int, int] = {}
        self.count = 0

    def add(self, value: float) -> None:
        """One more value; zero counts as the smallest bin."""
        index = round(math.log(value) / self._GROWTH) if value > 0 else -10_000
        self._bins[index] = self._bins.get(index, 0) + 1
        self.count += 1

    def at(self, share: float) -> float | None:
        """The value that ``share`` of the values do not exceed; None without values."""
        wanted, so_far = share * (self.count - 1), 0
        for index in sorted(self._bins):
            so_far += self._bins[index]
            if so_far > wanted:
                return math.exp(index * self._GROWTH) if index > -10_000 else 0.0
        return None
