"""The details of a socket, read by their shape: the fast way for what :mod:`ss_socket` reads word by word.

In: the details' bytes.  Out: the same fields that the word-by-word reader would give, or its ValueError.

Sockets differ in their numbers, hardly in anything else: of a hundred thousand sockets a few hundred shapes remain
when the digits are taken out.  So a shape is understood once, word by word, with every number replaced by its index;
from then on a socket of that shape is its numbers, picked and converted in a handful of calls that run in C.  What a
shape means is taken from the reader itself, so the two cannot drift apart; a property test holds them equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import accumulate
from operator import itemgetter
from typing import Any

from shadowlab.telemetry.sources.ss_socket import LARGEST, NUMBER, Details, read_details

MOST_SHAPES = 4096
"""Shapes remembered; beyond, all are forgotten and learnt again: names of programs or timers may vary without end."""

_DIGITS = b"0123456789."
# What varies without meaning, socket by socket; and a program may call itself "x rto:5".
_VARYING = re.compile(rb"users:\(\(.*?\)\)|(?<= )(?:sk|cgroup|token):\S+")
_NUMBERS_ONLY = bytes(byte if byte in _DIGITS else 32 for byte in range(256))


class _Plan:
    """Which numbers become which fields; ``constant`` is what all sockets of the shape share."""

    __slots__ = ("_constant", "_decimal", "_names", "_pick")

    def __init__(self, constant: dict[str, Any], whole: list[tuple[str, int]], decimal: list[tuple[str, int, float]]):
        self._constant = constant
        self._names = tuple(name for name, _ in whole)
        # The first one once more and twice, so that the picker always gives a tuple; zip never comes to these.
        picked = [index for _, index in whole]
        self._pick: Callable[[list[bytes]], tuple[bytes, ...]] = itemgetter(*picked, *(picked[:1] or [0]) * 2)
        self._decimal = tuple(decimal)

    def fields(self, numbers: list[bytes]) -> dict[str, Any]:
        """Raises ValueError for a number that is malformed or out of range."""
        fields = self._constant.copy()
        if self._names:
            values = tuple(map(int, self._pick(numbers)))
            if max(values) >= LARGEST:
                raise ValueError("out of range")
            fields.update(zip(self._names, values, strict=False))
        for name, index, factor in self._decimal:
            # As `scaled`; a call would cost more than the work.
            value = int(float(numbers[index]) * factor + 0.5)
            if value >= LARGEST:
                raise ValueError("out of range")
            fields[name] = value
        return fields


_UNKNOWN = _Plan({}, [], [])


class Shapes:
    """What the shapes met so far mean."""

    def __init__(self) -> None:
        self._plans: dict[tuple[bytes, int], _Plan | None] = {}

    def fields(self, details: bytes) -> dict[str, Any]:
        """Every field the details tell.  Raises ValueError with the reason if they cannot be read."""
        numbers = details.translate(_NUMBERS_ONLY).split()
        key = (details.translate(None, _DIGITS), len(numbers))
        plan = self._plans.get(key, _UNKNOWN)
        if plan is _UNKNOWN:
            plain = _VARYING.sub(b"", details)
            return self.fields(plain) if plain != details else self._learn(key, details, len(numbers))
        if plan is not None:
            try:
                return plan.fields(numbers)
            except (ValueError, OverflowError):
                pass  # word by word it shows which one is wrong
        return dict(read_details(details.decode("latin-1").split()).fields)

    def _learn(self, key: tuple[bytes, int], details: bytes, count: int) -> dict[str, Any]:
        words = details.decode("latin-1").split()
        reading = read_details(words)
        if len(self._plans) >= MOST_SHAPES:
            self._plans.clear()
        self._plans[key] = _plan(words, reading, count)
        return dict(reading.fields)


def _plan(words: list[str], reading: Details, count: int) -> _Plan | None:
    """The plan for a shape, learnt from one socket of it; None if its meaning depends on more than its numbers."""
    if not count:
        return _Plan(reading.fields, [], [])
    if reading.control_word is not None and NUMBER.search(words[reading.control_word]):
        return None  # bbr2 and bbr3 are one shape
    before = [0, *accumulate(len(NUMBER.findall(word)) for word in words)]
    constant = dict(reading.fields)
    whole: list[tuple[str, int]] = []
    decimal: list[tuple[str, int, float]] = []
    for name, place, ordinal, factor in reading.numbers:
        constant[name] = 0  # keeps its place in the dictionary
        if factor is None:
            whole.append((name, before[place] + ordinal))
        else:
            decimal.append((name, before[place] + ordinal, factor))
    return _Plan(constant, whole, decimal)
