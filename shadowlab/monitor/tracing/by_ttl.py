"""Trace ways by packets that may pass so many nodes: 1, 2, 3 and on (TTL, hop limit), all with the flow's identity.

In: questions.  Out: hops with their round trips, one-way times of the target, black holes and loops told as such.
Never: a route read from a table.  Imported inside the guest: standard library only.

All hops of all ways are asked at once, in windows of :data:`WINDOW` hops: a node that lets a packet end tells the
source so (ICMP time exceeded), and what reaches the target is answered by a reflector of ours.  All packets of a way
have the same addresses, protocol and ports, so routers lead them along one way even where several are of equal cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from shadowlab.kernel.loop import Loop
from shadowlab.kernel.sockets.stamped import Trouble
from shadowlab.monitor.probe_sockets import ProbeDoor
from shadowlab.monitor.tracing.ends import Ends
from shadowlab.monitor.tracing.question import Hop, Outcome, Question, Traced

WINDOW = 8
MOST_HOPS = 64
WAIT_NS = 1_000_000_000
SPACING_NS = 50_000_000

_TIME_EXCEEDED, _TIME_EXCEEDED6 = 11, 3
_ROUNDS = 1 << 16
_TRIES = 2
"""A sending also fails for an ICMP error that came meanwhile, once."""


class Books(Protocol):
    """Addresses by node: of IPv4, of IPv6; and the node that has an address."""

    @property
    def addresses(self) -> Mapping[str, str]: ...
    @property
    def addresses6(self) -> Mapping[str, str]: ...
    @property
    def owners(self) -> Mapping[str, str]: ...


class _Sent:
    """One packet and what came of it (0: nothing yet)."""

    __slots__ = ("answered_ns", "arrived_ns", "back_ns", "ended_ns", "offender", "sent_ns", "unreachable")

    def __init__(self, sent_ns: int) -> None:
        self.sent_ns = sent_ns
        self.arrived_ns = self.answered_ns = self.back_ns = self.ended_ns = 0
        self.offender = ""
        self.unreachable: int | None = None

    @property
    def over(self) -> bool:
        return bool(self.back_ns or self.ended_ns)


class _Way:
    """One question while it is asked."""

    def __init__(self, tracer: TtlTracer, question: Question, index: int, on_done: Callable[[Traced], None]) -> None:
        self._tracer = tracer
        self._question = question
        self._on_done = on_done
        book = tracer.books.addresses6 if question.ipv6 else tracer.books.addresses
        self._ends = Ends(
            loop=tracer.loop, segment=tracer.segment, question=question, addresses=book, index=index, hears=self
        )
        self._sent: dict[int, _Sent] = {}
        self._first = 1
        self._round = 0
        self._number = 0
        self._refused = ""
        self._done = False

    def start(self) -> None:
        try:
            self._ends.open()
        except BaseException:
            self._ends.close()
            raise
        self._next_window(1)

    def close(self) -> None:
        self._done = True
        self._ends.close()

    def on_arrival(self, number: int, at_ns: int) -> None:
        one = self._sent.get(number)
        if one is not None and not one.arrived_ns:
            one.arrived_ns = at_ns
            with suppress(OSError):  # no way back: its loss is counted
                one.answered_ns = self._ends.answer(number) or self._tracer.loop.clock.wall_ns()

    def on_answer(self, number: int, at_ns: int) -> None:
        one = self._sent.get(number)
        if one is not None and one.answered_ns and not one.back_ns:
            one.back_ns = at_ns
            self._look()

    def on_trouble(self, number: int | None, trouble: Trouble) -> None:
        one = self._sent.get(number) if number is not None else None
        if one is None or one.over or trouble.at_ns is None:
            return
        error = trouble.error
        told = _TIME_EXCEEDED6 if self._question.ipv6 else _TIME_EXCEEDED
        one.offender = error.offender
        one.unreachable = None if error.icmp_type == told else error.icmp_code
        one.ended_ns = trouble.at_ns
        self._look()

    def _next_window(self, first: int) -> None:
        self._first, self._round = first, 0
        self._send_round(self._tracer.loop.now_ns)

    def _send_round(self, due_ns: int) -> None:
        if self._done:
            return
        tracer = self._tracer
        for hops in range(self._first, self._first + WINDOW):
            number = self._round * _ROUNDS + hops
            for _ in range(_TRIES):
                try:
                    self._sent[number] = _Sent(self._ends.send(number, hops=hops) or tracer.loop.clock.wall_ns())
                    break
                except OSError as error:
                    self._refused = error.strerror or str(error)
        self._round += 1
        if not self._sent:
            self._finish()
        elif self._round < tracer.count:
            tracer.loop.at(due_ns + tracer.spacing_ns, self._send_round)
        else:
            first = self._first
            tracer.loop.at(due_ns + tracer.wait_ns, lambda _due: self._on_time(first))

    def _on_time(self, first: int) -> None:
        if not self._done and self._first == first:
            self._judge()

    def _look(self) -> None:
        """Go on at once when everything sent has ended."""
        if not self._done and self._round >= self._tracer.count and all(one.over for one in self._sent.values()):
            self._judge()

    def _judge(self) -> None:
        window = range(self._first, self._first + WINDOW)
        heard = [one for number, one in self._sent.items() if number % _ROUNDS in window and one.over]
        arrived = any(one.arrived_ns for one in self._sent.values())
        over = arrived or not heard or any(one.unreachable is not None for one in heard) or self._looped() is not None
        if over or self._first + WINDOW > self._tracer.most_hops:
            self._finish()
        else:
            self._next_window(self._first + WINDOW)

    def _looped(self) -> int | None:
        """The number of hops after which a node was passed that had been passed before."""
        seen: dict[str, int] = {}
        for hops in sorted({number % _ROUNDS for number in self._sent}):
            who = self._answerer(hops)
            if who and seen.setdefault(who, hops) != hops:
                return hops
        return None

    def _answerer(self, hops: int) -> str:
        """Who ended packets of so many hops; empty if nobody did, or the target."""
        return next(
            (one.offender for number, one in self._sent.items() if number % _ROUNDS == hops and one.offender), ""
        )

    def _finish(self) -> None:
        self.close()
        length = min((number % _ROUNDS for number, one in self._sent.items() if one.arrived_ns), default=0)
        outcome, at, why, length = self._outcome(length)
        hops = tuple(self._hop(one, is_target=outcome == "arrived" and one == length) for one in range(1, length + 1))
        there = [one for number, one in self._sent.items() if outcome == "arrived" and number % _ROUNDS >= length]
        came = [one for one in there if one.arrived_ns]
        back = [one for one in came if one.back_ns]
        self._on_done(
            Traced(
                question=self._question,
                outcome=outcome,
                at=at,
                why=why,
                hops=hops,
                sent=len(there),
                there_ns=tuple(one.arrived_ns - one.sent_ns for one in came),
                back_ns=tuple(one.back_ns - one.answered_ns for one in back),
                lost_there=len(there) - len(came),
                lost_back=len(came) - len(back),
            )
        )

    def _outcome(self, length: int) -> tuple[Outcome, str, str, int]:
        """How it ends, where, why, and after how many hops."""
        owners = self._tracer.books.owners
        if length:
            return "arrived", self._question.target, "", length
        if not self._sent:
            return "black hole", self._question.source, f"its own kernel does not send: {self._refused}", 0
        refusing = [(number % _ROUNDS, one) for number, one in self._sent.items() if one.unreachable is not None]
        if refusing:
            hops, one = min(refusing, key=lambda found: found[0])
            node = owners.get(one.offender, one.offender)
            return "black hole", node, f"{node} has no way on (ICMP unreachable, code {one.unreachable})", hops
        again = self._looped()
        if again is not None:
            node = owners.get(self._answerer(again), self._answerer(again))
            return "loop", node, f"{node} is passed again", again
        last = max((number % _ROUNDS for number, one in self._sent.items() if one.over), default=0)
        node = owners.get(self._answerer(last), self._answerer(last)) if last else self._question.source
        if last == self._first + WINDOW - 1:
            return "too far", node, f"{last} hops, and on", last
        return "black hole", node, f"nobody beyond {node} answers", last

    def _hop(self, hops: int, *, is_target: bool) -> Hop:
        packets = [one for number, one in self._sent.items() if number % _ROUNDS == hops]
        if is_target:
            trips = [one.arrived_ns - one.sent_ns + one.back_ns - one.answered_ns for one in packets if one.back_ns]
            node = self._question.target
            address = (self._tracer.books.addresses6 if self._question.ipv6 else self._tracer.books.addresses)[node]
        else:
            trips = [one.ended_ns - one.sent_ns for one in packets if one.ended_ns]
            address = self._answerer(hops)
            node = self._tracer.books.owners.get(address, address)
        return Hop(hops=hops, node=node, address=address, sent=len(packets), round_trips_ns=tuple(trips))


class TtlTracer:
    """Asks ways, several at once.

    ``count`` packets for each number of hops, ``spacing_ns`` apart; who has not answered ``wait_ns`` after the last is
    given up.  A Linux router answers one asker some six times at once and then once a second (``icmp_ratelimit``).
    """

    def __init__(
        self,
        *,
        loop: Loop,
        segment: ProbeDoor,
        books: Books,
        count: int = 1,
        spacing_ns: int = SPACING_NS,
        wait_ns: int = WAIT_NS,
        most_hops: int = MOST_HOPS,
    ) -> None:
        self.loop = loop
        self.segment = segment
        self.books = books
        self.count = count
        self.spacing_ns = spacing_ns
        self.wait_ns = wait_ns
        self.most_hops = most_hops
        self._asked = 0

    def ask(self, question: Question, on_done: Callable[[Traced], None]) -> None:
        """Begin; ``on_done`` is called from the loop.  Raises OSError or KernelRefusedError if it cannot begin."""
        self._asked += 1
        _Way(self, question, self._asked, on_done).start()

    def trace(self, questions: Sequence[Question]) -> tuple[Traced, ...]:
        """Ask them all at once and let the loop run until all are done: the loop must be nobody else's meanwhile."""
        found: dict[int, Traced] = {}

        def on_done(place: int, traced: Traced) -> None:
            found[place] = traced
            if len(found) == len(questions):
                self.loop.stop()

        for place, question in enumerate(questions):
            self.ask(question, lambda traced, place=place: on_done(place, traced))  # type: ignore[misc]
        windows = self.most_hops // WINDOW + 1
        patience_ns = windows * (self.count * self.spacing_ns + self.wait_ns) + self.wait_ns
        if len(found) < len(questions):
            self.loop.run_until(self.loop.clock.now_ns() + patience_ns)
        return tuple(found[place] for place in range(len(questions)))
