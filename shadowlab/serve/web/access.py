"""Who asks, and what they may: tokens, roles, sessions, rates.

In: tokens of a file, what a request carries, the time.  Out: a role, or nothing.  Never: a token kept in the clear, or
compared in a time that tells how much of it was right.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from shadowlab.errors import Fault, InputError
from shadowlab.model.units import NS_PER_S

Role = Literal["operator", "read-only"]
ROLES: tuple[Role, ...] = ("operator", "read-only")
LEAST_TOKEN = 16
MOST_TOKEN = 512
MOST_SESSIONS = 256
SESSION_NS = 12 * 3600 * NS_PER_S
MOST_CLIENTS = 1024


class Tokens:
    """Hashes of tokens, each with its role."""

    def __init__(self, roles: Mapping[str, Role]) -> None:
        self._known = [(hash_of(token), role) for token, role in roles.items()]

    def role_of(self, token: str) -> Role | None:
        """None for an unknown one.  Every known one is compared, whichever fits."""
        return self.role_of_hash(hash_of(token))

    def role_of_hash(self, given: bytes) -> Role | None:
        """The same of a token's :func:`hash_of`."""
        found = None
        for known, role in self._known:
            if hmac.compare_digest(known, given):
                found = role
        return found


def hash_of(token: str) -> bytes:
    """What is kept of a token, or of a session's name."""
    return hashlib.sha256(token.encode()).digest()


def read_tokens(text: str, *, name: str) -> Tokens:
    """Lines ``ROLE TOKEN``; empty lines and those that begin with ``#`` are passed over.  Raises InputError, which
    names lines, never tokens."""
    faults, found = [], {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        place = f"{name}:{number}"
        if len(words) != 2 or words[0] not in ROLES:
            faults.append(Fault(place=place, message=f"expected a role ({' or '.join(ROLES)}) and a token"))
        elif not LEAST_TOKEN <= len(words[1]) <= MOST_TOKEN or not words[1].isascii():
            faults.append(
                Fault(place=place, message=f"a token has {LEAST_TOKEN} to {MOST_TOKEN} letters, digits and signs")
            )
        elif words[1] in found:
            faults.append(Fault(place=place, message="this token is given twice"))
        else:
            found[words[1]] = next(one for one in ROLES if one == words[0])
    if not faults and not found:
        faults.append(Fault(place=name, message="holds no token; a line is ROLE TOKEN"))
    if faults:
        raise InputError(*faults)
    return Tokens(found)


class Sessions:
    """Browsers that showed a token, which holds as long as the token does.  ``secret`` makes a name that nobody
    guesses."""

    def __init__(self, secret: Callable[[], str]) -> None:
        self._secret = secret
        self._open: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()

    def begin(self, token: str, now_ns: int) -> str:
        """The name of a new session; the oldest one goes if there are too many."""
        name = self._secret()
        self._open[hash_of(name)] = (hash_of(token), now_ns + SESSION_NS)
        while len(self._open) > MOST_SESSIONS:
            self._open.popitem(last=False)
        return name

    def token_of(self, name: str, now_ns: int) -> bytes | None:
        """The hash of the token that it was opened with; None for one that ended."""
        found = self._open.get(hash_of(name))
        if found is None or found[1] <= now_ns:
            self._open.pop(hash_of(name), None)
            return None
        return found[0]

    def end(self, name: str) -> None:
        """Nothing happens for one that ended."""
        self._open.pop(hash_of(name), None)


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """``per_s`` on the average, ``burst`` at once."""

    per_s: float
    burst: float


class Rate:
    """A bucket per client that fills with time.  Of very many clients the longest unheard ones are forgotten."""

    def __init__(self, allowance: Allowance, most: int = MOST_CLIENTS) -> None:
        self._allowance, self._most = allowance, most
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait_s(self, client: str, now_ns: int) -> float:
        """0 if the client may go on, and that is counted; else how long it is to wait."""
        left, since_ns = self._left.pop(client, (self._allowance.burst, now_ns))
        left = min(self._allowance.burst, left + (now_ns - since_ns) / NS_PER_S * self._allowance.per_s)
        wait = 0.0 if left >= 1 else (1 - left) / self._allowance.per_s
        self._left[client] = (left - 1 if not wait else left, now_ns)
        while len(self._left) > self._most:
            self._left.popitem(last=False)
        return wait


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Of a request what decides whether it may be answered.  ``scheme``: http or https."""

    method: str
    scheme: str
    host: str | None
    origin: str | None = None
    fetch_site: str | None = None
    marked: bool = False
    """It carries the header that pages of others cannot send."""


def host_fault(asked: Asked, names: Iterable[str]) -> str:
    """Empty if the request names a host that we are, without regard to the port.  Else a page of somebody else may have
    led a browser here by a name of its own (DNS rebinding)."""
    name = host_name(asked.host or "")
    if name and any(_fits(name, one) for one in names):
        return ""
    return "this server does not go by that name: see the names of its certificate, or --name"


def forgery_fault(asked: Asked) -> str:
    """Empty if what would change something was asked by a page of ours or a program, not by a page of somebody else."""
    if asked.method in ("GET", "HEAD", "OPTIONS"):
        return ""
    if asked.origin is not None and asked.origin != f"{asked.scheme}://{asked.host}":
        return "a page of another origin asks"
    if asked.fetch_site not in (None, "same-origin", "none"):
        return "a page of another site asks"
    return "" if asked.marked else "the header X-ShadowLab is missing"


def host_name(host: str) -> str:
    """Without the port and the brackets, in small letters."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def _fits(name: str, pattern: str) -> bool:
    pattern = pattern.lower()
    if pattern.startswith("*."):
        first, _, rest = name.partition(".")
        return bool(first) and rest == pattern[2:]
    return name == pattern
