"""How large a packet may be to come through a way whole (RFC 1191, RFC 8201), found by packets that nobody may cut.

In: questions.  Out: the path's MTU and who limits it.  Imported inside the guest: standard library only.

A packet as large as the first interface allows is sent.  The node that cannot pass it on says so and tells its link's
MTU, which is tried next, until one arrives.  Where packets vanish without a word the size is halved in on, between the
least that every link must carry and the last that vanished (RFC 4821's black hole).
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence

from shadowlab.kernel.loop import Loop
from shadowlab.kernel.sockets.stamped import Trouble
from shadowlab.monitor.probe_sockets import ProbeDoor
from shadowlab.monitor.tracing.by_ttl import Books
from shadowlab.monitor.tracing.ends import Ends
from shadowlab.monitor.tracing.question import PathMtu, Question

LEAST_BYTES, LEAST_BYTES6 = 68, 1280
_LARGEST_BYTES = 65_535
_TRIES = 3
"""Packets of a size that vanish before the size is called too large."""
_MOST_SIZES = 64
WAIT_NS = 1_000_000_000


class _Way:
    """One question while it is asked."""

    def __init__(self, finder: MtuFinder, question: Question, index: int, on_done: Callable[[PathMtu], None]) -> None:
        self._finder = finder
        self._question = question
        self._on_done = on_done
        book = finder.books.addresses6 if question.ipv6 else finder.books.addresses
        self._ends = Ends(
            loop=finder.loop, segment=finder.segment, question=question, addresses=book, index=index, hears=self
        )
        # What passes for sure; and what for sure does not.
        self._passes, self._fails = 0, _LARGEST_BYTES + 1
        self._size = _LARGEST_BYTES
        self._number = self._tries = 0
        self._limited_by = ""
        self._told = True
        self._done = False

    def start(self) -> None:
        try:
            self._ends.open(whole=True)
        except BaseException:
            self._ends.close()
            raise
        self._send()

    def on_arrival(self, number: int, at_ns: int) -> None:
        if number == self._number and not self._done:
            self._passes = self._size
            self._next()

    def on_answer(self, number: int, at_ns: int) -> None:
        """Nothing: nobody answers."""

    def on_trouble(self, number: int | None, trouble: Trouble) -> None:
        """A link's MTU, from who stands before it; 0, which says nothing, of any other error."""
        told = trouble.error.info
        if self._done or not LEAST_BYTES <= told < self._size or (number is not None and number != self._number):
            return
        self._fails = self._size
        self._limited_by = self._finder.books.owners.get(trouble.error.offender, trouble.error.offender)
        self._try(told)

    def _send(self) -> None:
        self._number += 1
        number = self._number
        loop = self._finder.loop
        try:
            self._ends.send(number, packet_bytes=self._size)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                self._on_refused(number)
                return  # any other is of a packet before, or as good as a loss
        loop.at(loop.clock.now_ns() + self._finder.wait_ns, lambda _due: self._on_time(number))

    def _on_refused(self, number: int) -> None:
        """The sender's own kernel refuses it: mostly with its interface's MTU, on the error queue."""
        self._ends.look()
        if number == self._number and not self._done:
            self._fails = self._size
            self._next()

    def _on_time(self, number: int) -> None:
        if number != self._number or self._done:
            return
        self._tries += 1
        if self._tries < _TRIES:
            self._send()
            return
        self._told = False
        self._limited_by = ""
        self._fails = self._size
        self._next()

    def _next(self) -> None:
        """Halve what is open: or end, when nothing is."""
        least = LEAST_BYTES6 if self._question.ipv6 else LEAST_BYTES
        # The largest that was not refused came through; or nothing is left between what passes and what does not.
        known = self._told and self._passes
        if known or self._fails - max(self._passes, least - 1) <= 1 or self._number > _MOST_SIZES:
            self._finish()
        else:
            self._try((max(self._passes, least - 1) + self._fails) // 2)

    def _try(self, size: int) -> None:
        self._size, self._tries = size, 0
        self._send()

    def _finish(self) -> None:
        self._done = True
        self._ends.close()
        self._on_done(PathMtu(question=self._question, mtu=self._passes, limited_by=self._limited_by, told=self._told))


class MtuFinder:
    """Asks ways, several at once; a packet that has not arrived ``wait_ns`` after its sending is given up."""

    def __init__(self, *, loop: Loop, segment: ProbeDoor, books: Books, wait_ns: int = WAIT_NS) -> None:
        self.loop = loop
        self.segment = segment
        self.books = books
        self.wait_ns = wait_ns

    def find(self, questions: Sequence[Question]) -> tuple[PathMtu, ...]:
        """Ask them all at once and let the loop run until all are done: the loop must be nobody else's meanwhile.

        Raises OSError or KernelRefusedError if it cannot begin.
        """
        found: dict[int, PathMtu] = {}

        def on_done(place: int, one: PathMtu) -> None:
            found[place] = one
            if len(found) == len(questions):
                self.loop.stop()

        for place, question in enumerate(questions):
            _Way(self, question, place, lambda one, place=place: on_done(place, one)).start()  # type: ignore[misc]
        if len(found) < len(questions):
            patience_ns = (_MOST_SIZES + 2) * _TRIES * self.wait_ns
            self.loop.run_until(self.loop.clock.now_ns() + patience_ns)
        return tuple(found[place] for place in range(len(questions)))
