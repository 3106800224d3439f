"""The flow of a trace as it is typed, and what is asked for it."""

from __future__ import annotations

import pytest

from shadowlab.errors import InputError
from shadowlab.kernel.ports import Flow
from shadowlab.lab.live.way.ask import parse_flow
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.monitor.tracing.question import Question


def test_a_flow_is_its_protocol_and_ports() -> None:
    assert parse_flow("tcp:40000:80") == Flow("tcp", 40_000, 80)
    assert parse_flow("udp:1:65535") == Flow("udp", 1, 65_535)


@pytest.mark.parametrize(
    "text", ["", "tcp", "tcp:1", "tcp:1:2:3", "tcp:0:1", "tcp:1:65536", "sctp:1:2", "tcp:-1:2", "tcp:a:b"]
)
def test_what_is_no_flow_is_refused_with_the_words_typed(text: str) -> None:
    with pytest.raises(InputError, match=f"--flow {text}: "):
        parse_flow(text)


def test_a_question_survives_its_way_into_the_guest() -> None:
    asked = Question(source="a", target="b", ipv6=True, flow=Flow("tcp", 1, 2), leaves_by="eth0")

    assert from_plain(Question, to_plain(asked)) == asked
