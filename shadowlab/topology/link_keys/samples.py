"""Measured delays become a distribution of jitter.

In: one-way delays.  Out: their mean, their standard deviation, and netem's table of their shape.
Never: a distribution made up from too few.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shadowlab.model.jitter import TABLE_SIZE, JitterShape, standard_table
from shadowlab.model.units import parse_duration

FEWEST_SAMPLES = 10
_MOST_BYTES = 16 << 20


class Measured(NamedTuple):
    """``shape`` is ordered and without correlation."""

    mean_ns: int
    deviation_ns: int
    shape: JitterShape


def measure(samples_ns: Sequence[int]) -> Measured:
    """The distribution of measured delays, linear between neighbours.  Raises ValueError for too few, or all alike.

    The table holds the quantiles of the middles of 4096 equally likely cases.
    """
    if len(samples_ns) < FEWEST_SAMPLES:
        raise ValueError(f"{len(samples_ns)} samples make no distribution: give at least {FEWEST_SAMPLES}")
    if min(samples_ns) < 0:
        raise ValueError("a measured delay cannot be negative")
    values = np.asarray(samples_ns, dtype=np.float64)
    quantiles = np.quantile(values, (np.arange(TABLE_SIZE) + 0.5) / TABLE_SIZE)
    table = standard_table(quantiles.tolist())
    return Measured(
        mean_ns=round(float(quantiles.mean())),
        deviation_ns=round(float(quantiles.std())),
        shape=JitterShape(distribution="empirical", table=table.entries, stretch=table.stretch),
    )


def read_samples(path: Path) -> list[int]:
    """A file with one duration a line (``12.3 ms``); ``#`` begins a remark.  Raises ValueError naming the line."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1).decode("utf-8")
    except OSError as error:
        raise ValueError(f"the samples {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"the samples {path} are not text") from error
    if len(text) > _MOST_BYTES:
        raise ValueError(f"the samples {path} take more than {_MOST_BYTES >> 20} MiB")
    samples = []
    for number, line in enumerate(text.splitlines(), 1):
        stated = line.partition("#")[0].strip()
        if stated:
            try:
                samples.append(parse_duration(stated))
            except ValueError as error:
                raise ValueError(f"{path}:{number}: {error}") from error
    return samples
