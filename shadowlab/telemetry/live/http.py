"""One GET of JSON: no redirect followed, no proxy, a certificate that is checked, an answer of a bounded size and time.

In: an address, a path, a token.  Out: the body, or :class:`InputError` that names the address and the cure.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from shadowlab.errors import Fault, InputError
from shadowlab.model.units import NS_PER_S

MOST_BYTES = 64 << 20
_BLOCK = 1 << 16
_SHOWN = 300


@dataclass(frozen=True, kw_only=True)
class Site:
    """``base`` is what stands before the path: scheme, host, port, a prefix if there is one.  ``token_file`` and
    ``ca_file`` are read at every request: a new token is taken up."""

    base: str
    token_file: Path | None = None
    ca_file: Path | None = None
    patience_ns: int = 20 * NS_PER_S
    """For a whole answer."""
    most_bytes: int = MOST_BYTES


@dataclass(frozen=True, kw_only=True)
class Answer:
    """``body`` of any status but a redirect."""

    status: int
    body: bytes

    @property
    def words(self) -> str:
        """The beginning of the body on one line."""
        return " ".join(self.body[: 4 * _SHOWN].decode("utf-8", "replace").split())[:_SHOWN]


def site_fault(url: str, *, with_token: bool) -> str:
    """What is wrong with an address of a configuration file; empty if nothing is."""
    parts = urlsplit(url)
    try:
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError as error:
        return f"{error}: expected an address like http://127.0.0.1:9090"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "expected an address of the scheme http or https, like http://127.0.0.1:9090"
    if parts.username or parts.password:
        return "holds a password, which process lists and logs would show: use `token_file`"
    if parts.query or parts.fragment:
        return "ends with its path; what stands behind ? or # is ours to say"
    if with_token and parts.scheme == "http" and not is_loopback(parts.hostname):
        return "would send the token in the clear: use https, or an address of loopback"
    return ""


def is_loopback(host: str) -> bool:
    """Of a host's name or address."""
    return host == "localhost" or host == "::1" or (host.startswith("127.") and host.count(".") == 3)


def get(site: Site, path: str, *, now_ns: Callable[[], int]) -> Answer:
    """``now_ns`` is a monotonic clock.  Raises InputError."""
    parts = urlsplit(site.base)
    assert parts.hostname is not None  # the configuration was checked
    ends_ns = now_ns() + site.patience_ns
    headers = {"Accept": "application/json", "User-Agent": "shadowlab", **_authorisation(site)}
    try:
        connection = _connection(site, parts.scheme, parts.hostname, parts.port)
        try:
            connection.request("GET", parts.path.rstrip("/") + path, headers=headers)
            line = connection.sock  # which the answer takes over where it is the connection's last
            with connection.getresponse() as answer:
                if 300 <= answer.status < 400:
                    target = answer.getheader("Location", "")[:_SHOWN]
                    raise _fault(
                        site, f"answers with a redirect to {target!r}, which is not followed: name that address"
                    )
                return Answer(status=answer.status, body=_body(site, line, answer, ends_ns, now_ns))
        finally:
            connection.close()
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message or str(error)
        raise _fault(site, f"shows a certificate that does not hold: {why}; name its authority in `ca_file`") from error
    except TimeoutError as error:
        raise _late(site) from error
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise _fault(site, f"cannot be asked: {why}; is it running, and may this machine reach it?") from error


def _authorisation(site: Site) -> dict[str, str]:
    if site.token_file is None:
        return {}
    try:
        token = site.token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Fault(place=str(site.token_file), message=f"the token cannot be read: {error}")) from error
    if not token or not token.isprintable():
        raise InputError(Fault(place=str(site.token_file), message="holds no token: one line of printable characters"))
    return {"Authorization": f"Bearer {token}"}


def _connection(site: Site, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    seconds = site.patience_ns / NS_PER_S
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        context = ssl.create_default_context(cafile=str(site.ca_file) if site.ca_file else None)
    except OSError as error:
        raise InputError(Fault(place=str(site.ca_file), message=f"holds no certificates: {error}")) from error
    return http.client.HTTPSConnection(host, port, timeout=seconds, context=context)


def _body(
    site: Site,
    line: socket.socket,
    answer: http.client.HTTPResponse,
    ends_ns: int,
    now_ns: Callable[[], int],
) -> bytes:
    found: list[bytes] = []
    size = 0
    while True:
        left_ns = ends_ns - now_ns()
        if left_ns <= 0:
            raise _late(site)
        with suppress(OSError):  # the last block was read, and closed it
            line.settimeout(left_ns / NS_PER_S)
        block = answer.read1(_BLOCK)
        if not block:
            return b"".join(found)
        size += len(block)
        if size > site.most_bytes:
            bound = f"answers with more than {site.most_bytes >> 20} MB"
            raise _fault(site, f"{bound}: ask for less, with narrower queries or a longer step")
        found.append(block)


def _late(site: Site) -> InputError:
    seconds = site.patience_ns / NS_PER_S
    return _fault(site, f"did not answer in full within {seconds:g} s: is the query too heavy, or the network slow?")


def _fault(site: Site, words: str) -> InputError:
    return InputError(Fault(place=site.base, message=words))
