"""``shadowlab localize``: place faults by what flows lost, how long they took and what they got."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from shadowlab.localize.findings import Found, Localisation
    from shadowlab.localize.interventions.sequence import Plan

_METHODS = ("likelihood", "max-coverage", "007", "netbouncer")


@click.command()
@click.argument("observations", metavar="OBSERVATIONS", type=click.Path(path_type=Path))
@click.option(
    "--method", type=click.Choice(_METHODS), default=_METHODS[0], show_default=True, help="How to place them."
)
@click.option("--plan", "planned", is_flag=True, help="Plan drains that tell apart what these flows cannot.")
@click.option("--plan-weights", "halved", is_flag=True, help="The same, with links at half their weight as well.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document to stdout.")
def localize(observations: Path, method: str, planned: bool, halved: bool, as_json: bool) -> None:
    """Say which links, nodes or groups explain what the flows of OBSERVATIONS lost, and how sure that is.

    OBSERVATIONS is a file of JSON lines: first the network, then a flow per line with the packets sent and bad, and the
    path it took or may have taken. See docs/reference/localize.md.

    \b
    Examples:
      shadowlab localize flows.jsonl
      shadowlab localize flows.jsonl --plan
      shadowlab localize flows.jsonl --method 007 --json
    """
    from shadowlab.cli.diagnosis.planned import plan_document, show_plan
    from shadowlab.errors import InputError
    from shadowlab.localize.file.read import read_observations
    from shadowlab.localize.interventions.sequence import plans
    from shadowlab.localize.methods import METHODS
    from shadowlab.localize.settings import DEFAULTS

    if (planned or halved) and method != _METHODS[0]:
        raise InputError(f"--plan needs probabilities, which --method {method} does not give: leave the method out")
    read = read_observations(observations)
    found = METHODS[method](read.seen, DEFAULTS)
    made: tuple[Plan, ...] = plans(found, read.seen, weights=halved) if planned or halved else ()
    if as_json:
        document = _document(found, read.routing)
        if planned or halved:
            document["plans"] = [plan_document(one) for one in made]
        click.echo(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False))
    else:
        _show(found, read.routing)
        for one in made:
            show_plan(one)


def _document(found: Localisation, routing: tuple[Found, ...]) -> dict[str, Any]:
    return {
        "method": found.method,
        "flows": found.flows,
        "packets": found.packets,
        "good_link_loss": found.good_loss,
        "routing": [_plain(one) for one in routing],
        "suspects": [_plain(one) for one in found.suspects],
        "overloaded": [_plain(one) for one in found.overloaded],
        "runners_up": [_plain(one) for one in found.runners_up],
        "unseen": [{"kind": one.kind, "name": one.name} for one in found.unseen],
        "visible": [
            {
                "kind": one.kind,
                "components": one.components,
                "median_loss": one.median_loss,
                "blind_at_1_percent": one.blind,
            }
            for one in found.visible
        ],
    }


def _plain(one: Found) -> dict[str, Any]:
    return {
        "components": [{"kind": part.kind, "name": part.name} for part in one.components],
        "fault": one.fault,
        "posterior": round(one.posterior, 6),
        "score": round(one.score, 3) if math.isfinite(one.score) else None,
        "loss": one.loss,
        "loss_interval": list(one.loss_interval),
        "delay_ms": one.delay_ns / 1e6,
        "delay_interval_ms": [edge / 1e6 for edge in one.delay_interval_ns],
        "flows": one.flows,
        "flows_bad": one.flows_bad,
        "packets": one.packets,
        "packets_bad": one.packets_bad,
        "utilisation": one.utilisation,
        "members": list(one.members),
        "subset": one.subset,
        "runner_up": one.runner_up,
        "split_by": one.split_by,
        "path": one.where,
    }


def _show(found: Localisation, routing: tuple[Found, ...]) -> None:
    for one in routing:
        click.echo(f"{one.name}: {one.fault} in the routes: {one.flows} flows, by {one.where}")
    for one in found.suspects:
        click.echo(_line(one))
    if not found.suspects and not routing:
        click.echo("no fault: what good links lose by themselves explains it all")
    for one in found.overloaded:
        click.echo(f"overloaded, no fault: {_line(one)}")
    for one in found.runners_up:
        click.echo(f"instead of one of these: {one.name}, {one.posterior * 100:.2g} % ({_size(one)})")
    if found.good_loss:
        click.echo(f"a good link loses {_percent(found.good_loss)} on average")
    for seen in found.visible:
        blind = f"; {seen.blind} of them could hide 1 %" if seen.blind else ""
        click.echo(
            f"visible on half of the {seen.components} {seen.kind}s: a loss of {_percent(seen.median_loss)}{blind}"
        )
    if found.unseen:
        names = ", ".join(str(one) for one in found.unseen[:5])
        more = f" and {len(found.unseen) - 5} more" if len(found.unseen) > 5 else ""
        click.echo(f"carried no packet, so nothing is known of them: {names}{more}")


def _line(one: Found) -> str:
    sure = f", {one.posterior * 100:.3g} % sure" if one.posterior else ""
    parts = [f"{one.name}: {one.fault}, {_size(one)}{sure}"]
    if one.members:
        parts.append(f"on {', '.join(one.members[:6])}{' …' if len(one.members) > 6 else ''}")
    if one.subset:
        parts.append(f"only {one.subset}")
    if one.utilisation is not None:
        parts.append(f"utilisation {one.utilisation * 100:.0f} %")
    parts.append(f"{one.packets_bad:g} of {one.packets:g} packets bad in {one.flows_bad} of {one.flows} flows")
    if one.split_by:
        parts.append(f"to tell them apart: {one.split_by}")
    return "; ".join(parts)


def _size(one: Found) -> str:
    parts = []
    if one.loss:
        low, high = one.loss_interval
        parts.append(f"{_percent(one.loss)} lost" + (f" ({_percent(low)} to {_percent(high)})" if low < high else ""))
    if one.delay_ns:
        parts.append(f"{one.delay_ns / 1e6:.3g} ms longer")
    return " and ".join(parts) or "fewer bits than wanted"


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %"
