"""The mean of what TCP made of each flow by itself, and of what every node's TCP counted, over a stretch of the run.

In: a run's raw folder.  Out: per flow, name and mean of :data:`~shadowlab.model.traffic.parameters.OBSERVED`; per node,
name of a counter and how much it grew in a second.
Never: a mean over samples of a flow without a connection, nor of what the kernel did not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from shadowlab.model.traffic.parameters import OBSERVED
from shadowlab.monitor.layout import FLAG_CLOSED, FLAG_FAILED, FLAG_IDLE
from shadowlab.store.reader import BlockReader, read_records
from shadowlab.store.recorder import ENDING
from shadowlab.wire.tcp_info import TCP_INFO_FIELDS

_PLACES = {name: (offset, f"u{np.dtype(form).itemsize}") for name, offset, form in TCP_INFO_FIELDS}


def tcp_means(folder: Path, flows: int, *, from_ns: int, to_ns: int) -> tuple[Mapping[str, float], ...]:
    """One mapping per flow, of samples in (``from_ns``, ``to_ns``]; a name without a sample is absent."""
    records = read_records(folder / f"tcp{ENDING}")
    if records.strings is None or not len(records):
        return tuple({} for _ in range(flows))
    numbers = records.numbers
    at_ns, flow = numbers["at_ns"], numbers["flow"].astype(np.int64)
    lives = (numbers["flags"] & (FLAG_CLOSED | FLAG_FAILED | FLAG_IDLE)) == 0
    wanted = lives & (at_ns > from_ns) & (at_ns <= to_ns)
    found: list[dict[str, float]] = [{} for _ in range(flows)]
    for one in OBSERVED:
        values, known = records.strings.field(*_PLACES[one.info])
        chosen = wanted & known & (values < one.nothing_from)
        if one.zero_is_none:
            chosen &= values > 0
        counts = np.bincount(flow[chosen], minlength=flows)
        sums = np.bincount(flow[chosen], weights=values[chosen] / one.info_per, minlength=flows)
        for index in np.flatnonzero(counts[:flows]):
            found[index][one.name] = float(sums[index] / counts[index])
    return tuple(found)


def counter_rates(folder: Path, *, from_ns: int, to_ns: int) -> Mapping[str, Mapping[str, float]]:
    """By node, how often each of its TCP's counters counted in a second, over the records that end in
    (``from_ns``, ``to_ns``] and began no earlier; counters that this kernel does not have are absent."""
    path = folder / f"tcp-counters{ENDING}"
    with BlockReader(path) as reader:
        names = reader.names.get("node", ())
        records = reader.read()
    at_ns, node = records.numbers["at_ns"], records.numbers["node"].astype(np.int64)
    found: dict[str, dict[str, float]] = {}
    for number in np.unique(node):
        ends = at_ns[node == number]
        begins = np.concatenate([[0], ends[:-1]])
        chosen = (begins >= from_ns) & (ends <= to_ns)
        seconds = float((ends - begins)[chosen].sum()) / 1e9
        if seconds > 0:
            found[names[number]] = {
                name: float(some.sum()) / seconds
                for name, values in records.numbers.items()
                if name not in ("at_ns", "node")
                for some in [values[node == number][chosen]]
                if (some >= 0).all()
            }
    return found
