"""Chance that is a function of its names: the same on every machine, in every process, in every Python.

In: a seed and any number of names.  Out: a stream of numbers.  Never: a state shared between streams, so that what one
workload draws does not move what another one draws (common random numbers between variants of a run).
Imported inside the guest: standard library only.

The generator is SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014): a counter
of odd step, mixed by two multiplications.  The seed of a stream is BLAKE2b over the names.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15
_UNIT = 1.0 / (1 << 53)


class Chance:
    """One stream.  ``names`` tell it from others of the same seed; texts and whole numbers, their order counts."""

    __slots__ = ("_state",)

    def __init__(self, seed: int, *names: str | int) -> None:
        import hashlib  # slow to import inside the guest, and runs without workloads need none of it

        text = "\0".join([str(seed), *map(str, names)])
        self._state = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")

    def bits(self) -> int:
        """64 random bits."""
        self._state = mixed = (self._state + _STEP) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def uniform(self) -> float:
        """A number in [0, 1)."""
        return (self.bits() >> 11) * _UNIT

    def below(self, bound: int) -> int:
        """A whole number in [0, bound), each alike within 2**-64 times the bound.  Raises ValueError below one."""
        if bound < 1:
            raise ValueError(f"nothing lies below {bound}")
        return self.bits() * bound >> 64
