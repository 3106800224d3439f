"""Copies of production: what is made of the map and the telemetry alone.

In: a map without parameters, a telemetry file.  Out: a network and traffic to be run as a shadow, or figures without
any run.  Never: a look at the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hidden.network import nameplate, with_rates
from benchmarks.hidden.workload import Traffic
from shadowlab.lab.calibration.calibrate import calibrate
from shadowlab.lab.calibration.refine import Refine
from shadowlab.lab.sources import attach_file
from shadowlab.model.calibration.whole import Calibration
from shadowlab.model.network import Network
from shadowlab.telemetry.attach import Connection
from shadowlab.topology.formats import load_map


@dataclass(frozen=True, kw_only=True)
class Copy:
    """``network`` is calibrated, ``guess`` is the same map with a nameplate on every link."""

    calibration: Calibration
    network: Network
    guess: Network
    traffic: Traffic
    connections: Sequence[Connection]


def copy_of(map_file: Path, telemetry: Path, *, seconds: float, refine: Refine | None = None) -> Copy:
    """The calibrated copy.  A rate that the calibration does not know is that of the nameplate."""
    bare = load_map(map_file)
    attachment, _ = attach_file(telemetry, bare)
    found = calibrate(bare, attachment, refine=refine, run_ns=round(seconds * 1e9))
    return Copy(
        calibration=found,
        network=with_rates(found.network()),
        guess=nameplate(bare),
        traffic=Traffic(flows=found.demands.flows, workloads=found.demands.workloads),
        connections=attachment.connections,
    )
