"""A map and attached telemetry become a calibration.

In: a network, the connections that were attached to it, perhaps a calibration of before and a place to run shadows on.
Out: a calibration.  Never: a file, a clock.
"""

from __future__ import annotations

from shadowlab.calibrate.demand import read_demands
from shadowlab.lab.calibration.refine import Refine
from shadowlab.lab.progress import Progress, Silent
from shadowlab.model.calibration import CalibratedDemands, Calibration, LinkCalibration
from shadowlab.model.network import Network
from shadowlab.telemetry.attach import Attachment


def calibrate(
    network: Network,
    attached_records: Attachment,
    *,
    prior_state: Calibration | None = None,
    refine: Refine | None = None,
    run_ns: int | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """Calibrate ``network``.

    ``prior_state`` is what an earlier calibration of the same map came to: what is not seen now keeps its value, and
    ages.  With ``refine`` a few runs of the shadow mend what formulas cannot tell.  Flows that began later than
    ``run_ns`` after the first record are left out of the demands.
    """
    (progress or Silent()).stage("calibrate")
    demands = read_demands(attached_records.connections, network, run_ns=run_ns)
    records = [
        record for one in attached_records.connections for record in (*one.sender_records, *one.receiver_records)
    ]
    return Calibration(
        map=network,
        at_ns=max((record.at_ns for record in records), default=0),
        links=tuple(LinkCalibration(direction=one) for one in network.directions),
        demands=CalibratedDemands(
            flows=demands.flows, workloads=demands.workloads, unknown=demands.unknown, recorded=demands.recorded
        ),
    )
