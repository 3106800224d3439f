"""``shadowlab serve``: the web page and the JSON API."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from shadowlab.cli.interrupt import Interrupt, Unwind
from shadowlab.cli.progress import LINES

if TYPE_CHECKING:
    from shadowlab.serve.web.app import Parts
    from shadowlab.serve.web.operations import Question
    from shadowlab.serve.web.static import Page

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("sources", nargs=-1, required=True, type=_PATH, metavar="RUN|STATE|FOLDER...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8420, show_default=True, help="0: any that is free.")
@click.option("--token-file", type=_PATH, metavar="FILE", help="Lines `operator TOKEN` or `read-only TOKEN`.")
@click.option("--cert", type=_PATH, metavar="FILE", help="Certificate chain (PEM) for TLS.")
@click.option("--key", type=_PATH, metavar="FILE", help="Its key.")
@click.option("--name", "names", multiple=True, metavar="HOST", help="A further name that browsers reach it by.")
@click.option("--jobs", type=click.IntRange(1, 16), default=1, show_default=True, help="What-if questions at a time.")
@click.option(
    "--job-seconds", type=click.IntRange(10, 86_400), default=600, show_default=True, help="Time limit of each."
)
@click.pass_obj
def command(
    interrupt: Interrupt,
    sources: tuple[Path, ...],
    host: str,
    port: int,
    token_file: Path | None,
    cert: Path | None,
    key: Path | None,
    names: tuple[str, ...],
    jobs: int,
    job_seconds: int,
) -> None:
    """Show runs and watches on a web page, and answer programs by a JSON API, until interrupted.

    Each argument is the folder of a run, finished or going on, the state folder of a watch, or a folder that holds
    such.  Only this machine is served unless a token file and a certificate are given.

    \b
    Examples:
      shadowlab serve runs
      shadowlab serve watch --host 0.0.0.0 --token-file tokens --cert cert.pem --key key.pem
    """
    from shadowlab.serve.page_folder import page_folder
    from shadowlab.serve.web.app import make_app, page_at
    from shadowlab.serve.web.server import bind, check_certificate, demand_protection, serve

    demand_protection(host, tokens=token_file is not None, certificate=cert, key=key)
    known = (*check_certificate(cert, key), *names) if cert and key else names
    folder, lacks = page_folder()
    if lacks:
        click.echo(f"shadowlab: {lacks}", err=True)
    with _parts(sources, host, known, token_file, page_at(folder, lacks), jobs, job_seconds) as parts:
        app = make_app(parts)
        with bind(host, port) as bound:
            scheme = "https" if cert else "http"
            shown = f"[{host}]" if ":" in host else host
            url = f"{scheme}://{shown}:{bound.getsockname()[1]}/"
            try:
                serve(app, bound, certificate=cert, key=key, ready=lambda: print(url, flush=True))
            except Unwind:
                print("shadowlab: ended", file=sys.stderr, flush=True)


@contextmanager
def _parts(
    sources: tuple[Path, ...],
    host: str,
    names: tuple[str, ...],
    token_file: Path | None,
    page: Page,
    jobs: int,
    job_seconds: int,
) -> Iterator[Parts]:
    from shadowlab.kernel.clock import KernelClock
    from shadowlab.kernel.commands.own import OwnCommand, start
    from shadowlab.replicate.receiving.watched_file import WatchedFile
    from shadowlab.report.layout import place_nodes
    from shadowlab.serve.jobs.job import Job
    from shadowlab.serve.jobs.keeper import Keeper, Limits
    from shadowlab.serve.picture.library import Library
    from shadowlab.serve.web.access import read_tokens
    from shadowlab.serve.web.app import Parts
    from shadowlab.serve.web.guard import Rules
    from shadowlab.serve.web.server import LOOPBACK

    library, clock = Library(sources, place_nodes), KernelClock()
    library.check()
    tokens = None
    if token_file is not None:
        watched = WatchedFile(token_file, lambda path: read_tokens(path.read_text("utf-8", "replace"), name=str(path)))
        watched.value()
        tokens = watched.value
    with TemporaryDirectory(prefix="shadowlab-serve-") as scratch:

        def begin(argv: Sequence[str], output: Path) -> OwnCommand:
            return start(argv, environment={**os.environ, **LINES}, folder=Path(scratch), output=output)

        def keeper(tell: Callable[[Job], None]) -> Keeper:
            limits = Limits(at_once=jobs, seconds=job_seconds)
            return Keeper(
                start=begin, tell=tell, now_s=lambda: clock.wall_ns() / 1e9, scratch=Path(scratch), limits=limits
            )

        yield Parts(
            library=library,
            rules=Rules(names=(*LOOPBACK, host, *names), tokens=tokens, now_ns=clock.now_ns),
            page=page,
            keeper=keeper,
            ask=arguments,
            first_event=clock.wall_ns() // 1_000_000,
        )


def arguments(question: Sequence[str], asked: Question) -> list[str]:
    """Of the child that answers a question.  Each text is part of one argument, so that none becomes an option."""
    words = [sys.executable, "-m", "shadowlab", "whatif", "--json"]
    words += [f"--scenario={one}" for one in asked.scenarios]
    words += ["--each"] if asked.each else []
    words += [f"--runs={asked.runs}"] if asked.runs is not None else []
    words += [f"--duration={asked.duration_s:g} s"] if asked.duration_s is not None else []
    return [*words, *question]
