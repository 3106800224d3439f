"""The application: routes from the table of calls, each to the method of its name.

In: sources, a keeper of questions, rules.  Out: an ASGI application.  Reading is done in threads, so that a slow disk
holds up nobody else.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import typing
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from shadowlab import __version__
from shadowlab.errors import ShadowLabError
from shadowlab.lab.watch.folder import METRICS
from shadowlab.predict.scenario.kinds import KINDS
from shadowlab.serve.jobs.job import Job, Jobs, Kind, Kinds
from shadowlab.serve.jobs.keeper import BusyError, Keeper
from shadowlab.serve.picture.library import Library
from shadowlab.serve.picture.shapes import Document, Sources
from shadowlab.serve.picture.source import SeriesWanted, Shown, UnknownError
from shadowlab.serve.picture.watched import Watched
from shadowlab.serve.web.access import SESSION_NS
from shadowlab.serve.web.guard import COOKIE, MOST_BODY, Guard, Rules
from shadowlab.serve.web.live import Hello, Hub, Look, keep_looking
from shadowlab.serve.web.metrics import MEDIA, Served, metrics_text
from shadowlab.serve.web.openapi import openapi
from shadowlab.serve.web.operations import OPERATIONS, Operation, Query, SeriesQuery, Session, TimelineQuery
from shadowlab.serve.web.operations import Login as LoginBody
from shadowlab.serve.web.operations import Question as QuestionBody
from shadowlab.serve.web.problem import RefusedError, problem
from shadowlab.serve.web.static import Page

LOOK_EVERY_S = 1.0
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Parts:
    """``ask`` makes the arguments of a question's command; ``keeper`` and ``hub`` are made on the event loop."""

    library: Library
    rules: Rules
    page: Page
    keeper: Callable[[Callable[[Job], None]], Keeper]
    ask: Callable[[Sequence[str], QuestionBody], Sequence[str]]
    first_event: int
    look_every_s: float = LOOK_EVERY_S


class Api:
    """One method per call, of the call's name."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._library = parts, parts.library
        self._document = openapi(__version__, guarded=parts.rules.tokens is not None)
        self.requests: Counter[tuple[str, int]] = Counter()
        self.hub: Hub
        self.keeper: Keeper

    # --- who asks ---------------------------------------------------------------------------------------------------

    async def session(self, request: Request) -> Response:
        return _json(self._session(request.state.role))

    async def login(self, request: Request, body: LoginBody) -> Response:
        rules = self._parts.rules
        if rules.tokens is None:
            return _json(self._session("operator"))
        role = rules.tokens().role_of(body.token)
        if role is None:
            raise RefusedError(401, "this token is not known")
        answer = _json(self._session(role))
        answer.set_cookie(
            COOKIE,
            rules.sessions.begin(body.token, rules.now_ns()),
            max_age=SESSION_NS // _NS_PER_S,
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer

    async def logout(self, request: Request) -> Response:
        rules = self._parts.rules
        rules.sessions.end(request.cookies.get(COOKIE, ""))
        answer = _json(self._session("operator" if rules.tokens is None else None))
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    def _session(self, role: Any) -> Session:
        return Session(role=role, needs_token=self._parts.rules.tokens is not None, version=__version__)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def sources(self, request: Request) -> Response:
        def read() -> Sources:
            self._library.scan()
            return Sources(sources=[self._library.head(one) for one in self._library.sources()])

        return await _read(request, read)

    async def overview(self, request: Request) -> Response:
        return await _read(request, self._of(request).overview)

    async def map(self, request: Request) -> Response:
        return await _read(request, self._of(request).map)

    async def paths(self, request: Request) -> Response:
        return await _read(request, self._of(request).paths)

    async def indicators(self, request: Request) -> Response:
        return await _read(request, self._of(request).indicators)

    async def series(self, request: Request, query: SeriesQuery) -> Response:
        wanted = SeriesWanted(
            kind=query.kind,
            subject=query.subject.replace("->", "→"),
            kpis=tuple(dict.fromkeys(query.kpi)),
            from_s=query.from_s,
            to_s=query.to_s,
            points=query.points,
        )
        one = self._of(request)
        return await _read(request, lambda: one.series(wanted))

    async def incidents(self, request: Request) -> Response:
        return await _read(request, self._of(request).incidents)

    async def incident(self, request: Request) -> Response:
        one, name = self._of(request), request.path_params["incident"]
        return await _read(request, lambda: one.incident(name))

    async def forecast(self, request: Request) -> Response:
        return await _read(request, self._of(request).forecast)

    async def timeline(self, request: Request, query: TimelineQuery) -> Response:
        one = self._of(request)
        return await _read(request, lambda: one.timeline(query.limit))

    async def cycles(self, request: Request) -> Response:
        return await _read(request, self._of(request).cycles)

    def _of(self, request: Request) -> Shown:
        return self._source(request.path_params["source"])

    def _source(self, name: str) -> Shown:
        found = self._library.get(name)
        if found is None:
            raise RefusedError(404, f"there is no source {name[:80]!r}")
        return found

    # --- what if ----------------------------------------------------------------------------------------------------

    async def kinds(self, request: Request) -> Response:
        return _json(
            Kinds(kinds=[Kind(name=one.name, meaning=one.meaning, example=one.example) for one in KINDS.values()])
        )

    async def ask(self, request: Request, body: QuestionBody) -> Response:
        one = self._source(body.source)
        question = await run_in_threadpool(one.question)
        if question is None:
            raise RefusedError(409, (await run_in_threadpool(self._library.head, one)).why_not_ask)
        try:
            job = self.keeper.ask(
                self._parts.ask(question, body), source=one.id, scenarios=body.scenarios, each=body.each
            )
        except BusyError as error:
            raise RefusedError(429, str(error), wait_s=30) from error
        return _json(job, 202)

    async def jobs(self, request: Request) -> Response:
        return _json(Jobs(jobs=self.keeper.jobs()))

    async def job(self, request: Request) -> Response:
        return _json(self._job(request))

    async def stop(self, request: Request) -> Response:
        return _json(self.keeper.stop(self._job(request).id))

    async def answer(self, request: Request) -> Response:
        job = self._job(request)
        answer = self.keeper.answer(job.id)
        if answer is None:
            raise RefusedError(409, f"there is no answer: the question is {job.state}")
        return await run_in_threadpool(_bytes, json.dumps(answer, ensure_ascii=False).encode(), request)

    def _job(self, request: Request) -> Job:
        found = self.keeper.job(request.path_params["job"])
        if found is None:
            raise RefusedError(404, "there is no such question")
        return found

    # --- live -------------------------------------------------------------------------------------------------------

    async def events(self, request: Request) -> Response:
        last = request.headers.get("last-event-id", "")
        if not self.hub.take_place():
            raise RefusedError(503, "too many listen already", wait_s=10)
        hello = Hello(version=__version__, role=request.state.role)
        stream = self.hub.listen(hello, int(last) if last.isascii() and last.isdecimal() and len(last) < 16 else None)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def openapi(self, request: Request) -> Response:
        return _bytes(json.dumps(self._document).encode(), request)

    async def metrics(self, request: Request) -> Response:
        text = await run_in_threadpool(self._metrics)
        return Response(text, headers={"Cache-Control": "no-store"}, media_type=MEDIA)

    def _metrics(self) -> str:
        texts, sources = [], Counter[tuple[str, str]]()
        for one in self._library.sources():
            head = self._library.head(one)
            sources[head.kind, head.state] += 1
            if isinstance(one, Watched):
                with suppress(OSError, UnicodeDecodeError):
                    texts.append((one.folder / METRICS).read_text(encoding="utf-8"))
        return metrics_text(
            texts,
            Served(
                requests=dict(self.requests),
                refused=dict(self._parts.rules.refused),
                sources=sources,
                jobs=Counter(one.state for one in self.keeper.jobs()),
                listeners=self.hub.listeners,
            ),
        )

    @asynccontextmanager
    async def life(self, app: Starlette) -> AsyncIterator[None]:
        """Looks at the folders while the server lives; ends questions with it."""
        self.hub = Hub(self._parts.first_event)
        self.keeper = self._parts.keeper(lambda job: self.hub.tell("job", job))
        await run_in_threadpool(self._library.scan)
        async with AsyncExitStack() as stack:
            look = Look(self._library)
            task = asyncio.create_task(keep_looking(look, self.hub, self._parts.look_every_s, run_in_threadpool))
            stack.push_async_callback(self.keeper.close)
            stack.callback(self.hub.close)
            stack.callback(task.cancel)
            yield


def make_app(parts: Parts) -> ASGIApp:
    """The whole, guard included."""
    api = Api(parts)
    calls: dict[str, dict[str, Endpoint]] = {}
    for one in OPERATIONS:
        calls.setdefault(one.path, {})[one.method] = _endpoint(api, one)
    routes = [Route(path, _by_method(some), methods=list(some)) for path, some in calls.items()]
    routes.append(Route("/{file:path}", parts.page.answer, methods=["GET"], name="page"))
    app = Starlette(
        routes=routes,
        lifespan=api.life,
        exception_handlers={
            RefusedError: _refused,
            UnknownError: _unknown,
            ShadowLabError: _unreadable,
            HTTPException: _http,
            Exception: _defect,
        },
    )
    return Guard(app, parts.rules)


Endpoint = Callable[[Request], Awaitable[Response]]


def _by_method(calls: Mapping[str, Endpoint]) -> Endpoint:
    """One route for all calls of a path, so that it knows which methods there are."""

    async def endpoint(request: Request) -> Response:
        return await calls["GET" if request.method == "HEAD" else request.method](request)

    return endpoint


def _endpoint(api: Api, one: Operation) -> Endpoint:
    method = getattr(api, one.name)
    takes_query = bool(one.query.model_fields)

    async def endpoint(request: Request) -> Response:
        if one.operator and request.state.role != "operator":
            raise RefusedError(403, "this needs the role operator")
        query = _query(request, one.query)
        more: tuple[BaseModel, ...] = (query,) if takes_query else ()
        if one.body is not None:
            more = (*more, await _body(request, one.body))
        answer: Response = await method(request, *more)
        api.requests[request.method, answer.status_code] += 1
        return answer

    return endpoint


def _query(request: Request, kind: type[Query]) -> Query:
    given: dict[str, Any] = {}
    for name in request.query_params:
        values = request.query_params.getlist(name)
        about = kind.model_fields.get(name)
        many = about is not None and typing.get_origin(about.annotation) is list
        if not many and len(values) > 1:
            raise RefusedError(400, f"{name[:40]} is given twice")
        given[name] = values if many else values[0]
    return _valid(kind, given)


async def _body(request: Request, kind: type[BaseModel]) -> BaseModel:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise RefusedError(400, "the body must be application/json")
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > MOST_BODY:
                raise RefusedError(413, f"a request's body has at most {MOST_BODY} bytes")
    except ClientDisconnect as error:
        raise RefusedError(400, "the body ended early") from error
    try:
        given = json.loads(bytes(content))
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "the body is no JSON") from error
    if not isinstance(given, dict):
        raise RefusedError(400, "the body must be a JSON object")
    return _valid(kind, given)


_Model = typing.TypeVar("_Model", bound=BaseModel)


def _valid(kind: type[_Model], given: Mapping[str, Any]) -> _Model:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        words = "; ".join(f"{'.'.join(map(str, one['loc']))[:60]}: {one['msg']}" for one in faults[:5])
        raise RefusedError(400, words) from error


async def _read(request: Request, make: Callable[[], Document]) -> Response:
    """In a thread, the encoding too: a document may be large."""
    return await run_in_threadpool(lambda: _bytes(make().model_dump_json().encode(), request))


def _json(document: Document, status: int = 200) -> Response:
    return Response(document.model_dump_json(), status, media_type="application/json")


def _bytes(content: bytes, request: Request) -> Response:
    tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return problem(error.status, error.detail, wait_s=error.wait_s)


async def _unknown(request: Request, error: Exception) -> Response:
    return problem(404, str(error))


async def _unreadable(request: Request, error: Exception) -> Response:
    return problem(503, str(error)[:1000])


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code, error.detail)
    answer.headers.update(error.headers or {})
    return answer


async def _defect(request: Request, error: Exception) -> Response:
    return problem(500, "a defect of ShadowLab; the server's log has the details")


def page_at(folder: Path, lacks: str) -> Page:
    """The page of a folder."""
    from shadowlab.serve.web.static import page_files

    files = page_files(folder)
    return Page(files, lacks if lacks or "" in files else "This ShadowLab came without its page.")
