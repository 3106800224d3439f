"""The state of a watch comes back from its file as it was."""

from dataclasses import fields

import pytest

from shadowlab.model.network import Direction
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.model.verdict import CureOutcome, FaultDomain, Suspect
from shadowlab.model.watch.cycle import Cycle
from shadowlab.model.watch.incident import Incident, IncidentEntry, Notification
from shadowlab.model.watch.state import WatchState

_A_B = Direction(link="a-b", source="a", target="b")
_SUSPECT = Suspect(
    directions=(_A_B,), score=1.0, posterior=0.9, loss=0.02, excess_delay_ns=0.0, paths_affected=2, paths_crossing=3
)
_DOMAIN = FaultDomain(
    links=("a-b",),
    kind="loss",
    onset_ns=5,
    confidence=0.9,
    suspects=(_SUSPECT,),
    runners_up=(),
    affected_paths=("a→b",),
    affected_flows=("f1",),
)
_CURE = CureOutcome(
    cure="reroute",
    kind="reroute",
    summary="",
    rank=1,
    broken_share=0.0,
    transient_share=0.1,
    severity=0.0,
    recovered=1.0,
    harm=0,
)
_INCIDENT = Incident(
    id="3-network-a-b",
    kind="network",
    severity="critical",
    title="a-b loses packets",
    opened_ns=7,
    updated_ns=8,
    opened_cycle=3,
    domain=_DOMAIN,
    cures=(_CURE,),
    timeline=(IncidentEntry(at_ns=7, cycle=3, kind="opened", text="a-b"),),
)
_NOTE = Notification(
    id="3-network-a-b:1:hook",
    receiver="hook",
    incident="3-network-a-b",
    event="opened",
    severity="critical",
    title="a-b",
    text="",
    at_ns=7,
    began_ns=7,
)
STATE = WatchState(
    name="w",
    cycle=4,
    open_incidents=(_INCIDENT,),
    outbox=(_NOTE,),
    told={"hook": 2},
    demand=((1.0, 2.5),),
    instances={"web": "r1"},
)


def test_a_state_with_incidents_and_an_outbox_comes_back_the_same() -> None:
    again = WatchState.from_json(STATE.to_json())

    assert again == STATE
    assert again.to_json() == STATE.to_json()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "watch-state/1"}', STATE.to_json()[:-20]])
def test_what_is_no_state_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"no JSON|no watch-state/1|missing or malformed"):
        WatchState.from_json(text)


def test_a_cycle_comes_back_from_its_plain_form_with_every_field() -> None:
    cycle = Cycle(number=1, began_ns=1, ended_ns=2, status="complete", headline="calm")

    plain = to_plain(cycle)

    assert from_plain(Cycle, plain) == cycle
    assert set(plain) == {one.name for one in fields(Cycle)} | {"is"}
