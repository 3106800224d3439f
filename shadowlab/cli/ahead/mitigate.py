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
  shadowlab mitigate runs/abilene-incident-1 --cure 'upgrade x2' --export ansible -o upgrade.yaml
  shadowlab mitigate runs/abilene-incident-1 --execute executor.yaml"""
)
@click.argument("folder", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@click.option("--cure", "name", metavar="NAME", help="Which.  [default: the best, if it is better than doing nothing]")
@click.option("--export", "form", type=click.Choice(FORMS), help="Write the cure in this form; nothing is executed.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Into this file.")
@click.option(
    "--execute",
    "executor",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="CONFIG",
    help="Show the commands that CONFIG makes of the cure: a dry run, unless it is approved.",
)
@click.option(
    "--approve", "digest", metavar="DIGEST", help="Execute them on production: those of the dry run's digest."
)
@click.option("--recover", is_flag=True, help="Take back what an executor left that was killed; needs no RUN.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout: every cure with its actions.")
@click.pass_obj
def mitigate(
    interrupt: Interrupt,
    folder: Path | None,
    name: str | None,
    form: str | None,
    output: Path | None,
    executor: Path | None,
    digest: str | None,
    recover: bool,
    as_json: bool,
) -> None:
    """Show the cures that a run has rehearsed, best first, or write the chosen one as text.

    RUN is the folder of a finished run.  What --export writes is to be reviewed, and has blanks for what the map does
    not know.  Nothing is executed on production, unless --execute names a configuration that is switched on, and
    --approve the digest of its dry run: then the cure is taken back if the service level does not recover.
    """
    from shadowlab.lab.recorded.cures import read_cures

    if (digest is not None or recover) and executor is None:
        raise click.UsageError("--approve and --recover go with --execute")
    if executor is not None and form:
        raise click.UsageError("--execute and --export are two ways to hand a cure on: choose one")
    if recover:
        assert executor is not None
        from shadowlab.cli.ahead.execute import take_back

        if digest is not None:
            raise click.UsageError("--recover takes back, --approve executes: choose one")
        take_back(executor, interrupt, as_json=as_json)
        return
    if folder is None:
        raise click.UsageError("Missing argument 'RUN'.")
    if executor is not None:
        from shadowlab.cli.ahead.execute import carry_out

        carry_out(read_cures(folder).helping(name), executor, digest, interrupt, as_json=as_json)
        return

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
