"""Distributions with a name of their own, from the literature.

In: nothing.  Out: the registry.  A scenario names one where a size is wanted: ``size: web-search``.
"""

from __future__ import annotations

from collections.abc import Mapping

from shadowlab.model.traffic.distribution import Distribution

NAMED: Mapping[str, Distribution] = {}
"""Of sizes in bytes, each with its source."""
