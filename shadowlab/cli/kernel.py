"""``shadowlab kernel build|list|path|remove``: the embedded kernels in the cache.

In:    options.
Out:   a kernel built, or what the cache holds; progress on a terminal, one line in a pipe.
Never: decides an exit code: errors are `ShadowLabError`, and the main program translates them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from shadowlab.guest.cache import BuiltKernel
    from shadowlab.guest.source import KernelSource


@click.group()
def kernel() -> None:
    """The embedded kernel: a Linux of our own that runs as a plain program, on a virtual clock."""


@kernel.command()
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    metavar="DIR|TARBALL",
    help="Kernel source; without it the newest linux-source package in /usr/src.",
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Compilers at once; as many as CPUs without it.")
def build(source: Path | None, jobs: int | None) -> None:
    """Build the kernel into the cache, unless it is there (3 to 5 minutes on two cores).

    \b
    Example:
      shadowlab kernel build
    """
    from shadowlab.guest.source import find_source

    found = find_source(source)
    if not found.repeats_exactly:
        click.echo(
            f"warning: Linux {found.version} from {found.path}: runs with the same seed may differ by a timer tick; "
            "exact repetition needs 6.12 or newer",
            err=True,
        )
    built = _build(found, jobs)
    click.echo(f"{built.key}  Linux {built.version}  {built.path}")


@kernel.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
def list_(as_json: bool) -> None:
    """The kernels that can be booted, the one that is taken first.

    \b
    Example:
      shadowlab kernel list
    """
    from shadowlab.guest.cache import kernels_folder, list_kernels
    from shadowlab.guest.debian import installed_kernel

    kernels = list_kernels()
    if (debian := installed_kernel()) is not None:
        kernels.append(debian)
    if as_json:
        click.echo(json.dumps([one.to_json() for one in kernels], indent=1, sort_keys=True))
        return
    if not kernels:
        click.echo(f"no kernels in {kernels_folder()}; 'shadowlab kernel build' makes one")
    for one in kernels:
        clock = "virtual or real clock" if one.virtual_clock else "real clock only"
        click.echo(f"{one.key}  Linux {one.version}  {clock}  {one.path}")


@kernel.command()
@click.option("--clock", type=click.Choice(["virtual", "real"]), default="virtual", show_default=True)
def path(clock: str) -> None:
    """The program file of the kernel that would be booted.

    \b
    Example:
      shadowlab kernel path
    """
    from shadowlab.guest.cache import need_kernel

    click.echo(need_kernel("virtual" if clock == "virtual" else "real").path)


@kernel.command()
@click.argument("key", required=False)
@click.option("--all", "everything", is_flag=True, help="Every kernel in the cache.")
def remove(key: str | None, everything: bool) -> None:
    """Remove one kernel (KEY, or the beginning of it), or all.

    \b
    Example:
      shadowlab kernel remove --all
    """
    from shadowlab.guest.cache import list_kernels, remove_kernel

    if (key is None) == (not everything):
        raise click.UsageError("name one KEY, or --all")
    keys = sorted(one.key for one in list_kernels()) if key is None else [key]
    for one in keys:
        removed = remove_kernel(one)
        click.echo(f"removed {removed.key}")


def _build(source: KernelSource, jobs: int | None) -> BuiltKernel:
    from rich.console import Console

    from shadowlab.guest.build import build_kernel

    console = Console(stderr=True)
    if not console.is_terminal:
        return build_kernel(source, jobs=jobs)

    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as display:
        task = display.add_task("looking", total=1.0)
        return build_kernel(
            source,
            jobs=jobs,
            progress=lambda what, fraction: display.update(task, description=what, completed=fraction),
        )
