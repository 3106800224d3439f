"""``shadowlab doctor``: what this machine can run, what holds it back, and what mends it."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING

import click

from shadowlab.errors import EXIT_CANNOT_RUN

if TYPE_CHECKING:
    from shadowlab.lab.doctor.diagnosis import Diagnosis

_SIGNS = {"ok": "ok     ", "weak": "weak   ", "missing": "missing"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document and nothing else.")
def doctor(as_json: bool) -> None:
    """Look at this machine: kernels, rights, limits, timers; say what each means and what mends it.

    Everything is found out by trying, in processes and namespaces of its own; nothing is changed.

    \b
    Exit codes: 0 something can run, 3 nothing can.

    \b
    Examples:
      shadowlab doctor
      shadowlab doctor --json
    """
    from shadowlab.guest.cache import list_kernels
    from shadowlab.guest.debian import installed_kernel
    from shadowlab.guest.host_side.probe import probe_confinement
    from shadowlab.kernel.capability import probe_host
    from shadowlab.kernel.examine.disciplines import probe_disciplines
    from shadowlab.kernel.examine.machine import read_machine
    from shadowlab.lab.doctor.diagnosis import diagnose

    kernels = [*list_kernels(), *filter(None, [installed_kernel()])]
    diagnosis = diagnose(read_machine(), probe_host(), probe_disciplines(), kernels, probe_confinement())
    click.echo(as_document(diagnosis) if as_json else as_text(diagnosis))
    if not diagnosis.can_run:
        raise click.exceptions.Exit(EXIT_CANNOT_RUN)


def as_document(diagnosis: Diagnosis) -> str:
    """One JSON object; ``findings`` in the order of the text."""
    return json.dumps(asdict(diagnosis) | {"can_run": diagnosis.can_run}, indent=1, sort_keys=True, ensure_ascii=False)


def as_text(diagnosis: Diagnosis) -> str:
    """By topic; what each means and what mends it only where something is to be mended, and the verdict at the end."""
    lines = []
    for topic, findings in groupby(diagnosis.findings, key=lambda finding: finding.topic):
        lines.append(f"{topic[0].upper()}{topic[1:]}")
        for one in findings:
            lines.append(f"  {_SIGNS[one.state]}  {one.name}: {one.found}")
            if one.means:
                lines.append(f"           {one.means}")
            if one.mend:
                lines.append(f"           mend it: {one.mend}")
        lines.append("")
    ways = {
        "embedded kernel, virtual clock": diagnosis.embedded_virtual,
        "embedded kernel, real clock": diagnosis.embedded_real,
        "host kernel, real clock": diagnosis.host,
    }
    lines += [f"{'can run' if able else 'cannot '}  {way}" for way, able in ways.items()]
    return "\n".join(lines)
