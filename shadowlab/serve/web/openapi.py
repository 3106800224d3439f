"""The OpenAPI document, from the table of calls and the documents they answer with.

In: the table.  Out: OpenAPI 3.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shadowlab.serve.web.operations import OPERATIONS, Operation
from shadowlab.serve.web.problem import PROBLEM, Problem

_REF = "#/components/schemas/{model}"
_PARAMETERS = re.compile(r"\{([a-z]+)\}")
_GUARD = (413, 421, 429)


def openapi(version: str, *, guarded: bool) -> dict[str, Any]:
    """The same document for the same version.  ``guarded``: whoever asks has to show a token."""
    answers = {one.answer for one in OPERATIONS if one.answer is not None} | {Problem}
    bodies = {one.body for one in OPERATIONS if one.body is not None}
    named: list[tuple[type[BaseModel], Any]] = [
        *((one, "serialization") for one in sorted(answers, key=lambda one: one.__name__)),
        *((one, "validation") for one in sorted(bodies, key=lambda one: one.__name__)),
    ]
    _, schemas = models_json_schema(named, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, guarded)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ShadowLab",
            "version": version,
            "description": "Runs and watches, what-if questions, live events. See docs/reference/api.md.",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "shadowlab"},
            },
        },
        "security": [{"token": []}, {"session": []}] if guarded else [],
    }


def _operation(one: Operation, guarded: bool) -> dict[str, Any]:
    faults = {*one.faults, *_GUARD}
    if guarded and not one.public:
        faults.add(401)
    if one.method != "GET":
        faults.add(403)
    found: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "parameters": list(_parameters(one)),
        "responses": {
            str(one.status): {"description": HTTPStatus(one.status).phrase, "content": _content(one)},
            **{str(status): _refusal(status) for status in sorted(faults)},
        },
    }
    if one.body is not None:
        schema = {"$ref": _REF.format(model=one.body.__name__)}
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if one.public:
        found["security"] = []
    return found


def _content(one: Operation) -> dict[str, Any]:
    if one.answer is not None:
        return {one.media: {"schema": {"$ref": _REF.format(model=one.answer.__name__)}}}
    kind = "object" if one.media == "application/json" else "string"
    return {one.media: {"schema": {"type": kind}}}


def _refusal(status: int) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=Problem.__name__)}
    return {"description": HTTPStatus(status).phrase, "content": {PROBLEM: {"schema": schema}}}


def _parameters(one: Operation) -> Iterable[dict[str, Any]]:
    for name in _PARAMETERS.findall(one.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    schema = one.query.model_json_schema()
    for name, about in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        about = {key: value for key, value in about.items() if key != "title"}
        if "anyOf" in about:  # what may be left out is no null in a URL
            about = next(each for each in about["anyOf"] if each.get("type") != "null")
        yield {"name": name, "in": "query", "required": required, "schema": about}
    if one.method != "GET":
        yield {
            "name": "X-ShadowLab",
            "in": "header",
            "required": True,
            "description": "Anything: pages of others cannot send it",
            "schema": {"type": "string", "minLength": 1, "pattern": "^[!-~]+$"},
        }
    if one.name == "events":
        yield {"name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string"}}
