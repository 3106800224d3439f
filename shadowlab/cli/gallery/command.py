"""``shadowlab demo``: a scenario of the gallery, from an installation alone.

In: a name.  Out: what ``shadowlab run`` of it gives.  Never: a file written beside the gallery's own.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shadowlab.cli.interrupt import Interrupt

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = "abilene-incident"


@click.command()
@click.argument("name", default=DEFAULT)
@click.option("--list", "listed", is_flag=True, help="Name the scenarios there are, and do nothing else.")
@click.option(
    "--copy",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Copy the gallery into a new folder, to be changed, and do nothing else.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder to create.  [default: runs/NAME-N]")
@click.option(
    "--json", "as_json", is_flag=True, help="Print result.json (of --list: the names) to stdout, nothing else."
)
@click.option("--quiet", "-q", is_flag=True, help="No progress display.")
@click.pass_context
def demo(
    ctx: click.Context,
    name: str,
    listed: bool,
    folder: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run a scenario that comes with ShadowLab: NAME, or a backbone whose fibre goes bad.

    \b
    Examples:
      shadowlab demo
      shadowlab demo --list
      shadowlab demo --copy my-gallery
    """
    scenarios = _scenarios()
    if listed:
        _list(scenarios, as_json)
        return
    if folder is not None:
        _copy(folder)
        click.echo(f"the gallery is in {folder}; run one: shadowlab run {folder / f'{DEFAULT}.yaml'}", err=True)
        return
    if name not in scenarios:
        raise click.BadParameter(f"{name!r} is none of {', '.join(scenarios)}", ctx, param_hint="NAME")
    _run(ctx, scenarios[name], out or _free(name), as_json=as_json, quiet=quiet)


def gallery_folder() -> Path:
    """Where the scenarios lie: inside an installed package, beside the package in a checkout."""
    package = Path(__file__).parents[2]
    installed = package / "gallery"
    return installed if installed.is_dir() else package.parent / "topologies"


def _scenarios() -> Mapping[str, Path]:
    """Name to file, of every scenario; maps are none."""
    found = {}
    for path in sorted(gallery_folder().glob("*.yaml")):
        with path.open(encoding="utf-8") as file:
            if any(line.startswith("shadowlab: scenario/") for line in file):
                found[path.stem] = path
    return found


def _list(scenarios: Mapping[str, Path], as_json: bool) -> None:
    import yaml

    titles = {
        name: str(yaml.safe_load(path.read_text(encoding="utf-8")).get("title", "")) for name, path in scenarios.items()
    }
    if as_json:
        click.echo(json.dumps(titles, indent=1, sort_keys=True, ensure_ascii=False))
        return
    width = max(map(len, titles), default=0)
    for name, title in titles.items():
        click.echo(f"{name:<{width}}  {title}")


def _copy(folder: Path) -> None:
    from shadowlab.errors import InputError

    if folder.exists():
        raise InputError(f"{folder} is there already: name a folder that is not")
    try:
        shutil.copytree(gallery_folder(), folder)
    except OSError as error:
        raise InputError(f"cannot copy the gallery to {folder}: {error.strerror or error}") from error


def _free(name: str) -> Path:
    number = 1
    while (folder := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return folder


def _run(ctx: click.Context, scenario: Path, out: Path, *, as_json: bool, quiet: bool) -> None:
    from shadowlab.cli.run import run
    from shadowlab.monitor.void_windows import LATE_NS

    assert isinstance(ctx.obj, Interrupt)
    ctx.invoke(
        run,
        scenario=scenario,
        kernel="auto",
        clock="auto",
        late_ns=LATE_NS,
        seed=None,
        out=out,
        scale="auto",
        as_json=as_json,
        quiet=quiet,
    )
