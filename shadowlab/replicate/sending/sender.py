"""The way to the receiver: HTTPS with mutual TLS and a token, one batch at a time.

In: frames.  Out: what the receiver answered, as one of four outcomes.
Never: an answer followed, executed or stored: of it a status, a number of seconds and a time are read, each bounded.
"""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shadowlab.errors import CannotRunError, InputError
from shadowlab.kernel.clock import now_ns
from shadowlab.kernel.sockets.sock_diag import cookie_of
from shadowlab.replicate.batch import CLOCK_PATH, Head, batch_path
from shadowlab.replicate.sending.frames import Frame
from shadowlab.replicate.sending.skew import ClockEstimate

PATIENCE_S = 30.0
_MOST_ANSWER_BYTES = 4096
_ASK_CLOCK_EVERY_NS = 60 * 10**9
NEVER_TO_BE_TAKEN = (400, 413)
"""Statuses of a batch that will be no better next time."""
Verdict = Literal["stored", "known", "refused", "later"]


@dataclass(frozen=True)
class Outcome:
    """``stored`` now, ``known`` from before, ``refused`` for good, or to be tried ``later``."""

    verdict: Verdict
    why: str = ""
    wait_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The files by which the two sides know each other."""

    authority: Path
    certificate: Path
    key: Path
    token: str


def client_context(identity: Identity) -> ssl.SSLContext:
    """TLS 1.3, both sides certified.  Raises InputError for files that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(identity.authority)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"{identity.authority}: no certificate of an authority: {_words(error)}") from error
    try:
        context.load_cert_chain(identity.certificate, identity.key)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"{identity.certificate}, {identity.key}: no certificate and key: {_words(error)}") from error
    return context


class Sender:
    """Keeps one connection while it works.  ``cookie`` names its socket in a dump; 0 while there is none."""

    def __init__(self, *, host: str, port: int, instance: str, context: ssl.SSLContext, token: str) -> None:
        self._host, self._port = host, port
        self._instance = instance
        self._context = context
        self._token = token
        self._connection: http.client.HTTPSConnection | None = None
        self._clock_asked_ns: int | None = None
        self.clock = ClockEstimate()
        self.cookie = 0

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self.cookie = None, 0

    def send(self, frame: Frame, *, oldest: int, boot: bytes, wall_ns: int) -> Outcome:
        """Put one batch.  ``oldest``: the least number of its stream that may still come; ``wall_ns``: now."""
        try:
            refused = self._ask_clock()
            if refused is not None:
                return refused
            mono_ns = now_ns()
            same_boot = frame.boot == boot and any(boot)
            moment = (frame.wall_ns, frame.mono_ns) if same_boot else (wall_ns, mono_ns)
            status, answer, wait_s = self._ask(
                "PUT",
                batch_path(Head(instance=self._instance, stream=frame.stream, sequence=frame.sequence, records=0)),
                frame.body,
                {
                    "Content-Type": "application/x-ndjson",
                    "Content-Encoding": frame.coding,
                    "Shadowlab-Oldest": str(oldest),
                    "Shadowlab-Clock-Offset-Ns": str(self.clock.correction_ns(wall_ns=moment[0], mono_ns=moment[1])),
                },
            )
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            return Outcome("later", _words(error))
        if status in (200, 201):
            return Outcome("stored" if status == 201 else "known")
        why = _told(status, answer)
        return Outcome("refused" if status in NEVER_TO_BE_TAKEN else "later", why, wait_s)

    def _ask_clock(self) -> Outcome | None:
        """Once per connection, and every minute; what the receiver refuses this with it refuses everything with."""
        now = now_ns()
        if (
            self._connection is not None
            and self._clock_asked_ns is not None
            and now - self._clock_asked_ns < _ASK_CLOCK_EVERY_NS
        ):
            return None
        if self._connection is None:
            self._connect()
        before = now_ns()
        status, answer, wait_s = self._ask("GET", CLOCK_PATH, None, {})
        after = now_ns()
        if status != 200:
            return Outcome("later", _told(status, answer), wait_s)
        told = answer.get("now_ns")
        if type(told) is int and 0 < told < 2**63:
            self.clock.observe(before, after, told)
        self._clock_asked_ns = after
        return None

    def _connect(self) -> None:
        connection = http.client.HTTPSConnection(self._host, self._port, context=self._context, timeout=PATIENCE_S)
        connection.connect()
        self._connection = connection
        self.cookie = cookie_of(connection.sock)

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any], float]:
        assert self._connection is not None
        self._connection.request(method, path, body, {"Authorization": f"Bearer {self._token}", **headers})
        response = self._connection.getresponse()
        text = response.read(_MOST_ANSWER_BYTES)
        wait = response.headers.get("Retry-After", "0")
        if response.will_close or not response.isclosed():
            self.close()
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = {}
        seconds = float(wait) if wait.isdecimal() and len(wait) < 6 else 0.0
        return response.status, answer if isinstance(answer, dict) else {}, seconds


def read_token(path: Path) -> str:
    """The token of a file.  Raises InputError if it holds none."""
    try:
        words = path.read_text("ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no token: {_words(error)}") from error
    if len(words) != 1:
        raise InputError(f"{path}: no token: expected one word, found {len(words)}")
    return words[0]


def split_target(url: str) -> tuple[str, int]:
    """Host and port of ``https://HOST:PORT``.  Raises InputError for anything else."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"{url}: {error}") from None
    if parts.scheme != "https" or not host or parts.path.strip("/") or parts.query or parts.username:
        raise InputError(f"{url[:100]}: expected https://HOST:PORT")
    return host, port or DEFAULT_PORT


DEFAULT_PORT = 8443


def _told(status: int, answer: dict[str, Any]) -> str:
    """For the log: whoever answers does not get to write to a terminal."""
    text = str(answer.get("error", ""))[:200]
    return f"{status} {''.join(one if one.isprintable() else '?' for one in text)}".strip()


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the receiver's certificate is not trusted: {error.verify_message}"
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


def need_http() -> None:
    """Raises CannotRunError where Python was built without TLS 1.3."""
    if not ssl.HAS_TLSv1_3:
        raise CannotRunError("this Python's TLS library lacks TLS 1.3 (OpenSSL 1.1.1 or newer has it)")
