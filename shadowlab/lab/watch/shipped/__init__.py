"""Files for the tools that stand beside a watch: carried by the package, taken as they are.

In: a file's short name.  Out: its text.  ``python -m shadowlab.lab.watch.shipped rules`` prints it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

SHIPPED: Mapping[str, str] = {"rules": "prometheus-rules.yaml"}
"""By short name: the file.  Rules are Prometheus' alerting rules over the metrics of a watch."""


def shipped_text(name: str) -> str:
    """Raises KeyError for a name that :data:`SHIPPED` does not have."""
    return files("shadowlab.lab.watch.shipped").joinpath(SHIPPED[name]).read_text(encoding="utf-8")
