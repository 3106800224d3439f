"""A job is whole: what the inside reads back is what was decided outside, byte for byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lab_example import S, prepared

from shadowlab.lab.job import Job
from shadowlab.shadow.ops import RunScript, TimedChange
from shadowlab.shadow.traffic_ops import ScaleDemand


def test_a_job_survives_the_way_in(tmp_path: Path) -> None:
    job = prepared(
        tmp_path,
        events=(
            "at: 25 s, degrade: north-south, loss: 0.1 %, jitter: 1 ms, rate: 5 Mbit, queue: 9",
            "at: 26 s, fail: north-west",
            "at: 28 s, restore: north-west",
            "at: 30 s, demand: 0.5, flows: ['web→db:5001']",
        ),
    ).job()
    script = RunScript(
        node="north", name="fix — “it”", text="#!/bin/sh\necho ü\n", environment=(("A", "1"),), timeout_ns=S
    )
    job = replace(job, timeline=(*job.timeline, TimedChange(at_ns=39 * S, reason="cure", ops=(script,))))

    back = Job.from_bytes(job.to_bytes())

    assert back == job
    assert back.to_bytes() == job.to_bytes()
    assert {type(op) for change in back.timeline for op in change.ops} >= {RunScript, ScaleDemand}


def test_the_same_job_has_the_same_bytes_wherever_its_files_lie(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there" / "deep"
    here.mkdir()
    there.mkdir(parents=True)

    assert prepared(here).job().to_bytes() == prepared(there).job().to_bytes()
