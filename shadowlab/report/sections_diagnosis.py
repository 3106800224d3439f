"""What kind of fault it is: every explanation that was imposed in a shadow of the incident, and how well it fits.

In: a result.  Out: a section; what the domain stands on.  Never: a kind that was not tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadowlab.report.markup import Html, badge, facts, items, join, prose, section, table, tag
from shadowlab.report.words import NOTHING, bayes_factor, moment, share

if TYPE_CHECKING:
    from shadowlab.model.diagnosis.ablation import Ablation, Trial
    from shadowlab.model.result import RunResult


def diagnosis_section(result: RunResult) -> Html | str:
    """Empty where there was nothing to explain."""
    domain = result.fault_domain
    if domain is None or (domain.ablation is None and not domain.evidence):
        return ""
    evidence = items(map(prose, domain.evidence)) if domain.evidence else ""
    one = domain.ablation
    if one is None or not one.trials:
        why = f"Nothing was imposed: {one.note}." if one and one.note else "Nothing was imposed."
        return section("diagnosis", "What kind of fault", evidence, tag("p", why, class_="none"))
    heads = ("Imposed", "Size that fits best", "Explains", "Against no fault", "Trials")
    from_ns, to_ns = one.window_ns
    return section(
        "diagnosis",
        "What kind of fault",
        evidence,
        facts(
            [
                ("Enough by itself", f"{'yes' if one.sufficiency >= 0 else 'no'} ({bayes_factor(one.sufficiency)})"),
                ("Needed", f"{'yes' if one.necessity >= 1 else 'not shown'} ({bayes_factor(one.necessity)})"),
                ("Against the next explanation", bayes_factor(one.lead)),
                ("Not told apart", ", ".join(one.undecided) or NOTHING),
                ("What would tell", "; ".join(one.advice) or NOTHING),
            ]
        ),
        table("Explanations, best first", heads, [_row(one, trial) for trial in one.trials], right=(2, 4)),
        tag(
            "p",
            "Explains: the share of what is unusual without the fault that is gone with it. Bayes factors by BIC; "
            "beyond a million to one the shadow's own errors decide, and no more is claimed.",
            class_="note",
        ),
        lead=f"Each was imposed in a shadow of its own, and all paths' loss, retransmissions, median and tail delay, "
        f"window and throughput were compared with those of the incident from {moment(from_ns)} to {moment(to_ns)}.",
    )


def _row(one: Ablation, trial: Trial) -> tuple[object, ...]:
    role = badge("best", "good") if trial is one.best else badge("open", "plain") if trial.name in one.undecided else ""
    return (
        join(tag("span", trial.name), role),
        trial.words,
        share(trial.explained),
        bayes_factor(trial.log10_bayes),
        trial.runs,
    )
