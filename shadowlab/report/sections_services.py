"""The section of the services: what their exchanges took, and how loaded the instances were.

In: a result and its plots.  Out: a section, or nothing where the scenario states no traffic of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shadowlab.report.markup import Html, badge, figure, folded, join, section, table
from shadowlab.report.words import moment, number, of_service, percent, plural

if TYPE_CHECKING:
    from shadowlab.model.result import ProgramOutcome, RunResult
    from shadowlab.report.figure import Plot

COLUMNS = (
    ("Median", "completion_p50_ms"),
    ("p95", "completion_p95_ms"),
    ("p99", "completion_p99_ms"),
    ("Slowdown p50", "slowdown_p50"),
    ("p99", "slowdown_p99"),
    ("Goodput", "goodput_mbps"),
    ("Failed or lost", "failures"),
)


def services_section(result: RunResult, plots: Mapping[str, Plot]) -> Html:
    """Completion times before and after the event, service by service."""
    if not (result.workloads or result.instances or result.programs or result.replays):
        return join()
    rows = []
    for one in result.workloads:
        ended = sum(one.outcomes.values())
        count = "a stream" if one.kind == "datagrams" else plural(ended, "exchange")
        for when, values in (("before", one.before), ("after", one.after)):
            first = (one.workload, one.kind, count) if when == "before" else ("", "", "")
            rows.append((*first, when, *(of_service(values, name) for _, name in COLUMNS)))
    heads = ("Service", "Kind", "Exchanges", "", *(head for head, _ in COLUMNS))
    instances = [
        (
            one.node,
            one.workers,
            when,
            percent(values.get("instance_utilisation", float("nan"))),
            number(values.get("instance_queue", float("nan"))),
            of_service(values, "instance_wait_ms"),
            percent(values.get("instance_refusals", float("nan"))),
        )
        for one in result.instances
        for when, values in (("before", one.before), ("after", one.after))
    ]
    return section(
        "services",
        "Services",
        *(figure(plots[name]) for name in ("completion-times", "completion-shares") if name in plots),
        table(
            "What an exchange took, in the baseline and from the last event on. Slowdown is against the idle path",
            heads,
            rows,
            right=tuple(range(4, 4 + len(COLUMNS))),
            empty="The scenario states no workload.",
        ),
        _endings(result),
        table(
            "Instances: share of the time their workers were busy, requests waiting, how long, requests refused",
            ("Instance", "Workers", "", "Busy", "Waiting", "Wait", "Refused"),
            instances,
            right=(1, 3, 4, 5, 6),
        )
        if instances
        else join(),
        _programs(result) if result.programs or result.replays else join(),
    )


def _endings(result: RunResult) -> Html:
    """How the exchanges ended, where not all of them ended well."""
    rows = [
        (one.workload, *(one.outcomes.get(name, 0) for name in ("ok", "failed", "refused", "timed-out", "unfinished")))
        for one in result.workloads
        if any(count for name, count in one.outcomes.items() if name != "ok")
    ]
    if not rows:
        return join()
    heads = ("Service", "Well", "Failed", "Refused", "Timed out", "Unfinished at the end")
    return folded("How exchanges ended", table("Exchanges by how they ended", heads, rows, right=(1, 2, 3, 4, 5)))


def _programs(result: RunResult) -> Html:
    programs = [
        (one.name, one.node, " ".join(one.argv), ending(one), one.output, f"{one.output_bytes} bytes")
        for one in result.programs
    ]
    replays = [
        (one.name, one.node, one.sent_packets, one.refused_packets, sum(one.left_out.values()))
        for one in result.replays
    ]
    return join(
        table("Programs", ("Program", "Node", "Command", "Ended", "Output", ""), programs, right=(5,))
        if programs
        else join(),
        table(
            "Captures sent again, in packets",
            ("Replay", "Node", "Sent", "Refused", "Left out"),
            replays,
            right=(2, 3, 4),
        )
        if replays
        else join(),
    )


def ending(one: ProgramOutcome) -> Html | str:
    """How a program ended, and when."""
    if one.ended_ns is None:
        return badge("never began", "bad")
    how = "stopped" if one.stopped else f"exit code {one.exit_code}"
    return f"{how} at {moment(one.ended_ns)}"
