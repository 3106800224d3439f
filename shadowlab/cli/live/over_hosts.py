"""Labs over several hosts, for the commands `up`, `down`, `status` and `exec`.

In: what those were given.  Out: their work on such a lab.  Imported only where there is one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shadowlab.errors import InputError
from shadowlab.lab.hosts.cluster import cluster
from shadowlab.lab.hosts.hosts_file import read_hosts
from shadowlab.lab.hosts.record import Record, find_record
from shadowlab.topology.partition import partition

if TYPE_CHECKING:
    from shadowlab.model.network import Network


def up_over_hosts(
    network: Network, name: str, map_path: Path, hosts_path: Path, *, rebuild: bool, dry_run: bool
) -> None:
    """`up --hosts`."""
    from shadowlab.lab.hosts import spread_lab

    hosts = read_hosts(hosts_path)
    if dry_run:
        try:
            parted = partition(network, hosts.shares)
        except ValueError as error:
            raise InputError(str(error)) from error
        for host in hosts.shares:
            click.echo(f"{host}: {', '.join(parted.nodes_of(host))}")
        click.echo(f"cut by {parted.by}: {', '.join(parted.cut) or 'nothing'}")
        return
    with cluster(hosts) as there:
        if rebuild:
            known = find_record(name)
            if known is None:
                raise InputError(f"there is no lab {name} over hosts")
            record, lost = spread_lab.rebuild(there, network, known)
            for part in lost:
                click.echo(f"lost with host {part.host}: {', '.join(part.nodes)}")
            for part in record.parts:
                if part not in known.parts:
                    click.echo(f"built anew on host {part.host}: {', '.join(part.nodes)}")
            if not lost:
                click.echo(f"lab {name}: nothing is lost")
            return
        record = spread_lab.bring_up(there, network, name, map_path=map_path, hosts_path=hosts_path)
    click.echo(
        f"lab {name} is up on {len(record.parts)} hosts: {len(network.nodes)} nodes, {len(network.links)} links, "
        f"{len(record.cut)} of them between hosts (cut by {record.by})"
    )


def down_over_hosts(record: Record) -> None:
    """`down`."""
    from shadowlab.lab.hosts import spread_lab

    with cluster(read_hosts(Path(record.hosts))) as there:
        removed, gone = spread_lab.take_down(there, record)
    click.echo(f"lab {record.name} is down: {removed} nodes removed")
    for part in gone:
        click.echo(
            f"host {part.host} does not answer: if it lives, 'shadowlab down {part.name}' there removes its part",
            err=True,
        )


def status_over_hosts(record: Record) -> dict[str, Any]:
    """`status`, as a value."""
    from shadowlab.lab.hosts import spread_lab

    with cluster(read_hosts(Path(record.hosts))) as there:
        return spread_lab.look(there, record)


def show_status(told: dict[str, Any]) -> None:
    """`status`, for people."""
    click.echo(f"lab {told['name']}: {told['state']}, over {len(told['parts'])} hosts, map {told['map']}")
    for part in told["parts"]:
        click.echo(f"  {part['host']}: {part['state']} ({part['lab']}): {', '.join(part['carries'])}")
        if part.get("why"):
            click.echo(f"    {part['why']}")
    click.echo(f"  between hosts (cut by {told['cut_by']}): {', '.join(told['cut_links']) or 'no link'}")


def exec_over_hosts(record: Record, node: str, argv: tuple[str, ...]) -> int:
    """`exec`, without a terminal: input is read to its end first, output comes when the program has ended."""
    from shadowlab.lab.hosts import spread_lab

    stdin = b"" if sys.stdin.isatty() else sys.stdin.buffer.read()
    with cluster(read_hosts(Path(record.hosts))) as there:
        code, stdout, stderr = spread_lab.run(there, record, node, argv, stdin)
    sys.stdout.buffer.write(stdout)
    sys.stdout.buffer.flush()
    sys.stderr.buffer.write(stderr)
    sys.stderr.buffer.flush()
    return code
