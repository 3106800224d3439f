"""``shadowlab set``: one link of a lab, changed in place."""

from __future__ import annotations

import click

from shadowlab.cli.live.options import complete_link, complete_setting, lab_option


@click.command("set")
@click.argument("link", shell_complete=complete_link)
@click.argument("settings", nargs=-1, required=True, metavar="KEY=VALUE...", shell_complete=complete_setting)
@click.option("--towards", metavar="NODE", help="Only the direction that leads there; both without it.")
@lab_option
@click.option("--dry-run", is_flag=True, help="Print the changes with their reasons, and make none.")
def command(link: str, settings: tuple[str, ...], towards: str | None, lab: str | None, dry_run: bool) -> None:
    """Change LINK in place.  What is not named stays; no queued packet is lost.

    KEY is any key of a link on a map, what a mapping holds after a dot; and state=down or state=up, which fails the
    link or brings it back.

    \b
    Examples:
      shadowlab set chi-ind delay=30ms loss=0.5%
      shadowlab set chi-ind rate=2Mbit --towards ind
      shadowlab set chi-ind queue.kind=codel queue.target=5ms rate=10Mbit
      shadowlab set chi-ind loss.model=gilbert-elliott loss.p=1% loss.r=25%
      shadowlab set chi-ind state=down
    """
    from shadowlab.lab.live.folder import only_name
    from shadowlab.lab.live.lab import LiveLab
    from shadowlab.lab.live.settings import changed_link
    from shadowlab.model.network import Network

    def make(network: Network) -> Network:
        return network.with_links(changed_link(network, link, settings, towards=towards))

    chosen = LiveLab(only_name(lab))
    reason = f"set {link} {' '.join(settings)}"
    changes = chosen.plan_change(make) if dry_run else chosen.change(make, reason=reason)
    for change in changes:
        click.echo(change.describe())
    if not changes:
        click.echo(f"link {link}: nothing changes in the kernel")
    elif dry_run:
        click.echo(f"lab {chosen.name}: {len(changes)} changes would be made")
