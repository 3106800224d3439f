"""A what-if question and its life, as a document.

In: what happened.  Out: the next document.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shadowlab.serve.picture.shapes import Document

State = Literal["waiting", "running", "done", "failed", "stopped", "timed out"]
OVER: tuple[State, ...] = ("done", "failed", "stopped", "timed out")


class Work(Document):
    """A piece of work under way; ``fraction`` is 1 when it is done."""

    name: str
    fraction: float


class Job(Document):
    """Moments are Unix time.  ``holds`` and ``headline`` are those of the answer."""

    id: str
    source: str
    scenarios: list[str]
    each: bool
    state: State
    asked_s: float
    began_s: float | None = None
    ended_s: float | None = None
    stage: str = ""
    fraction: float | None = None
    works: list[Work] = Field(default_factory=list)
    error: str = ""
    holds: bool | None = None
    headline: str = ""

    @property
    def over(self) -> bool:
        return self.state in OVER


class Jobs(Document):
    jobs: list[Job]


class Kind(Document):
    """What a question may be about, with an example of its text."""

    name: str
    meaning: str
    example: str


class Kinds(Document):
    kinds: list[Kind]


def told(job: Job, line: dict[str, object]) -> Job:
    """After a line of progress: a stage begins, or a piece of work stands somewhere."""
    stage, work, fraction = line.get("stage"), line.get("work"), line.get("fraction")
    if isinstance(stage, str):
        return job.model_copy(update={"stage": stage[:200], "works": [], "fraction": None})
    if not isinstance(work, str) or not isinstance(fraction, int | float):
        return job
    known = {one.name: one.fraction for one in job.works} | {work[:200]: min(1.0, max(0.0, float(fraction)))}
    works = [Work(name=name, fraction=value) for name, value in list(known.items())[-64:]]
    return job.model_copy(update={"works": works, "fraction": sum(known.values()) / len(known)})
