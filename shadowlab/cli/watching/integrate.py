"""``shadowlab integrate``: what Prometheus, Grafana and systemd need to stand beside a watch."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from shadowlab.cli.interrupt import Interrupt
from shadowlab.lab.watch.shipped import SHIPPED, shipped_text


@click.command()
@click.argument("name", metavar="NAME", type=click.Choice(sorted(SHIPPED)))
@click.pass_obj
def command(interrupt: Interrupt, name: str) -> None:
    """Print the alerting rules for Prometheus (rules), a dashboard for Grafana (grafana), or a systemd unit (systemd).

    \b
    Examples:
      shadowlab integrate rules > /etc/prometheus/rules.d/shadowlab.yaml
      shadowlab integrate grafana > /var/lib/grafana/dashboards/shadowlab.json
      shadowlab integrate systemd > /etc/systemd/system/shadowlab-watch.service
    """
    interrupt.nothing_to_lose()
    click.echo(shipped_text(name, Path(sys.argv[0]).resolve().with_name("shadowlab")), nl=False)
