"""``shadowlab topology``: read, judge, draw and convert maps; one file per sub-command.

In: the command line.  Out: the sub-command's work.  Never: an import before it is needed.
"""

from __future__ import annotations

import click

from shadowlab.cli.group import lazy_group

_COMMANDS = {
    "check": (
        "shadowlab.cli.topology.check",
        "Say whether a map can be used, and where each derived value comes from.",
    ),
    "show": ("shadowlab.cli.topology.show", "Print a map as a table, or draw it."),
    "convert": ("shadowlab.cli.topology.convert", "Write a map of any format in another one."),
    "diff": ("shadowlab.cli.topology.diff", "Say what differs between two maps."),
    "schema": ("shadowlab.cli.topology.schema", "Print the JSON Schema of our own maps, for editors."),
}


@click.command(cls=lazy_group(_COMMANDS))
def topology() -> None:
    """Read, judge, draw and convert topology maps.

    A map's format is found by its content: our own, GraphML and GML (Topology Zoo), SNDlib, networkx node-link JSON,
    NetJSON, containerlab, Kathará, LLDP neighbours, dumps of `ip -j`, NetBox exports, a CSV list of links.

    \b
    Example:
      shadowlab topology check topologies/abilene.yaml
    """
