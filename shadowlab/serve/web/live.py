"""Events for whoever listens, and the look at the folders that makes them.

In: sources, jobs.  Out: server-sent events; who was away hears what it missed, or that it missed too much.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from shadowlab.errors import ShadowLabError
from shadowlab.serve.picture.library import Library
from shadowlab.serve.picture.shapes import Document, Entry, Source
from shadowlab.serve.picture.source import Shown

MOST_LISTENERS = 64
MOST_EVENTS = 1000
BEAT_S = 15.0


class Gone(Document):
    id: str


class Samples(Document):
    """Series of the source are known up to there."""

    source: str
    until_s: float


class IncidentTold(Document):
    source: str
    incident: str
    entry: Entry
    severity: str
    title: str


class Hello(Document):
    version: str
    role: str


class Hub:
    """Numbers go on where those of an earlier server ended: ``first`` is one that none had yet."""

    def __init__(self, first: int) -> None:
        self._next = first
        self._events: deque[tuple[int, str]] = deque(maxlen=MOST_EVENTS)
        self._news = asyncio.Event()
        self.listeners = 0
        self.closed = False

    def tell(self, name: str, document: Document) -> None:
        """To everybody, now and later.  On the event loop."""
        self._events.append((self._next, event(name, document.model_dump_json(), self._next)))
        self._next += 1
        self._wake()

    def close(self) -> None:
        """Everybody's stream ends."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def take_place(self) -> bool:
        """Whether one more may listen; :meth:`listen` gives the place back."""
        if self.listeners >= MOST_LISTENERS:
            return False
        self.listeners += 1
        return True

    async def listen(self, hello: Hello, after: int | None) -> AsyncIterator[str]:
        """A stream that begins behind the event ``after``; with what is to come for None."""
        try:
            yield "retry: 2000\n" + event("hello", hello.model_dump_json(), self._next - 1 if after is None else None)
            at = self._next if after is None else after + 1
            oldest = self._events[0][0] if self._events else self._next
            if at < oldest or at > self._next:
                at = self._next
                yield event("reset", "{}", self._next - 1)
            while not self.closed:
                news = self._news
                for number, text in list(self._events):
                    if number >= at:
                        at = number + 1
                        yield text
                if at < self._next:
                    continue
                try:
                    await asyncio.wait_for(news.wait(), BEAT_S)
                except TimeoutError:
                    yield ": beat\n\n"
        finally:
            self.listeners -= 1


def event(name: str, data: str, number: int | None) -> str:
    """As the HTML standard has it.  ``data`` is one line."""
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {name}\ndata: {data}\n\n"


@dataclass
class _Seen:
    head: Source
    until_s: float | None
    entries: frozenset[tuple[str, float, str, str]]


class Look:
    """What changed since the last look."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._seen: dict[str, _Seen] = {}
        self._first = True

    def look(self) -> list[tuple[str, Document]]:
        """Name and document of every event.  Reads files: not for an event loop."""
        self._library.scan()
        found: list[tuple[str, Document]] = []
        names = set()
        for one in self._library.sources():
            names.add(one.id)
            found += self._of(one)
        for name in sorted(set(self._seen) - names):
            del self._seen[name]
            found.append(("gone", Gone(id=name)))
        if self._first:
            self._first, found = False, []
        return found

    def _of(self, one: Shown) -> list[tuple[str, Document]]:
        head, before = self._library.head(one), self._seen.get(one.id)
        if before is not None and before.head == head and head.state != "going on":
            return []
        found: list[tuple[str, Document]] = []
        until_s, told = None, {}
        try:
            until_s = one.known_until_s()
            told = self._entries(one)
        except ShadowLabError:
            pass  # its head says that it cannot be read
        if before is None or before.head != head:
            found.append(("source", head))
        if until_s is not None and (before is None or before.until_s != until_s):
            found.append(("samples", Samples(source=one.id, until_s=until_s)))
        known = before.entries if before else frozenset()
        found += [("incident", document) for key, document in told.items() if key not in known]
        self._seen[one.id] = _Seen(head, until_s, frozenset(told))
        return found

    def _entries(self, one: Shown) -> dict[tuple[str, float, str, str], IncidentTold]:
        if one.known_until_s() is not None:
            return {}
        found = {}
        for head in one.incidents().incidents:
            for entry in one.incident(head.id).timeline if head.open or head.id in self._known(one) else ():
                found[head.id, entry.at_s, entry.kind, entry.text] = IncidentTold(
                    source=one.id, incident=head.id, entry=entry, severity=head.severity, title=head.title
                )
        return found

    def _known(self, one: Shown) -> set[str]:
        """Incidents that were told of: what becomes of them is told too."""
        before = self._seen.get(one.id)
        return {key[0] for key in before.entries} if before else set()


async def keep_looking(
    look: Look, hub: Hub, every_s: float, in_thread: Callable[[Callable[[], list[tuple[str, Document]]]], object]
) -> None:
    """Until cancelled."""
    while True:
        for name, document in await in_thread(look.look):  # type: ignore[misc]
            hub.tell(name, document)
        await asyncio.sleep(every_s)
