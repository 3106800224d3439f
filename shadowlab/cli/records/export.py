"""``shadowlab export``: everything a run measured, for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from shadowlab.cli.interrupt import Interrupt


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--to", "form", type=click.Choice(["csv", "parquet", "prometheus"]), required=True, help="In which form.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder for the files.")
@click.option("--zero", default=0.0, metavar="SECONDS", help="Unix time of the run's start in Prometheus text.")
@click.pass_obj
def export(interrupt: Interrupt, folder: Path, form: str, out: Path, zero: float) -> None:
    """Write the indicators and the raw records of RUN into files: one per kind of subject, one per record type.

    Prometheus text has the indicators only.  What was not observed is empty (null in Parquet, no line for Prometheus).

    \b
    Examples:
      shadowlab export runs/abilene-incident-1 --to parquet --out tables
      shadowlab export runs/abilene-incident-1 --to prometheus --out metrics --zero 1795336000
    """
    from shadowlab.lab.recorded.export import export_run

    for path in export_run(folder, form, out, zero_ns=round(zero * 1e9), before=interrupt.something_to_lose):
        click.echo(path)
