"""``shadowlab capture``: the packets of a link, as a file that Wireshark opens."""

from __future__ import annotations

from pathlib import Path

import click

from shadowlab.cli.live.options import complete_link, lab_option


@click.command("capture")
@click.argument("link", shell_complete=complete_link)
@click.option("-w", "file", required=True, type=click.Path(path_type=Path, allow_dash=True), help="The file; - stdout.")
@click.option("--at", metavar="NODE", help="The end of the link to listen at.  [default: its first]")
@click.option("--snap", metavar="BYTES", type=click.IntRange(min=0), default=0, help="Keep so much of each frame.")
@click.option("-c", "--count", type=click.IntRange(min=0), default=0, help="End after so many frames.")
@click.option("--seconds", type=click.FloatRange(min=0), default=0.0, help="End after so long.")
@lab_option
def command(link: str, file: Path, at: str | None, snap: int, count: int, seconds: float, lab: str | None) -> None:
    """Capture both directions of LINK into a pcapng FILE, until Ctrl-C, COUNT frames or SECONDS.

    Frames that leave are seen after the queue, frames that arrive before it; times are the kernel's, in nanoseconds.

    \b
    Examples:
      shadowlab capture chi-ind -w out.pcapng
      shadowlab capture chi-ind --at ind -c 100 -w - | tshark -r -
    """
    from shadowlab.lab.live.attach import attach_capture

    raise click.exceptions.Exit(
        attach_capture(lab, link, file=file, at=at, snap_bytes=snap, packets=count, seconds=seconds)
    )
