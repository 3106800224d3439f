"""``shadowlab incidents``: what a watch found, with its timeline."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from shadowlab.model.watch.incident import Incident


@click.command()
@click.argument("state", type=click.Path(path_type=Path))
@click.argument("incident", required=False)
@click.option("--open", "only_open", is_flag=True, help="Only those that are not resolved.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout.")
def command(state: Path, incident: str | None, only_open: bool, as_json: bool) -> None:
    """Show the incidents of the watch whose state folder is STATE; with an id, one of them with its timeline.

    \b
    Examples:
      shadowlab incidents watch --open
      shadowlab incidents watch 12-1-network
    """
    from shadowlab.errors import InputError
    from shadowlab.lab.watch.folder import INCIDENT_FORMAT
    from shadowlab.lab.watch.recall import recall_incidents
    from shadowlab.model.plain import to_plain

    found = recall_incidents(state)
    if incident is not None:
        found = tuple(one for one in found if one.id == incident)
        if not found:
            raise InputError(f"{state} holds no incident {incident[:80]!r}; see: shadowlab incidents {state}")
    if only_open:
        found = tuple(one for one in found if one.open)
    if as_json:
        plain = {"format": INCIDENT_FORMAT, "incidents": [to_plain(one) for one in found]}
        click.echo(json.dumps(plain, ensure_ascii=False, sort_keys=True))
        return
    for one in found:
        click.echo(_head(one))
        if incident is not None:
            for row in _whole(one):
                click.echo(row)
    if not found:
        click.echo("no incident")


def _head(one: Incident) -> str:
    ended = f"resolved {_moment(one.resolved_ns)}" if one.resolved_ns is not None else "open"
    return f"{one.id}  {one.severity}  {_moment(one.opened_ns)}  {ended}  {one.title}"


def _whole(one: Incident) -> list[str]:
    rows = [f"  {_moment(each.at_ns)}  {each.kind:9}  {each.text}" for each in one.timeline]
    if one.entries_left_out:
        rows.insert(1, f"  … {one.entries_left_out} updates are no longer kept")
    if one.affected_paths:
        rows.append(f"  affected: {', '.join(one.affected_paths)}")
    rows += [
        f"  cure {cure.rank}: {cure.cure}: {cure.recovered:.0%} mended, {cure.broken_share:.1%} still broken"
        + (f" ({cure.note})" if cure.note else "")
        for cure in one.cures
    ]
    return rows


def _moment(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
