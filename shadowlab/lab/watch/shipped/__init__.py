"""Files for the tools that stand beside a watch: carried by the package, printed by ``shadowlab integrate``.

In: a file's short name.  Out: its text.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

SHIPPED: Mapping[str, str] = {
    "rules": "prometheus-rules.yaml",
    "grafana": "grafana-dashboard.json",
    "systemd": "shadowlab-watch.service",
}
"""By short name: Prometheus' alerting rules over the metrics of a watch, a dashboard of them, a service's unit."""
_PROGRAM = "@SHADOWLAB@"


def shipped_text(name: str, program: Path = Path("/usr/bin/shadowlab")) -> str:
    """``program`` is what a service starts.  Raises KeyError for a name that :data:`SHIPPED` does not have.

    The embedded kernel is an ordinary program that traces its own children and maps memory it executes: so neither
    ``MemoryDenyWriteExecute`` nor a filter that forbids ptrace goes with the unit, and it confines itself (Landlock).
    """
    text = files("shadowlab.lab.watch.shipped").joinpath(SHIPPED[name]).read_text(encoding="utf-8")
    return text.replace(_PROGRAM, str(program))
