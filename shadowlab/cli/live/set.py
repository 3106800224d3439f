"""``shadowlab set``: one link of a lab, changed in place."""

from __future__ import annotations

import click

from shadowlab.cli.live.options import complete_link, lab_option


@click.command("set")
@click.argument("link", shell_complete=complete_link)
@click.argument("settings", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.option("--towards", metavar="NODE", help="Only the direction that leads there; both without it.")
@lab_option
def command(link: str, settings: tuple[str, ...], towards: str | None, lab: str | None) -> None:
    """Change delay, jitter, loss, rate, queue or metric of LINK.  What is not named stays; no queued packet is lost.

    \b
    Examples:
      shadowlab set chi-ind delay=30ms loss=0.5%
      shadowlab set chi-ind rate=2Mbit --towards ind
      shadowlab set chi-ind loss=0 metric=900
    """
    from shadowlab.lab.live.folder import only_name
    from shadowlab.lab.live.lab import LiveLab
    from shadowlab.lab.live.settings import changed_link

    chosen = LiveLab(only_name(lab))
    changes = chosen.change(
        lambda network: network.with_links(changed_link(network, link, settings, towards=towards)),
        reason=f"set {link} {' '.join(settings)}",
    )
    for change in changes:
        click.echo(change.describe())
    if not changes:
        click.echo(f"link {link}: nothing changes in the kernel")
