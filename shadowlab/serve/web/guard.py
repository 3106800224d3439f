"""What every request passes: host, rate, size, role, forgery; and the headers of every answer.

In: an ASGI application.  Out: one that answers only whom it should.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shadowlab.serve.web.access import (
    Allowance,
    Asked,
    Rate,
    Role,
    Sessions,
    Tokens,
    forgery_fault,
    host_fault,
)
from shadowlab.serve.web.problem import problem

COOKIE = "shadowlab"
MARK = "x-shadowlab"
MOST_BODY = 64 << 10
API = "/api/"
SESSION = "/api/v1/session"
PROTECTED = (API, "/metrics")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HSTS = "max-age=31536000"


@dataclass(kw_only=True)
class Rules:
    """``names``: those that this server goes by.  ``tokens``: the present ones, or None where whoever reaches the port
    is an operator."""

    names: tuple[str, ...]
    tokens: Callable[[], Tokens] | None
    now_ns: Callable[[], int]
    requests: Allowance = Allowance(per_s=50, burst=300)
    logins: Allowance = Allowance(per_s=0.1, burst=8)
    sessions: Sessions = field(default_factory=lambda: Sessions(lambda: secrets.token_urlsafe(32)))
    refused: dict[int, int] = field(default_factory=dict)
    """How many requests were refused here, by status."""


class Guard:
    """The outermost layer.  Puts ``role`` into the request's state."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app, self._rules = app, rules
        self._rate, self._logins = Rate(rules.requests), Rate(rules.logins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        secure = scope.get("scheme") == "https"

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    found.setdefault(name, value)
                if secure:
                    found.setdefault("Strict-Transport-Security", _HSTS)
                if scope["path"].startswith(API):
                    found.setdefault("Cache-Control", "no-store")
                elif found.get("content-type", "").startswith("text/html"):
                    found["Cache-Control"] = "no-cache"
            await send(message)

        fault = self._fault(scope, headers)
        if fault is not None:
            status, words, wait_s = fault
            self._rules.refused[status] = self._rules.refused.get(status, 0) + 1
            await problem(status, words, wait_s=wait_s)(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    def _fault(self, scope: Scope, headers: Headers) -> tuple[int, str, float | None] | None:
        """Status, words and time to wait of a refusal."""
        rules, now_ns = self._rules, self._rules.now_ns()
        client = (scope.get("client") or ("",))[0]
        asked = Asked(
            method=scope["method"],
            scheme=scope.get("scheme", "http"),
            host=headers.get("host"),
            origin=headers.get("origin"),
            fetch_site=headers.get("sec-fetch-site"),
            marked=bool(headers.get(MARK)),
        )
        if words := host_fault(asked, rules.names):
            return 421, words, None
        if wait_s := self._rate.wait_s(client, now_ns):
            return 429, "too many requests", wait_s
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST_BODY:
            return 413, f"a request's body has at most {MOST_BODY} bytes", None
        login = scope["path"] == SESSION and asked.method == "POST"
        if login and (wait_s := self._logins.wait_s(client, now_ns)):
            return 429, "too many tries", wait_s
        role = self._role(headers, now_ns)
        scope.setdefault("state", {})["role"] = role
        if role is None and scope["path"].startswith(PROTECTED) and scope["path"] != SESSION:
            return 401, "a token is needed: Authorization: Bearer, or POST it to /api/v1/session", None
        if words := forgery_fault(asked):
            return 403, words, None
        return None

    def _role(self, headers: Headers, now_ns: int) -> Role | None:
        if self._rules.tokens is None:
            return "operator"
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._rules.tokens().role_of(shown.strip())
        name = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        token = self._rules.sessions.token_of(name, now_ns) if name else None
        return self._rules.tokens().role_of_hash(token) if token else None
