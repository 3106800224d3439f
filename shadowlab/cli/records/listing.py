"""What a run can be asked for.

In: a run.  Out: its indicators, subjects and record types, as text or one JSON document.
"""

from __future__ import annotations

import json

import click

from shadowlab.lab.recorded.asking import Asked
from shadowlab.model.kpi import KPIS


def show_list(recorded: Asked, *, as_json: bool) -> None:
    """Print it."""
    listed = recorded.listed()
    subjects = {kind: recorded.subjects(kind) for kind in recorded.kinds}
    until_s = recorded.known_until_ns() / 1e9
    if as_json:
        document = {
            "run": str(recorded.folder),
            "known_until_s": until_s,
            "zero_unix_s": recorded.zero_ns / 1e9,
            "goes_on": recorded.goes_on,
            "kpis": [{"name": one.name, "unit": one.unit, "subject": one.subject} for one in listed],
            "subjects": {kind: list(names) for kind, names in subjects.items()},
            "raw": list(recorded.raw_types()),
        }
        click.echo(json.dumps(document, ensure_ascii=False, sort_keys=True))
        return
    going = ", and goes on" if recorded.goes_on else ""
    click.echo(f"{recorded.folder}: measured up to {until_s:g} s{going}\n")
    for kind in recorded.kinds:
        click.echo(f"indicators of a {kind}")
        for one in listed:
            if one.subject == kind:
                meaning = KPIS[one.name].meaning if one.name in KPIS else ""
                click.echo(f"  {one.name:22} {one.unit:9} {meaning}".rstrip())
        click.echo(f"{kind}s")
        for name in subjects[kind]:
            click.echo(f"  {name}")
        click.echo()
    click.echo(f"raw records: {', '.join(recorded.raw_types())}")
