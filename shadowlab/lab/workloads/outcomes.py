"""What became of a run's programs and replays, from the report of its inside.

In: the report, the workloads, what was made of the captures.  Out: plain outcomes for the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shadowlab.lab.workloads.capture import Packets
from shadowlab.model.result import ProgramOutcome, ReplayOutcome
from shadowlab.model.traffic.workload import Program, Replay, Workload
from shadowlab.traffic.programs import FOLDER


def program_outcomes(report: Mapping[str, Any], workloads: Sequence[Workload], raw: str) -> tuple[ProgramOutcome, ...]:
    """In the order of the scenario.  ``raw`` is the folder of raw records within the run's."""
    found = []
    for one in workloads:
        if isinstance(one, Program):
            told = report["programs"][one.name]
            found.append(
                ProgramOutcome(
                    name=one.name,
                    node=one.node,
                    argv=one.argv,
                    exit_code=told["exit_code"],
                    stopped=told["stopped"],
                    began_ns=told["began_ns"],
                    ended_ns=told["ended_ns"],
                    output=f"{raw}/{FOLDER}/{one.name}.txt",
                    output_bytes=told["output_bytes"],
                    dropped_bytes=told["output_dropped_bytes"],
                )
            )
    return tuple(found)


def replay_outcomes(
    report: Mapping[str, Any], workloads: Sequence[Workload], replayed: Mapping[str, Packets]
) -> tuple[ReplayOutcome, ...]:
    """In the order of the scenario."""
    found = []
    for one in workloads:
        if isinstance(one, Replay):
            told = report["replays"][one.name]
            found.append(
                ReplayOutcome(
                    name=one.name,
                    node=one.node,
                    sent_packets=told["sent_packets"],
                    sent_bytes=told["sent_bytes"],
                    refused_packets=told["refused_packets"],
                    left_out=replayed[one.file].left_out,
                )
            )
    return tuple(found)
