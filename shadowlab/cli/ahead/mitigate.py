"""``shadowlab mitigate``: the cures that a run has rehearsed, and the chosen one as text for people to review."""

from __future__ import annotations

from pathlib import Path

import click

from shadowlab.cli.interrupt import Interrupt

FORMS = ("iproute2", "frr", "nft", "ansible", "webhook")


@click.command(
    epilog="""\b
Examples:
  shadowlab mitigate runs/abilene-incident-1
  shadowlab mitigate runs/abilene-incident-1 --export frr
  shadowlab mitigate runs/abilene-incident-1 --cure 'upgrade x2' --export ansible -o upgrade.yaml"""
)
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--cure", "name", metavar="NAME", help="Which.  [default: the best, if it is better than doing nothing]")
@click.option("--export", "form", type=click.Choice(FORMS), help="Write the cure in this form; nothing is executed.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Into this file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout: every cure with its actions.")
@click.pass_obj
def mitigate(
    interrupt: Interrupt, folder: Path, name: str | None, form: str | None, output: Path | None, as_json: bool
) -> None:
    """Show the cures that a run has rehearsed, best first, or write the chosen one as text.

    RUN is the folder of a finished run.  Nothing is ever executed on production: what is written is to be reviewed, and
    has blanks for what the map does not know.
    """
    from shadowlab.lab.recorded.cures import read_cures

    if as_json and form:
        raise click.UsageError("--json tells every cure, --export writes one: choose one of the two")
    if output is not None and not form:
        raise click.UsageError("--output goes with --export")
    found = read_cures(folder)
    if form:
        _export(found.subject(name), form, output)
    elif as_json:
        import json

        from shadowlab.model.plain import to_plain

        click.echo(
            json.dumps({"scenario": found.scenario, "cures": to_plain(found.cures)}, ensure_ascii=False, indent=2)
        )
    else:
        from rich.console import Console

        from shadowlab.report.text import render_cures

        chosen = found.subject(name) if name is not None else None
        console = Console()
        render_cures(found.cures, console)
        if chosen is not None:
            for one in chosen.actions:
                click.echo(f"  {one.describe()}")


def _export(subject: object, form: str, output: Path | None) -> None:
    from shadowlab.mitigate.export import FORMS as WRITERS
    from shadowlab.mitigate.export.subject import Subject
    from shadowlab.store.whole import translated

    assert isinstance(subject, Subject)
    text = WRITERS[form](subject)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise translated(error, "write the cure", output) from error
    click.echo(f"{subject.cure}: written to {output}; review it before use", err=True)
