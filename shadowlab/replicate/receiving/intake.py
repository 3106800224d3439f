"""What the receiver does with one request, apart from HTTP: judge, check, store, count.

In: a peer's certificate and what it sent.  Out: a status and a document.
Never: an exception for anything a peer sends.
"""

from __future__ import annotations

import errno
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shadowlab.errors import InputError
from shadowlab.kernel.clock import Clock
from shadowlab.model.telemetry import TcpRecord, record_of
from shadowlab.replicate.batch import (
    MOST_PACKED_BYTES,
    BatchError,
    Head,
    TooLargeError,
    decode_batch,
    instance_path,
    unpack,
)
from shadowlab.replicate.receiving.admission import (
    Bucket,
    Rates,
    Refusal,
    Tokens,
    instance_of_path,
    judge_peer,
    names_of,
)
from shadowlab.replicate.receiving.instance_store import SEGMENT_BYTES, InstanceStore
from shadowlab.replicate.receiving.retention import EVERY_NS, Keep, remove_old
from shadowlab.replicate.receiving.watched_file import WatchedFile

MOST_OPEN = 200
"""Instances whose files are kept open."""
_UNPACKED_AT_ONCE = 4
"""Batches unpacked at the same time: they are what takes memory."""
_MOST_OFFSET_NS = 2**62
_PATH = re.compile(r"/v1/instances/([^/?#]+)/streams/([0-9a-f]{16})/batches/([1-9][0-9]{0,18})")
_NUMBER = re.compile(r"-?[0-9]{1,19}")
_MOMENTS = ("at_ns", "from_ns", "opened_ns", "closed_ns")
LARGEST = 2**63


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    document: dict[str, Any]
    retry_s: int = 0


class _Instance:
    def __init__(self, store: InstanceStore, bucket: Bucket) -> None:
        self.lock = threading.Lock()
        self.store = store
        self.bucket = bucket
        self.used = 0


class Intake:
    """Shared by all connections."""

    def __init__(
        self,
        folder: Path,
        *,
        tokens: WatchedFile[Tokens],
        revoked: WatchedFile[frozenset[int]] | None,
        clock: Clock,
        say: Callable[[str], None],
        rates: Rates | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        keep: Keep | None = None,
    ) -> None:
        self._folder = folder
        self._keep = keep
        self._next_look_ns = 0
        self._tokens, self._revoked = tokens, revoked
        self._clock, self._say = clock, say
        self._rates = rates or Rates()
        self._segment_bytes = segment_bytes
        self._instances: dict[str, _Instance] = {}
        self._lock = threading.Lock()
        self._unpacking = threading.BoundedSemaphore(_UNPACKED_AT_ONCE)
        self._uses = 0
        self._closed = False
        self.counts: Counter[tuple[str, str]] = Counter()
        """(Instance as its certificate names it, what happened) to how often."""

    def remove_old(self) -> None:
        """Remove segments that are not to be kept, if it is time to look; to be called now and then."""
        if self._keep is None:
            return
        with self._lock:
            if self._clock.now_ns() < self._next_look_ns:
                return
            self._next_look_ns = self._clock.now_ns() + EVERY_NS
        removed = remove_old(self._folder, self._keep, now_ns=self._clock.wall_ns(), say=self._say)
        if removed:
            with self._lock:
                self.counts["receiver", "old segments removed"] += removed

    def close(self) -> None:
        """Close every file; batches under way are finished first, later ones are not taken."""
        self._closed = True
        for one in list(self._instances.values()):
            with one.lock:
                one.store.close()

    def count(self, name: str, what: str, words: str = "") -> None:
        """Count something; told at the first, the tenth, the hundredth time."""
        with self._lock:
            self.counts[name, what] += 1
            times = self.counts[name, what]
        if words and str(times).strip("0") == "1":
            self._say(f"{name}: {what}{f' ({times} times)' if times > 1 else ''}: {words}")

    def tell_time(self, certificate: Mapping[str, Any], authorization: str) -> Answer:
        """Our wall clock, for an agent's estimate of its own."""
        refusal = self._judge(certificate, authorization, None)
        return self._refuse(certificate, refusal) if refusal else Answer(200, {"now_ns": self._clock.wall_ns()})

    def put(self, certificate: Mapping[str, Any], headers: Mapping[str, str], path: str, body: bytes) -> Answer:
        """One batch.  ``headers`` has lower-case names."""
        match = _PATH.fullmatch(path)
        instance = instance_of_path(match[1]) if match else None
        if match is None or instance is None:
            return self._refuse(certificate, Refusal(404, "no such place", "there is no such place"))
        refusal = self._judge(certificate, headers.get("authorization", ""), instance)
        if self._closed and refusal is None:
            refusal = Refusal(503, "not ready", "the receiver is ending", retry_s=5)
        if refusal is not None:
            return self._refuse(certificate, refusal)
        one = self._instance(instance)
        with one.lock:
            refusal = one.bucket.take(len(body), self._clock.now_ns())
        if refusal is not None:
            return self._refuse(certificate, refusal)
        stream, sequence = match[2], int(match[3])
        oldest = _number(headers.get("shadowlab-oldest", "1"))
        offset = _number(headers.get("shadowlab-clock-offset-ns", "0"))
        if oldest is None or oldest < 1 or offset is None or abs(offset) > _MOST_OFFSET_NS:
            return self._refuse(certificate, Refusal(400, "malformed", "a header is no number, or out of range"))
        try:
            with one.lock:
                judgement = one.store.judge(stream, sequence, oldest)
            if judgement == "new":
                with self._unpacking:
                    return self._take(
                        instance,
                        one,
                        Head(instance=instance, stream=stream, sequence=sequence, records=0),
                        oldest,
                        offset,
                        headers.get("content-encoding", ""),
                        body,
                    )
        except TooLargeError as error:
            return self._refuse(certificate, Refusal(413, "too large", str(error)))
        except BatchError as error:
            return self._refuse(certificate, Refusal(400, "malformed", str(error)))
        except OSError as error:
            return self._refuse(certificate, _disk(error))
        return self._judged(instance, judgement)

    def _take(
        self, instance: str, one: _Instance, named: Head, oldest: int, offset: int, coding: str, body: bytes
    ) -> Answer:
        if len(body) > MOST_PACKED_BYTES:
            raise TooLargeError(f"more than {MOST_PACKED_BYTES} bytes")
        head, records = decode_batch(unpack(coding, body))
        if (head.instance, head.stream, head.sequence) != (named.instance, named.stream, named.sequence):
            raise BatchError("line 1: the head names another batch than the path")
        if offset:
            records = [_moved(record, offset) for record in records]
        with one.lock:
            if self._closed:
                return Answer(503, {"error": "the receiver is ending"}, 5)
            judgement = one.store.judge(head.stream, head.sequence, oldest)  # the same may have come twice at once
            if judgement == "new":
                missing = one.store.missing
                one.store.store(head.stream, head.sequence, oldest, records)
                missing = one.store.missing - missing
                with self._lock:
                    self.counts[instance, "records"] += len(records)
                    self.counts[instance, "missing"] += missing
                if missing:
                    self._say(f"{instance}: {missing} batches were given up by the agent before they came")
        self._close_unused()
        self.remove_old()
        return self._judged(instance, judgement, len(records))

    def _judged(self, instance: str, judgement: str, records: int = 0) -> Answer:
        if judgement == "new":
            self.count(instance, "stored")
            return Answer(201, {"stored": records})
        if judgement == "known":
            self.count(instance, "known")
            return Answer(200, {"known": True})
        words = "the number is too far ahead of those before it"
        self.count(instance, "too far ahead", words)
        return Answer(409, {"error": words})

    def _judge(self, certificate: Mapping[str, Any], authorization: str, instance: str | None) -> Refusal | None:
        try:
            tokens = self._tokens.value()
            revoked = self._revoked.value() if self._revoked is not None else frozenset()
        except InputError as error:
            self.count("receiver", "misconfigured", str(error))
            return Refusal(503, "not ready", "the receiver cannot tell who may write", retry_s=10)
        return judge_peer(certificate, authorization, instance, tokens=tokens, revoked=revoked)

    def _refuse(self, certificate: Mapping[str, Any], refusal: Refusal) -> Answer:
        self.count(min(names_of(certificate), default="nobody"), refusal.reason, refusal.words)
        return Answer(refusal.status, {"error": refusal.words}, refusal.retry_s)

    def _instance(self, name: str) -> _Instance:
        with self._lock:
            self._uses += 1
            if name not in self._instances:
                store = InstanceStore(self._folder / instance_path(name), segment_bytes=self._segment_bytes)
                self._instances[name] = _Instance(store, Bucket(self._rates, self._clock.now_ns()))
            one = self._instances[name]
            one.used = self._uses
            return one

    def _close_unused(self) -> None:
        if len(self._instances) <= MOST_OPEN:
            return
        with self._lock:
            unused = sorted(self._instances.values(), key=lambda one: -one.used)[MOST_OPEN:]
        for one in unused:
            with one.lock:
                one.store.close()


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None


def _moved(record: TcpRecord, offset_ns: int) -> TcpRecord:
    """The record with every moment moved.  Raises BatchError if one leaves the range."""
    fields = dict(record.__dict__)
    for name in _MOMENTS:
        if (moment := fields.get(name)) is not None:
            fields[name] = moment + offset_ns
            if not 0 <= fields[name] < LARGEST:
                raise BatchError(f"the clock's correction moves {name} out of range")
    return record_of(fields)


def _disk(error: OSError) -> Refusal:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    words = "the receiver's disk is full" if full else "the receiver cannot write"
    return Refusal(507 if full else 500, "disk full" if full else f"disk: {error.strerror}", words, retry_s=5)
