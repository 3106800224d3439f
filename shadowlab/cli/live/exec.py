"""``shadowlab exec``: any program in a node."""

from __future__ import annotations

import click

from shadowlab.cli.live.options import complete_node, lab_option


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@lab_option
@click.argument("node", shell_complete=complete_node)
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- PROGRAM [ARGUMENT...]")
def command(lab: str | None, node: str, program: tuple[str, ...]) -> None:
    """Run PROGRAM in NODE: its streams, its terminal and its exit code are the command's own.

    The names of the lab's nodes are known to it.

    \b
    Examples:
      shadowlab exec web-1 -- curl http://db-1/
      shadowlab exec --lab office db-1 -- iperf3 -s
    """
    from shadowlab.lab.hosts.record import find_record
    from shadowlab.lab.live.attach import attach

    argv = program[1:] if program[0] == "--" else program
    record = find_record(lab)
    if record is not None:
        from shadowlab.cli.live.over_hosts import exec_over_hosts

        raise click.exceptions.Exit(exec_over_hosts(record, node, argv))
    raise click.exceptions.Exit(attach(lab, node, argv))
