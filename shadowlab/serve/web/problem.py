"""What went wrong, as RFC 9457 has it.

In: a status and words.  Out: an answer.
"""

from __future__ import annotations

import json
import math
from http import HTTPStatus

from pydantic import Field
from starlette.responses import Response

from shadowlab.serve.picture.shapes import Document

PROBLEM = "application/problem+json"


class Problem(Document):
    """``detail`` is for people."""

    title: str
    status: int = Field(ge=400, le=599)
    detail: str


class RefusedError(Exception):
    """The request is answered with this status."""

    def __init__(self, status: int, detail: str, *, wait_s: float | None = None) -> None:
        self.status, self.detail, self.wait_s = status, detail, wait_s
        super().__init__(detail)


def problem(status: int, detail: str, *, wait_s: float | None = None) -> Response:
    """``wait_s``: when it is worth trying again."""
    words = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    headers = {} if wait_s is None else {"Retry-After": str(max(1, math.ceil(wait_s)))}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="shadowlab"'
    return Response(json.dumps(words, ensure_ascii=False), status, headers, media_type=PROBLEM)
