"""``shadowlab farm``: sweeps over hosts; one file per sub-command.

In: the command line.  Out: the sub-command's work.  Never: an import before it is needed.
"""

from __future__ import annotations

import click

from shadowlab.cli.group import lazy_group

_COMMANDS = {
    "ca": ("shadowlab.cli.farm.ca", "Make the certificates of a farm's members."),
    "scheduler": ("shadowlab.cli.farm.scheduler", "Serve as the farm's meeting point."),
    "worker": ("shadowlab.cli.farm.worker", "Run errands of sweeps on this machine's cores."),
}


@click.command(cls=lazy_group(_COMMANDS))
def farm() -> None:
    """Share sweeps out over hosts: a scheduler, workers on any number of machines, `sweep --scheduler`.

    Whoever holds a certificate of the farm's authority runs code on all of its machines: that authority is its own, and
    an agent's certificate is refused.

    \b
    Example:
      shadowlab farm ca init
      shadowlab farm ca issue boss rack-1 me
      shadowlab farm scheduler --tls farm-ca/boss --host 0.0.0.0
      shadowlab farm worker --scheduler tls://boss:8786 --tls farm-ca/rack-1
      shadowlab sweep topologies/abilene-incident.yaml -s fail=each --scheduler tls://boss:8786 --tls farm-ca/me
    """
