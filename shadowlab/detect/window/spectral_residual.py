"""Spectral residual: what sticks out of the smoothed spectrum of the last values.

In: values.  Out: readings of the newest one.  Never: a value after it: the window ends with it, and is continued by a
guess from the slopes before.

After Ren et al., "Time-Series Anomaly Detection Service at Microsoft", KDD 2019: the log amplitude less its
running mean
over ``smooth`` frequencies, transformed back with the phases, is a saliency map; the newest saliency is compared with
the mean of those before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from shadowlab.detect.online.reading import QUIET, Reading, Value, graded, scalar

_GUESSED = 5


@dataclass(slots=True)
class SpectralResidual:
    """``limit`` is by how much the newest saliency exceeds the mean of the others, in units of that mean."""

    limit: float = 6.0
    length: int = 59
    smooth: int = 3
    ring: list[float] = field(default_factory=list)
    since_ns: int | None = None

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = scalar(value)
        if x != x:
            return QUIET
        self.ring.append(x)
        if len(self.ring) <= self.length:
            return QUIET
        del self.ring[0]
        known = np.array(self.ring)
        if known.min() == known.max():
            self.since_ns = None
            return QUIET
        slopes = (known[-1] - known[-1 - _GUESSED : -1]) / np.arange(_GUESSED, 0, -1)
        guess = known[-_GUESSED] + slopes.mean() * _GUESSED
        spectrum = np.fft.rfft(np.concatenate([known, np.full(_GUESSED, guess)]) - known.mean())
        amplitude = np.maximum(np.abs(spectrum), 1e-12)
        log = np.log(amplitude)
        smoothed = np.convolve(log, np.full(self.smooth, 1 / self.smooth), mode="same")
        saliency = np.abs(np.fft.irfft(spectrum / amplitude * np.exp(log - smoothed), n=self.length + _GUESSED))
        usual = float(saliency[: self.length - 1].mean())
        excess = max(0.0, (float(saliency[self.length - 1]) - usual) / max(usual, 1e-12))
        told = excess >= self.limit
        self.since_ns = (now_ns if self.since_ns is None else self.since_ns) if told else None
        return Reading(graded(excess, self.limit), math.exp(-excess), self.since_ns)
