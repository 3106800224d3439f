"""Who may write what, and how fast.  Pure: the moment is an argument.

In: a peer's certificate, a token, an instance, a moment.  Out: a refusal in words and as an HTTP status, or none.
Never: a credential that writes another's instance; a comparison of secrets that tells by its time how much was right.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from shadowlab.errors import Fault, InputError
from shadowlab.replicate.batch import instance_path

LEAST_TOKEN = 16
_SECOND_NS = 10**9


@dataclass(frozen=True)
class Refusal:
    """Why not.  ``reason`` is what it is counted under."""

    status: int
    reason: str
    words: str
    retry_s: int = 0


def names_of(certificate: Mapping[str, Any]) -> set[str]:
    """The names a peer's certificate (as ``getpeercert`` has it) stands for: its common names and its DNS names."""
    subject = certificate.get("subject", ())
    names = {value for part in subject for kind, value in part if kind == "commonName"}
    return names | {value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"}


def serial_of(certificate: Mapping[str, Any]) -> int:
    """Its serial number; -1 if it tells none, which no list of revoked ones holds."""
    try:
        return int(str(certificate.get("serialNumber", "-1")), 16)
    except ValueError:
        return -1


class Tokens:
    """Which token each instance shows."""

    def __init__(self, by_instance: Mapping[str, str], anybody: str | None = None) -> None:
        self._by_instance = dict(by_instance)
        self._anybody = anybody

    def fits(self, instance: str, authorization: str) -> bool:
        """Whether ``Bearer TOKEN`` is what this instance shows."""
        wanted = self._by_instance.get(instance, self._anybody)
        scheme, _, shown = authorization.partition(" ")
        return wanted is not None and scheme == "Bearer" and hmac.compare_digest(shown.encode(), wanted.encode())


def read_tokens(text: str, *, name: str) -> Tokens:
    """Lines ``INSTANCE TOKEN``, the instance quoted as in a URL, or one line ``TOKEN`` for all others.

    Raises InputError naming every wrong line, never the token.
    """
    by_instance: dict[str, str] = {}
    anybody = None
    faults: list[Fault | str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) > 2:
            faults.append(Fault(place=f"{name}:{number}", message="expected INSTANCE TOKEN, or TOKEN"))
        elif len(words[-1]) < LEAST_TOKEN or not words[-1].isascii():
            faults.append(
                Fault(place=f"{name}:{number}", message=f"a token has {LEAST_TOKEN} ASCII characters or more")
            )
        elif len(words) == 1:
            anybody = words[0]
        else:
            by_instance[unquote(words[0])] = words[1]
    if faults:
        raise InputError(*faults)
    if not by_instance and anybody is None:
        raise InputError(Fault(place=name, message="no token"))
    return Tokens(by_instance, anybody)


def judge_peer(
    certificate: Mapping[str, Any], authorization: str, instance: str | None, *, tokens: Tokens, revoked: frozenset[int]
) -> Refusal | None:
    """Whether this peer may speak for ``instance``; None is for a question that concerns no instance."""
    names = names_of(certificate)
    if serial_of(certificate) in revoked:
        return Refusal(403, "revoked", "this certificate is revoked")
    if instance is not None and instance not in names:
        return Refusal(403, "another's instance", f"this certificate is not that of instance {instance[:70]!r}")
    if not any(tokens.fits(one, authorization) for one in ([instance] if instance is not None else names)):
        return Refusal(401, "token", "the token is missing or wrong")
    return None


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What an instance may send in the long run, and at once."""

    batches_per_s: float = 50.0
    batches_at_once: float = 500.0
    bytes_per_s: float = 16e6
    bytes_at_once: float = 64e6


class Bucket:
    """One instance's allowance: tokens flow in evenly, and each batch takes one, and as many bytes as it has."""

    def __init__(self, rates: Rates, at_ns: int) -> None:
        self._rates = rates
        self._at_ns = at_ns
        self._batches, self._bytes = rates.batches_at_once, rates.bytes_at_once

    def take(self, size_bytes: int, at_ns: int) -> Refusal | None:
        """Take for one batch; a refusal takes nothing and says when to come again."""
        passed_s = max(0, at_ns - self._at_ns) / _SECOND_NS
        self._at_ns = max(self._at_ns, at_ns)
        rates = self._rates
        self._batches = min(rates.batches_at_once, self._batches + passed_s * rates.batches_per_s)
        self._bytes = min(rates.bytes_at_once, self._bytes + passed_s * rates.bytes_per_s)
        size = min(float(size_bytes), rates.bytes_at_once)  # the largest batch must come through some day
        short_s = max((1 - self._batches) / rates.batches_per_s, (size - self._bytes) / rates.bytes_per_s)
        if short_s > 0:
            return Refusal(429, "too fast", "too much at once", retry_s=int(short_s) + 1)
        self._batches -= 1
        self._bytes -= size
        return None


def instance_of_path(quoted: str) -> str | None:
    """The instance that a step of a path names; None if it is not written as we write it."""
    instance = unquote(quoted)
    try:
        return instance if instance_path(instance) == quoted else None
    except ValueError:
        return None
