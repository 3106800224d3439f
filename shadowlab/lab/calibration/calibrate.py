"""A map and attached telemetry become a calibration.

In: a network, the connections that were attached to it, perhaps a calibration of before and a place to run shadows on.
Out: a calibration.  Never: a file, a clock.
"""

from __future__ import annotations

from collections.abc import Callable

from shadowlab.lab.calibration.passive import calibrate_passively
from shadowlab.lab.calibration.refine import Refine, refined
from shadowlab.lab.progress import Progress, Silent
from shadowlab.model.calibration import Calibration
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
    interrupted: Callable[[], bool] = lambda: False,
) -> Calibration:
    """Calibrate ``network``.

    ``prior_state`` is what an earlier calibration of the same map came to: what is not seen now keeps its value, and
    ages.  With ``refine`` a few runs of the shadow mend what formulas cannot tell.  Flows that began later than
    ``run_ns`` after the first record are left out of the demands.  Raises ShadowFailedError if a shadow cannot be run.
    """
    shown = progress or Silent()
    shown.stage("calibrate links and demands")
    found = calibrate_passively(network, attached_records, prior_state=prior_state, run_ns=run_ns)
    if refine is None:
        return found.calibration
    return refined(
        found.calibration,
        found.seen,
        found.connections,
        found.estimates,
        refine,
        progress=shown,
        interrupted=interrupted,
    )
