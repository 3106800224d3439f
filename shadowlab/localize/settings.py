"""What counts as a fault: the one frozen set of numbers that the search goes by.

They were frozen on seeds below 1000 of ``benchmarks/localization.py``; figures are reported on others.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Settings:
    """``least_loss``, ``least_delay_ns`` and ``least_shortfall`` (logarithm of the rate wanted over the rate that came)
    are the smallest effects worth a name; a loss must also be ``above_good``
    times what good links lose on average, for which ``good_cap`` times that average is still usual.

    ``penalty`` is the evidence (natural logarithm) that a suspect needs beyond the chance of a hit among its kind;
    ``node_penalty`` comes on top for what takes several links with it.  ``delay_floor_ns`` is the least noise of a
    delay, ``delay_model_error`` the share of it that adding delays up cannot explain.  ``dispersion`` above 1 weakens
    counts that come in bursts (variance over mean).  ``busy`` is the utilisation from which on a link may lose and
    delay because of its load, and ``busy_price`` what that explanation costs.
    ``sorts``: a suspect is asked what sort of loss it has, which takes flows by the dozen.
    """

    least_loss: float = 2e-4
    least_delay_ns: float = 1e6
    least_shortfall: float = 0.2
    above_good: float = 3.0
    good_cap: float = 2.5
    penalty: float = -1.0
    node_penalty: float = 2.0
    delay_floor_ns: float = 2e5
    delay_model_error: float = 0.15
    dispersion: float = 1.0
    busy: float = 0.9
    busy_price: float = 1.0
    most_suspects: int = 40
    sorts: bool = True
    runners_up: int = 5


DEFAULTS = Settings()
