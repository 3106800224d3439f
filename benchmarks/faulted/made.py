"""Made series without a fault: how often the panel alerts on hours of noise of a known kind.

    python -m benchmarks.faulted.made

In: nothing.  Out: one JSON line per indicator and kind of noise, with the rate a day per hundred paths and its
interval of 95 %.  Never: a network.

What no recording is long enough for: noise that is the same for hours.  It has a deviation of 1 ms around 20 ms, and
is white, heavy-tailed, skewed, or wanders: an autoregression whose correlation of neighbours is named.  Losses come by
chance.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.faulted.calm import total
from benchmarks.faulted.draw import BASELINE_NS, SECOND
from benchmarks.faulted.judged import PANEL
from shadowlab.detect.baseline import learn
from shadowlab.detect.registry import DETECTORS
from shadowlab.detect.zscore import PROBES_SENT
from shadowlab.model.kpi import SeriesTable

PATHS, ROWS, PROBES = 50, 7200, 5
CORRELATIONS = (0.0, 0.5, 0.8, 0.95)
LOSSES = (0.0, 1e-4, 1e-3, 1e-2)
Array = NDArray[np.float64]


def wandering(chance: np.random.Generator, correlation: float, shape: tuple[int, int]) -> Array:
    """An autoregression of the first order, of deviation 1, over the rows."""
    drawn = chance.normal(size=shape)
    for row in range(1, shape[0]):
        drawn[row] = correlation * drawn[row - 1] + (1 - correlation**2) ** 0.5 * drawn[row]
    return drawn


def series(seed: int = 1) -> Iterator[tuple[str, str, dict[str, Array]]]:
    """Indicator, kind of noise, values of shape (rows, paths)."""
    chance, shape = np.random.default_rng(seed), (ROWS, PATHS)
    noises = {f"correlation {one:g}": wandering(chance, one, shape) for one in CORRELATIONS}
    noises["heavy-tailed (t of 3)"] = chance.standard_t(3, size=shape)
    noises["exponential"] = chance.exponential(size=shape)
    for kpi in ("latency_ms", "srtt_ms"):
        for name, noise in noises.items():
            yield kpi, name, {kpi: 20 + noise}
    for loss in LOSSES:
        lost = chance.binomial(PROBES, loss, size=shape) / PROBES
        yield "loss", f"{loss:g} by chance", {"loss": lost, PROBES_SENT: np.full(shape, float(PROBES))}


def main() -> int:
    """Judge all of them: some twenty seconds."""
    times = np.arange(1, ROWS + 1, dtype=np.int64) * SECOND
    days = PATHS * (ROWS - BASELINE_NS[1] / SECOND) / 86_400
    for kpi, noise, values in series():
        table = SeriesTable(times_ns=times, subjects=tuple(f"a→b{one}" for one in range(PATHS)), values=values)
        found = DETECTORS[PANEL].detect(table, learn(table, from_ns=BASELINE_NS[0], to_ns=BASELINE_NS[1]))
        row = {"detector": PANEL, "alerts": len(found), "path_days": days}
        print(json.dumps({"indicator": kpi, "noise": noise} | total([row], PANEL)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
