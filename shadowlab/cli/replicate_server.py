"""``shadowlab replicate-server``: the receiver of what agents send."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import click

from shadowlab.cli.interrupt import Unwind

_PATH = click.Path(path_type=Path)


@click.command()
@click.option("--folder", type=_PATH, required=True, help="Where segments are written, a folder per instance.")
@click.option("--listen", default="127.0.0.1:8443", show_default=True, metavar="ADDRESS:PORT")
@click.option(
    "--identity",
    type=_PATH,
    required=True,
    metavar="DIR",
    help="ca.pem, cert.pem and key.pem, as `ca issue` makes them.",
)
@click.option("--tokens", type=_PATH, required=True, metavar="FILE", help="Lines INSTANCE TOKEN, or one TOKEN for all.")
@click.option("--revoked", type=_PATH, metavar="FILE", help="A CRL, or serial numbers; read again when it changes.")
@click.option(
    "--batches-per-second", type=click.FloatRange(min=0.1), default=50.0, show_default=True, help="Of each instance."
)
@click.option(
    "--keep",
    multiple=True,
    metavar="DAYS|SIZE",
    help="Remove old segments: those older than so many days (30d), the oldest above so many bytes (200GB), or both.",
)
@click.option("--json", "as_json", is_flag=True, help="At the end, print what was done as one JSON document.")
def replicate_server(
    folder: Path,
    listen: str,
    identity: Path,
    tokens: Path,
    revoked: Path | None,
    batches_per_second: float,
    keep: tuple[str, ...],
    as_json: bool,
) -> None:
    """Receive the telemetry of agents, each into the folder of its own instance, until interrupted.

    Of root's rights it keeps none but to listen on a low port.  What is not authenticated, too large, too fast or
    malformed is refused, counted and told on stderr.

    \b
    Example:
      shadowlab replicate-server --folder replica --listen 0.0.0.0:8443 \\
        --identity lab-ca/shadow.example --tokens lab-ca/tokens --revoked lab-ca/revoked.crl
    """
    from shadowlab.errors import InputError
    from shadowlab.kernel.clock import KernelClock
    from shadowlab.kernel.rights.privileges import NET_BIND_SERVICE, keep_only
    from shadowlab.replicate.receiving.admission import Rates, read_tokens
    from shadowlab.replicate.receiving.intake import Intake
    from shadowlab.replicate.receiving.retention import keep_of
    from shadowlab.replicate.receiving.revocation import read_revoked
    from shadowlab.replicate.receiving.server import Receiver, hold_folder, server_context
    from shadowlab.replicate.receiving.watched_file import WatchedFile

    address, _, port = listen.rpartition(":")
    if not address or not port.isdecimal() or int(port) > 65_535:
        raise InputError(f"--listen {listen[:100]}: expected ADDRESS:PORT")
    kept = keep_of(keep)
    clock, authority = KernelClock(), identity / "ca.pem"
    context = server_context(authority=authority, certificate=identity / "cert.pem", key=identity / "key.pem")
    if os.geteuid() == 0:
        keep_only((NET_BIND_SERVICE,))
    known = WatchedFile(tokens, lambda path: read_tokens(path.read_text("utf-8", "replace"), name=str(path)))
    gone = (
        WatchedFile(revoked, lambda path: read_revoked(path, authority=authority, now_ns=clock.wall_ns()))
        if revoked
        else None
    )
    known.value()
    if gone is not None:
        gone.value()
    with ExitStack() as stack:
        stack.callback(hold_folder(folder))
        intake = Intake(
            folder,
            tokens=known,
            revoked=gone,
            clock=clock,
            say=lambda words: print(f"shadowlab: {words}", file=sys.stderr, flush=True),
            rates=Rates(batches_per_s=batches_per_second),
            keep=kept,
        )
        intake.remove_old()
        receiver = stack.enter_context(Receiver((address.strip("[]"), int(port)), context=context, intake=intake))
        click.echo(f"receiving on {address}:{receiver.server_address[1]} into {folder}", err=True)
        try:
            receiver.serve()
        except Unwind:
            click.echo("shadowlab: ending; what was acknowledged is on the disk", err=True)
        finally:
            intake.close()
    if as_json:
        found: dict[str, dict[str, int]] = {}
        for (name, what), times in sorted(intake.counts.items()):
            found.setdefault(name, {})[what] = times
        click.echo(json.dumps(found, ensure_ascii=False, sort_keys=True))
