"""The calls of the API as values: the routes and the OpenAPI document are both made of them.

In: nothing.  Out: the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shadowlab.serve.jobs.job import Job, Jobs, Kinds
from shadowlab.serve.picture import shapes
from shadowlab.serve.picture.source import MOST_ENTRIES, MOST_KPIS, MOST_POINTS

MOST_SCENARIOS = 20
Text = Annotated[str, Field(min_length=1, max_length=300)]


class Query(BaseModel):
    """Of a URL."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class NoQuery(Query):
    pass


class SeriesQuery(Query):
    kind: Text = "path"
    subject: Text
    kpi: Annotated[list[Text], Field(min_length=1, max_length=MOST_KPIS)]
    from_s: Annotated[float, Field(ge=-1e10, le=1e10)] | None = None
    to_s: Annotated[float, Field(ge=-1e10, le=1e10)] | None = None
    points: Annotated[int, Field(ge=2, le=MOST_POINTS)] = 600


class TimelineQuery(Query):
    limit: Annotated[int, Field(ge=1, le=MOST_ENTRIES)] = 200


def _whole(value: object) -> object:
    """To JSON 2.0 is a whole number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Body(BaseModel):
    """Of a request."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Login(Body):
    token: Annotated[str, Field(min_length=1, max_length=512)]


class Question(Body):
    """``scenarios`` as ``shadowlab whatif --scenario`` takes them."""

    source: Text
    scenarios: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[ -~→]+$")]],
        Field(min_length=1, max_length=MOST_SCENARIOS),
    ]
    each: bool = False
    runs: Annotated[int, Field(ge=1, le=10), BeforeValidator(_whole)] | None = None
    duration_s: Annotated[float, Field(ge=10, le=600)] | None = None


class Session(shapes.Document):
    """``role`` is null for whoever has to show a token."""

    role: Literal["operator", "read-only"] | None
    needs_token: bool
    version: str


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One call.  ``faults``: statuses it may answer with besides its own and those of the guard."""

    name: str
    method: Literal["GET", "POST", "DELETE"]
    path: str
    summary: str
    answer: type[BaseModel] | None = None
    """None: see ``media``."""
    media: str = "application/json"
    status: int = 200
    query: type[Query] = NoQuery
    body: type[Body] | None = None
    faults: tuple[int, ...] = ()
    operator: bool = False
    public: bool = False


_SOURCE = "/api/v1/sources/{source}"
_READ = (400, 404, 503)


def _read(name: str, path: str, summary: str, answer: type[BaseModel], query: type[Query] = NoQuery) -> Operation:
    return Operation(
        name=name, method="GET", path=_SOURCE + path, summary=summary, answer=answer, query=query, faults=_READ
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="session",
        method="GET",
        path="/api/v1/session",
        summary="Who asks",
        answer=Session,
        public=True,
        faults=(400,),
    ),
    Operation(
        name="login",
        method="POST",
        path="/api/v1/session",
        summary="Show a token, and be known by a cookie from then on",
        answer=Session,
        body=Login,
        public=True,
        faults=(400, 401),
    ),
    Operation(
        name="logout",
        method="DELETE",
        path="/api/v1/session",
        summary="End the session",
        answer=Session,
        public=True,
        faults=(400,),
    ),
    Operation(
        name="sources",
        method="GET",
        path="/api/v1/sources",
        summary="Every run and watch",
        answer=shapes.Sources,
        faults=(400,),
    ),
    _read("overview", "", "One of them as a whole", shapes.Overview),
    _read("map", "/map", "Its network, with positions and figures per direction", shapes.Map),
    _read("paths", "/paths", "Its paths, worst first", shapes.Paths),
    _read("indicators", "/indicators", "What there are series of", shapes.Indicators),
    _read("series", "/series", "Indicators of one subject over time", shapes.Series, SeriesQuery),
    _read("incidents", "/incidents", "Its incidents, open ones first", shapes.Incidents),
    _read("incident", "/incidents/{incident}", "One incident: timeline, fault domain, cures", shapes.Incident),
    _read("forecast", "/forecast", "The demand to come", shapes.ForecastAnswer),
    _read("timeline", "/timeline", "What happened, newest last", shapes.Timeline, TimelineQuery),
    _read("cycles", "/cycles", "The cycles of a watch, oldest first", shapes.Cycles),
    Operation(
        name="kinds",
        method="GET",
        path="/api/v1/whatif/kinds",
        summary="What may be asked",
        answer=Kinds,
        faults=(400,),
    ),
    Operation(
        name="ask",
        method="POST",
        path="/api/v1/jobs",
        summary="Ask a what-if question",
        answer=Job,
        status=202,
        body=Question,
        faults=(400, 404, 409, 429, 503),
        operator=True,
    ),
    Operation(
        name="jobs",
        method="GET",
        path="/api/v1/jobs",
        summary="Every question, newest first",
        answer=Jobs,
        faults=(400,),
    ),
    Operation(
        name="job",
        method="GET",
        path="/api/v1/jobs/{job}",
        summary="How far a question is",
        answer=Job,
        faults=(400, 404),
    ),
    Operation(
        name="stop",
        method="DELETE",
        path="/api/v1/jobs/{job}",
        summary="Stop it",
        answer=Job,
        faults=(400, 404),
        operator=True,
    ),
    Operation(
        name="answer",
        method="GET",
        path="/api/v1/jobs/{job}/answer",
        summary="The answer, as `shadowlab whatif --json` prints it",
        answer=None,
        faults=(400, 404, 409),
    ),
    Operation(
        name="events",
        method="GET",
        path="/api/v1/events",
        summary="What changes, as server-sent events; resumes behind Last-Event-ID",
        media="text/event-stream",
        faults=(400, 503),
    ),
    Operation(
        name="openapi",
        method="GET",
        path="/api/v1/openapi.json",
        summary="This document",
        faults=(400,),
    ),
    Operation(
        name="metrics",
        method="GET",
        path="/metrics",
        summary="Figures for Prometheus: those of the watches, and the server's own",
        media="text/plain",
        faults=(400,),
    ),
)
