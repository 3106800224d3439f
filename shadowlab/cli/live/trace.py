"""``shadowlab trace``: the way of a flow, hop by hop."""

from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING

import click

from shadowlab.cli.live.options import complete_node, lab_option
from shadowlab.errors import EXIT_LEVELS_BROKEN

if TYPE_CHECKING:
    from shadowlab.lab.live.way.inside import Answered
    from shadowlab.monitor.tracing.question import PathMtu, Traced


@click.command("trace")
@click.argument("source", shell_complete=complete_node)
@click.argument("target", shell_complete=complete_node)
@click.option("--flow", metavar="tcp:PORT:PORT", help="The flow whose way it is; udp too.  [default: udp:4001:4002]")
@click.option("-6", "--ipv6", is_flag=True, help="Over IPv6.")
@click.option("-c", "--count", type=click.IntRange(1, 1000), default=3, show_default=True, help="Packets for each hop.")
@click.option("--wait", type=click.FloatRange(0.05, 10), default=1.0, show_default=True, help="Seconds for an answer.")
@click.option("--mtu", is_flag=True, help="Also find how large a packet may be on the way.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout.")
@lab_option
def command(
    source: str,
    target: str,
    flow: str | None,
    ipv6: bool,
    count: int,
    wait: float,
    mtu: bool,
    as_json: bool,
    lab: str | None,
) -> None:
    """Show which way packets take from SOURCE to TARGET, and where they end if they do not arrive.

    All hops are asked at once, with packets of one identity, so that they take one way even where several are of equal
    cost.  Those of a TCP flow are crafted segments that the connection does not notice.  Beside what packets find
    stands what the routing tables say.

    Exit code 1 if packets do not arrive, or go otherwise than the routing tables say.

    \b
    Examples:
      shadowlab trace web-1 db-1
      shadowlab trace web-1 db-1 --flow tcp:40000:80 --mtu --json
    """
    from shadowlab.lab.live.folder import only_name
    from shadowlab.lab.live.lab import LiveLab
    from shadowlab.lab.live.way.ask import parse_flow, trace_way
    from shadowlab.model.plain import to_plain
    from shadowlab.monitor.tracing.question import PLAIN

    chosen = LiveLab(only_name(lab))
    seen = trace_way(
        chosen,
        source,
        target,
        flow=PLAIN if flow is None else parse_flow(flow),
        ipv6=ipv6,
        count=count,
        wait_s=wait,
        mtu=mtu,
    )
    if as_json:
        click.echo(json.dumps(to_plain(seen), indent=1, sort_keys=True, ensure_ascii=False))
    else:
        _show(seen)
    if seen.traced.outcome != "arrived" or not seen.agree:
        raise click.exceptions.Exit(EXIT_LEVELS_BROKEN)


def _show(seen: Answered) -> None:
    traced = seen.traced
    question = traced.question
    family = "IPv6" if question.ipv6 else "IPv4"
    protocol, *ports = question.flow
    click.echo(f"{question.source} to {question.target}, {protocol} {ports[0]} to {ports[1]}, {family}")
    nodes = max((len(one.node) for one in traced.hops), default=0)
    addresses = max((len(one.address) for one in traced.hops), default=0)
    before_ns = 0.0
    for one in traced.hops:
        trip, more = "-", ""
        if one.round_trips_ns:
            now_ns = median(one.round_trips_ns)
            trip, more = _milliseconds(now_ns), f"{(now_ns - before_ns) / 1e6:+.3f}"
            before_ns = now_ns
        answers = f"{len(one.round_trips_ns)} of {one.sent} answered"
        click.echo(
            f"{one.hops:3}  {one.node or '*':{nodes}}  {one.address:{addresses}}  {trip:>12} {more:>9}  {answers}"
        )
    _show_end(traced)
    if any(len(one.round_trips_ns) < one.sent for one in traced.hops if one.node != question.target):
        click.echo("routers limit how often they answer one asker: what they leave unanswered need not be lost")
    fault = f" ({seen.fault})" if seen.fault else ""
    if seen.agree:
        click.echo(f"the routing tables say the same{fault}")
    else:
        click.echo(f"BUT the routing tables say: {' '.join(seen.tables)}{fault}")
    if seen.mtu is not None:
        _show_mtu(seen.mtu)


def _show_end(traced: Traced) -> None:
    if traced.outcome != "arrived":
        click.echo(
            f"{traced.outcome} at {traced.at}: {traced.why}" if traced.why else f"{traced.outcome} at {traced.at}"
        )
        return
    for name, times, lost, of in (
        ("there", traced.there_ns, traced.lost_there, traced.sent),
        ("back", traced.back_ns, traced.lost_back, len(traced.there_ns)),
    ):
        middle = f"{_milliseconds(median(times))} (median of {len(times)})" if times else "no packet came"
        click.echo(f"{name:5} {middle}, {lost} of {of} lost")


def _show_mtu(found: PathMtu) -> None:
    if not found.mtu:
        click.echo("path MTU: nothing comes through whole")
        return
    who = f"limited by {found.limited_by}" if found.limited_by else "as the source's own interface has it"
    if not found.told:
        who = "found by trying: what is larger vanishes, and nobody says so"
    click.echo(f"path MTU {found.mtu} bytes, {who}")


def _milliseconds(time_ns: float) -> str:
    return f"{time_ns / 1e6:.3f} ms"
