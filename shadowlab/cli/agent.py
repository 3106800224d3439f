"""``shadowlab agent``: runs on a production instance and replicates its TCP state to the shadow host.

Imports little: what it costs is memory and processor time of somebody's production.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from shadowlab.cli.interrupt import Unwind

_PATH = click.Path(path_type=Path)
_SPOOL = "/var/lib/shadowlab/spool"


@click.command()
@click.option("--to", "target", metavar="https://HOST:PORT", help="The receiver.  [default port: 8443]")
@click.option(
    "--identity", type=_PATH, metavar="DIR", help="ca.pem, cert.pem, key.pem and token, as `ca issue` makes them."
)
@click.option("--instance", metavar="NAME", help="What this machine is called in the map.  [default: its host name]")
@click.option(
    "--every", "every_s", type=click.FloatRange(0.1, 3600), default=10.0, show_default=True, metavar="SECONDS"
)
@click.option("--spool", type=_PATH, default=Path(_SPOOL), show_default=True, metavar="DIR", help="Where batches wait.")
@click.option(
    "--spool-mb", type=click.IntRange(1), default=256, show_default=True, help="Beyond it the oldest are given up."
)
@click.option("--map-addresses", type=_PATH, metavar="FILE", help="Lines FROM TO: addresses or prefixes to exchange.")
@click.option("--hash-addresses", type=_PATH, metavar="KEYFILE", help="Replace all (other) addresses by keyed hashes.")
@click.option("--loopback", is_flag=True, help="Also tell connections of this machine with itself.")
@click.option(
    "--refresh",
    type=click.IntRange(1, 200),
    default=6,
    show_default=True,
    help="Tell what did not move every N readings.",
)
@click.option("--readings", type=click.IntRange(1), metavar="N", help="End after so many, when all is sent.")
@click.option(
    "--drain",
    "drain_s",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="With --readings: how long to go on sending.",
)
@click.option("--json", "as_json", is_flag=True, help="At the end, print what was done as one JSON document.")
def agent(
    target: str | None,
    identity: Path | None,
    instance: str | None,
    every_s: float,
    spool: Path,
    spool_mb: int,
    map_addresses: Path | None,
    hash_addresses: Path | None,
    loopback: bool,
    refresh: int,
    readings: int | None,
    drain_s: float,
    as_json: bool,
) -> None:
    """Read this machine's TCP sockets from the kernel, and replicate them to a shadow host.

    Needs no rights; of root's it keeps none but CAP_NET_ADMIN.  It listens nowhere, and takes nothing from the receiver
    but a status, a time, and how long to wait.  Without --to it only fills the spool.

    \b
    Example:
      shadowlab agent --to https://shadow.example --identity /etc/shadowlab --instance web
    """
    import os
    import random

    from shadowlab.errors import InputError
    from shadowlab.kernel.clock import KernelClock
    from shadowlab.kernel.rights.privileges import NET_ADMIN, keep_only
    from shadowlab.kernel.sockets.sock_diag import SocketReader, boot_id, host_name
    from shadowlab.replicate.batch import instance_path
    from shadowlab.replicate.sending.agent import Agent
    from shadowlab.replicate.sending.backoff import Backoff
    from shadowlab.replicate.sending.changes import Tracker
    from shadowlab.replicate.sending.disguise import Disguise, as_they_are, disguise_of, read_key, read_mapping
    from shadowlab.replicate.sending.sender import Identity, Sender, client_context, read_token, split_target
    from shadowlab.replicate.sending.spool import Spool

    name = instance or host_name()
    try:
        instance_path(name)
    except ValueError as error:
        raise InputError(f"--instance: {error}") from None
    disguise: Disguise = as_they_are
    if map_addresses or hash_addresses:
        mapping = read_mapping(_text(map_addresses), name=str(map_addresses)) if map_addresses else {}
        disguise = disguise_of(mapping, read_key(hash_addresses) if hash_addresses else None)
    sender = None
    if target is not None:
        if identity is None:
            raise InputError("--to needs --identity: who we are, and whom to trust")
        files = Identity(
            authority=identity / "ca.pem",
            certificate=identity / "cert.pem",
            key=identity / "key.pem",
            token=read_token(identity / "token"),
        )
        host, port = split_target(target)
        sender = Sender(host=host, port=port, instance=name, context=client_context(files), token=files.token)
    boot = bytes.fromhex(boot_id().replace("-", "")).ljust(16, b"\0")
    waiting = Spool(spool, most_bytes=spool_mb << 20, boot=boot, new_stream=os.urandom(8).hex())
    if os.geteuid() == 0:
        keep_only((NET_ADMIN,))
    with SocketReader() as reader, waiting:
        if reader.no_events_because:
            _say(f"connections shorter than {every_s:g} s may be missed: {reader.no_events_because}")
        running = Agent(
            instance=name,
            interval_ns=round(every_s * 1e9),
            reader=reader,
            tracker=Tracker(refresh=refresh, loopback=loopback),
            spool=waiting,
            sender=sender,
            backoff=Backoff(random.SystemRandom().random),
            clock=KernelClock(),
            boot=boot,
            disguise=disguise,
            say=_say,
        )
        try:
            running.run(readings=readings, drain_s=drain_s)
        except Unwind:
            _say(f"ending; {len(waiting)} batches wait in {spool}")
    if as_json:
        click.echo(json.dumps({"instance": name, "stream": waiting.stream, **running.counts.plain()}, sort_keys=True))


def _say(words: str) -> None:
    print(f"shadowlab: {words}", file=sys.stderr, flush=True)


def _text(path: Path) -> str:
    from shadowlab.errors import InputError

    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'no UTF-8 text'}") from error
