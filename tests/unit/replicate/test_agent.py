"""The agent's two loops, without a kernel and without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from replicate_pieces import message
from test_spool import BOOT, disk_of, spool

from shadowlab.kernel.clock import KernelClock
from shadowlab.replicate.batch import decode_batch, unpack
from shadowlab.replicate.sending.agent import Agent
from shadowlab.replicate.sending.backoff import Backoff
from shadowlab.replicate.sending.changes import Tracker
from shadowlab.replicate.sending.disguise import as_they_are
from shadowlab.replicate.sending.frames import Frame
from shadowlab.replicate.sending.sender import Outcome
from shadowlab.replicate.sending.skew import ClockEstimate
from shadowlab.replicate.sending.spool import Spool


class Reader:
    """One socket whose counter grows with every reading."""

    overflows = 0

    def __init__(self) -> None:
        self.acked = 0

    def dump(self, _states: int) -> Iterator[bytes]:
        self.acked += 1
        yield message(101, acked=self.acked)

    def ended(self) -> Iterator[bytes]:
        return iter(())

    def wait(self, _seconds: float, _wake: int) -> bool:
        return False


class Way:
    """Answers by a plan; what it took is kept."""

    def __init__(self, answers: Callable[[int], Outcome]) -> None:
        self.cookie = 0
        self.clock = ClockEstimate()
        self.tried: list[int] = []
        self._answers = answers

    def send(self, frame: Frame, **_: object) -> Outcome:
        self.tried.append(frame.sequence)
        return self._answers(len(self.tried))

    def close(self) -> None:
        self.cookie = 0


def agent_of(opened: Spool, way: Way | None, said: list[str]) -> Agent:
    return Agent(
        instance="web",
        interval_ns=10**6,
        reader=Reader(),  # type: ignore[arg-type]
        tracker=Tracker(refresh=6, loopback=False),
        spool=opened,
        sender=way,  # type: ignore[arg-type]
        backoff=Backoff(lambda: 0.0, first_s=0.001, most_s=0.002),
        clock=KernelClock(),
        boot=BOOT,
        disguise=as_they_are,
        say=said.append,
    )


def counters(opened: Spool) -> list[tuple[int, int | None]]:
    """(Sequence number, counter) of what waits."""
    found = []
    while (one := opened.oldest()) is not None:
        _, records = decode_batch(unpack(one[0].coding, one[0].body))
        found.append((one[0].sequence, records[-1].bytes_acked))
        opened.acknowledge(one[0])
    return found


def test_readings_that_meet_a_full_disk_are_kept_and_spooled_later(tmp_path: Path) -> None:
    said: list[str] = []
    with spool(tmp_path) as opened:
        agent = agent_of(opened, None, said)
        with disk_of(100):
            agent.read_once()
            agent.read_once()
        agent.read_once()

        assert counters(opened) == [(1, 1), (2, 2), (3, 3)]
    assert [one.partition(" (")[0] for one in said] == ["the spool cannot be written", "the spool can be written again"]


def test_a_batch_is_sent_until_it_is_taken_and_one_that_is_refused_for_good_is_dropped(tmp_path: Path) -> None:
    answers = [Outcome("later", "away"), Outcome("later", "away"), Outcome("stored"), Outcome("refused", "400")]
    way, said = Way(lambda number: answers[number - 1] if number <= 4 else Outcome("known")), list[str]()
    with spool(tmp_path) as opened:
        agent = agent_of(opened, way, said)

        agent.run(readings=3, drain_s=30)

        assert len(opened) == 0
    assert way.tried == [1, 1, 1, 2, 3]
    counts = agent.counts
    assert (counts.failures, counts.stored, counts.refused, counts.known) == (2, 1, 1, 1)
    assert said == [
        "sending again: away",
        "sending works again",
        "a batch was refused for good: 400",
        "sending works again",
    ]


def test_an_agent_that_cannot_send_any_more_ends(tmp_path: Path) -> None:
    def fail(_number: int) -> Outcome:
        raise LookupError("a defect")

    with spool(tmp_path) as opened:
        agent = agent_of(opened, Way(fail), [])

        with pytest.raises(LookupError):
            agent.run(readings=None, drain_s=0)

        assert len(opened) > 0
