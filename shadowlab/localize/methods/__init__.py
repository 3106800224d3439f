"""The methods of localisation by name: ours, and the published ones to measure it by.

In: observations.  Out: a :class:`~shadowlab.localize.findings.Localisation`.  A method is one function and one line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shadowlab.localize.findings import Localisation
from shadowlab.localize.methods.coverage import max_coverage
from shadowlab.localize.methods.least_squares import netbouncer
from shadowlab.localize.methods.votes import votes_007
from shadowlab.localize.observations import Observations
from shadowlab.localize.settings import Settings
from shadowlab.localize.verdict import localise

Method = Callable[[Observations, Settings], Localisation]

METHODS: Mapping[str, Method] = {
    "likelihood": localise,
    "max-coverage": max_coverage,
    "007": votes_007,
    "netbouncer": netbouncer,
}
DEFAULT = "likelihood"
