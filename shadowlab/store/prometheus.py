"""Series as Prometheus text, with timestamps.

In: series tables, when the run's zero was.  Out: text of the exposition format 0.0.4.
Never: a line for what is unknown: Prometheus has no value for it but a line that is not there.

Names and units follow the conventions of Prometheus: base units (seconds, bytes per second, ratios) with the unit as
the name's ending, ``shadowlab_path_latency_seconds``; the subject stands in labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from shadowlab.model.kpi import KPIS, SeriesTable
from shadowlab.store.tables import unit_of

_NS_PER_MS = 1_000_000
_BASE: Mapping[str, tuple[str, float]] = {
    "ms": ("seconds", 1e-3),
    "s": ("seconds", 1.0),
    "ns": ("seconds", 1e-9),
    "fraction": ("ratio", 1.0),
    "bit/s": ("bytes_per_second", 1 / 8),
    "Mbit/s": ("bytes_per_second", 1e6 / 8),
}
"""The base unit of a unit, and how much of it one is; any other unit (packets, segments) is one itself."""
_UNIT_ENDINGS = ("_ms", "_ns", "_mbps", "_bps", "_segments", "_packets", "_share")


def metric_name(name: str, subject: str) -> tuple[str, float]:
    """The metric of an indicator, and the factor from its unit to the metric's."""
    unit, factor = _BASE.get(unit_of(name), (unit_of(name), 1.0))
    stem = name.removeprefix(f"{subject}_")
    for ending in _UNIT_ENDINGS:
        stem = stem.removesuffix(ending)
    ending = "" if not unit or unit in stem.split("_") else f"_{unit}"
    return f"shadowlab_{subject}_{stem}{ending}", factor


def prometheus_text(tables: Mapping[str, SeriesTable], zero_ns: int = 0) -> Iterator[str]:
    """Lines with their ends.  ``tables`` by kind of subject; ``zero_ns`` is the Unix time of the run's zero."""
    for subject, table in tables.items():
        labels = [_labels(subject, one) for one in table.subjects]
        stamps = ((table.times_ns + zero_ns) // _NS_PER_MS).tolist()
        for name, values in table.values.items():
            metric, factor = metric_name(name, subject)
            meaning = KPIS[name].meaning if name in KPIS else name.replace("_", " ")
            yield f"# HELP {metric} {meaning}\n"
            yield f"# TYPE {metric} gauge\n"
            known = ~np.isnan(values)
            for place, label in enumerate(labels):
                for row in np.flatnonzero(known[:, place]):
                    yield f"{metric}{label} {values[row, place] * factor:.9g} {stamps[row]}\n"


def _labels(subject: str, name: str) -> str:
    if subject == "path" and "→" in name:
        source, _, target = name.partition("→")
        return _labelled([("source", source), ("target", target)])
    return _labelled([("direction" if subject == "link" else subject, name)])


def _labelled(pairs: Sequence[tuple[str, str]]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
