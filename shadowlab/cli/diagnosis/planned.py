"""A plan of interventions as words, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shadowlab.localize.plan import ALL, NONE, SURE

if TYPE_CHECKING:
    from shadowlab.localize.interventions.sequence import Outcome, Plan, Step


def plan_document(plan: Plan) -> dict[str, Any]:
    """Plain values; ``then`` is null where nothing is left to do."""
    return {
        "suspect": plan.suspect,
        "bad_flows": plan.bad_flows,
        "expected_steps": round(plan.steps, 3),
        "candidates": [
            {"name": one.name, "probability": round(one.probability, 6), "drainable": not one.fixed}
            for one in plan.units
        ],
        "first": _step(plan.first),
    }


def _step(step: Step | None) -> dict[str, Any] | None:
    if step is None:
        return None
    return {
        "drain": list(step.drain),
        "halve": list(step.halve),
        "bits": round(step.bits, 4),
        "outcomes": [
            {
                "bad_flows_left": one.share,
                "probability": round(one.probability, 6),
                "likeliest": one.likeliest[0],
                "posterior": round(one.likeliest[1], 6),
                "then": _step(one.then),
            }
            for one in step.outcomes
        ],
    }


def show_plan(plan: Plan) -> None:
    """The tree, a line per step and per outcome."""
    if plan.first is None:
        settled = max(one.probability for one in plan.units) >= SURE
        why = "needs no intervention" if settled else "no drain that cuts nobody off tells more"
        click.echo(f"plan for {plan.suspect}: {why}")
        return
    click.echo(f"plan for {plan.suspect}, of which {plan.bad_flows} flows suffer: about {plan.steps:.2g} interventions")
    kept = [one.name for one in plan.units if one.fixed]
    if kept:
        click.echo(f"  cannot be drained: {', '.join(kept)}")
    _show_step(plan.first, "  ")


def _show_step(step: Step, indent: str) -> None:
    parts = [f"drain {', '.join(step.drain)}"] if step.drain else []
    parts += [f"halve the weight of {', '.join(step.halve)}"] if step.halve else []
    click.echo(f"{indent}{'; '.join(parts)} ({step.bits:.2g} bit)")
    for one in step.outcomes:
        click.echo(f"{indent}  {_outcome(one)}")
        if one.then is not None:
            _show_step(one.then, indent + "    ")


def _outcome(one: Outcome) -> str:
    name, posterior = one.likeliest
    words = {NONE: "if the bad flows are gone", ALL: "if there are as many or more"}
    seen = words.get(one.share, "if about half are left")
    sure = f"{name} ({posterior * 100:.3g} %)"
    return f"{seen}: {sure}" if one.then is None else f"{seen} ({one.probability * 100:.2g} % probable):"
