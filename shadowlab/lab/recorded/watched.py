"""What a run watches: enough to derive its indicators from its raw records alone, also while it goes on.

In: what was prepared.  Out: a value that lies in the run folder from the start; the indicator tables.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from shadowlab.detect.zscore import PROBES_SENT
from shadowlab.errors import InputError
from shadowlab.lab.prepare import Prepared, watched_interfaces
from shadowlab.model.flow import Path
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.plain import from_plain, to_plain, without_format
from shadowlab.monitor.indicators import link_table, path_table
from shadowlab.monitor.observe import SAMPLE_EVERY_NS
from shadowlab.monitor.probe_statistics import count_probes
from shadowlab.monitor.raw_records import read_probes
from shadowlab.monitor.void_windows import LATE_NS, read_punctual, without_void

WATCHED_FILE = "watched.json"
FORMAT = "watched/1"


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Paths, the ends of each flow, and the directions in the order of their queues, each with its rate.

    ``lines`` are the delay lines behind the queues: the index of the direction of each, and whether packets cross it
    before the queue.
    """

    window_ns: int
    paths: tuple[Path, ...]
    flows: tuple[Path, ...]
    directions: tuple[str, ...]
    rates_bps: tuple[int | None, ...]
    lines: tuple[tuple[int, bool], ...]
    late_ns: int = LATE_NS
    """A window whose timers were later than this is void."""
    flow_turns: int = 1
    """How many samples it takes until every flow was sampled."""
    sample_every_ns: int = SAMPLE_EVERY_NS


def watched_of(prepared: Prepared, window_ns: int, late_ns: int) -> Watched:
    """What a run of this will watch."""
    interfaces = watched_interfaces(prepared.plan, prepared.timeline.changes)
    queues = [one.direction for one in interfaces if not one.line]
    rates = {
        str(direction): prepared.network.impairment(direction).rate_bps for direction in prepared.network.directions
    }
    return Watched(
        window_ns=window_ns,
        paths=tuple(prepared.paths),
        flows=tuple(Path(source=flow.source, target=flow.target) for flow in prepared.flows),
        directions=tuple(queues),
        rates_bps=tuple(rates[one] for one in queues),
        lines=tuple((queues.index(one.direction), one.line == "before") for one in interfaces if one.line),
        late_ns=late_ns,
        flow_turns=prepared.flow_turns,
        sample_every_ns=prepared.scenario.sample_every_ns,
    )


def to_json(watched: Watched) -> dict[str, Any]:
    """For the run folder."""
    return {"format": FORMAT, **to_plain(watched)}


def read_watched(path: FilePath) -> Watched:
    """Back from the run folder.  Raises InputError if it is damaged or of a later version, OSError if not there."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return from_plain(Watched, without_format(content, FORMAT))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def derive(raw: FilePath, watched: Watched, duration_ns: int) -> dict[str, SeriesTable]:
    """The indicators by kind of subject, ``path`` and ``link``, of the first ``duration_ns`` of a run."""
    window_ns = watched.window_ns
    paths = path_table(raw, watched.paths, watched.flows, duration_ns, window_ns, turns=watched.flow_turns)
    sent, _ = count_probes(read_probes(raw), (len(paths.times_ns), len(paths.subjects)), window_ns)
    links = link_table(raw, watched.directions, watched.rates_bps, duration_ns, window_ns, lines=watched.lines)
    paths = replace(paths, values={**paths.values, PROBES_SENT: sent.astype(np.float64)})
    void = read_punctual(raw, len(paths.times_ns), window_ns, watched.late_ns).void
    return {"path": without_void(paths, void), "link": without_void(links, void)}
