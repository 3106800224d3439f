"""The commands by name, each imported when it is called, so that ``--help`` stays fast.

In: the command line.  Out: the command's work, or what click says of a wrong line.  A command is one file and one line.
"""

from __future__ import annotations

from typing import ClassVar

import click

from shadowlab import __version__
from shadowlab.cli.group import LazyGroup
from shadowlab.cli.live import COMMANDS as LIVE_COMMANDS

_COMMANDS = {
    "run": ("shadowlab.cli.run", "Run a scenario: build the shadow, drive it, judge it, try the cures."),
    "demo": ("shadowlab.cli.gallery.command", "Run a scenario that comes with ShadowLab; list them, copy them."),
    "plan": ("shadowlab.cli.plan", "Show what a scenario would build and what it would cost."),
    "calibrate": ("shadowlab.cli.calibrate.command", "Find what a map's links are like from telemetry of production."),
    "watch": (
        "shadowlab.cli.watching.watch",
        "Hold production against its shadow, again and again.",
    ),
    "serve": ("shadowlab.cli.watching.serve", "Show runs and watches on a web page; answer programs by a JSON API."),
    "integrate": (
        "shadowlab.cli.watching.integrate",
        "Print what Prometheus, Grafana or systemd need beside a watch.",
    ),
    "top": ("shadowlab.cli.watching.top", "Show paths, links and incidents of a run or a watch, and follow them."),
    "incidents": ("shadowlab.cli.watching.incidents", "Show what a watch found, with its timeline."),
    "whatif": ("shadowlab.cli.ahead.whatif", "Ask what would happen if something were different."),
    "sweep": ("shadowlab.cli.ahead.sweep", "Ask a grid of what-if questions on all cores; goes on after a kill."),
    "farm": ("shadowlab.cli.farm", "Share sweeps out over hosts: certificates, scheduler, workers."),
    "headroom": ("shadowlab.cli.ahead.headroom", "Find how much demand may grow before a service level breaks."),
    "mitigate": (
        "shadowlab.cli.ahead.mitigate",
        "Show the cures that a run rehearsed; write one for review.",
    ),
    "forecast": ("shadowlab.cli.ahead.forecast", "Forecast demand, and when it breaks which service level."),
    "query": ("shadowlab.cli.records.query", "Ask a run, finished or going on, for its indicators and raw records."),
    "export": ("shadowlab.cli.records.export", "Write all a run measured as CSV, Parquet or Prometheus text."),
    "detect": ("shadowlab.cli.diagnosis.detect", "Find what is odd in a series of a CSV or Parquet file, row by row."),
    "topology": ("shadowlab.cli.topology", "Read, judge, draw and convert topology maps."),
    "telemetry": ("shadowlab.cli.telemetry", "Read, convert and judge files of production telemetry."),
    "agent": ("shadowlab.cli.agent", "Replicate this machine's TCP state to a shadow host, continuously."),
    "replicate-server": (
        "shadowlab.cli.replicate_server",
        "Receive what agents replicate, into a folder per instance.",
    ),
    "ca": ("shadowlab.cli.ca", "Make a lab's certificates for agents and receiver."),
    "localize": (
        "shadowlab.cli.diagnosis.localize",
        "Place faults by what flows lost: any tool's observations, as JSON lines.",
    ),
    "cost": ("shadowlab.cli.cost", "Show what a map would cost before it is built: memory, time, and whether it fits."),
    "kernel": ("shadowlab.cli.kernel", "Build, list and remove embedded kernels."),
    "doctor": ("shadowlab.cli.doctor", "Look at this machine: what can run, what holds it back, what mends it."),
    "completion": (
        "shadowlab.cli.terminal.completion",
        "Print what lets a shell complete commands, options and settings.",
    ),
} | LIVE_COMMANDS
_NAMED_COMMAND = {*LIVE_COMMANDS, "watch", "incidents", "integrate", "serve", "top"}
"""Their attribute is called ``command`` in the module."""


class _Commands(LazyGroup):
    commands_at: ClassVar = {
        name: (module, line, "command" if name in _NAMED_COMMAND else name.replace("-", "_"))
        for name, (module, line) in _COMMANDS.items()
    }


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="shadowlab")
def shadowlab() -> None:
    """ShadowLab: a shadow of your network on a real Linux kernel.

    It is built from your topology map, driven by your replicated TCP data, and tells you what will go wrong, where, and
    which cure helps.

    \b
    Exit codes: 0 service levels hold, 1 they do not, 2 wrong input, 3 cannot run on this machine.
    """
