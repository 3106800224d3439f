"""``shadowlab calibrate`` on telemetry that lies: each lie is named, its effect is bounded, and nothing else changes.

What each lie does to the values is tried in tests/unit/calibrate/test_bad_telemetry.py; here a user asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from shadowlab.cli.commands import shadowlab
from shadowlab.cli.interrupt import Interrupt
from shadowlab.errors import InputError
from shadowlab.model.network import Network
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.writing import open_writer
from shadowlab.topology.writers.native import write_native
from tests.unit.calibrate.production import START_NS, Production, bare
from tests.unit.calibrate.test_links import CALM, GREEDY, MS, two_stars

Lie = Callable[[list[TcpRecord]], list[TcpRecord]]


@cache
def honest(seconds: int = 40) -> tuple[TcpRecord, ...]:
    return tuple(production(seconds).records())


def production(seconds: int = 40, *, rates: dict[str, Sequence[float]] | None = None) -> Production:
    return Production(network=two_stars(), talks=[*GREEDY, *CALM], seconds=seconds, rates=rates or {})


def told(instance: str, change: Callable[[TcpRecord], TcpRecord]) -> Lie:
    return lambda records: [change(one) if one.instance == instance else one for one in records]


def in_bits(one: TcpRecord) -> TcpRecord:
    fields = ("bytes_sent", "bytes_acked", "bytes_received")
    return replace(one, **{name: value * 8 for name in fields if (value := getattr(one, name)) is not None})


def faster_than_light(one: TcpRecord) -> TcpRecord:
    return replace(one, min_rtt_ns=2 * MS) if one.peer_address == "10.0.0.5" and one.min_rtt_ns else one


def an_hour_ahead(one: TcpRecord) -> TcpRecord:
    return replace(one, at_ns=one.at_ns + 3600 * 10**9) if one.at_ns >= START_NS + 20 * 10**9 else one


def without_the_even(records: list[TcpRecord]) -> list[TcpRecord]:
    return [one for one in records if int(one.instance[1:]) % 2]


def of_a_rate_of_every_minute(_: list[TcpRecord]) -> list[TcpRecord]:
    levels = [50e6, 20e6, 40e6]
    return production(180, rates={"trunk:left>right": [levels[second // 60] for second in range(180)]}).records()


def placed(network: Network) -> Network:
    """1500 km apart: 5 ms one way in a vacuum."""
    return replace(
        network,
        nodes=tuple(
            replace(one, latitude=0.0, longitude=0.0 if one.id == "left" else 13.5) if one.kind == "router" else one
            for one in network.nodes
        ),
    )


def overstated(network: Network) -> Network:
    trunk = network.links_by_id["trunk"]
    return network.with_links(replace(trunk, forward=replace(trunk.forward, rate_bps=100_000_000)))


def as_it_is(network: Network) -> Network:
    return network


@pytest.mark.parametrize(
    ("kind", "subject", "lie", "drawn"),
    [
        ("unit factor", "h0", told("h0", in_bits), as_it_is),
        ("below propagation", "h0", told("h0", faster_than_light), placed),
        ("clock jump", "h1", told("h1", an_hour_ahead), as_it_is),
        ("contradicts the map", "trunk:left>right", list, overstated),
        ("silent instances", "h2", without_the_even, as_it_is),
        ("rate changes", "trunk:left>right", of_a_rate_of_every_minute, as_it_is),
    ],
    ids=["bits", "below light", "clock", "overstated", "half silent", "every minute"],
)
def test_a_lie_is_named_in_the_document_with_what_was_done_about_it(
    tmp_path: Path, kind: str, subject: str, lie: Lie, drawn: Callable[[Network], Network]
) -> None:
    map_path, telemetry = tmp_path / "map.yaml", tmp_path / "telemetry.jsonl"
    map_path.write_text(write_native(drawn(bare(two_stars())))[0])
    with open_writer(telemetry, "jsonl") as writer:
        for one in lie(list(honest())):
            writer.write(one)

    done = CliRunner().invoke(
        shadowlab,
        ["calibrate", str(map_path), str(telemetry), "--no-refine", "--json", "-q"],
        obj=Interrupt(),
        catch_exceptions=False,
    )

    assert done.exit_code == 0
    document = json.loads(done.stdout)
    named = [one for one in document["findings"] if one["kind"] == kind]
    assert len(named) == 1 and subject in named[0]["subject"] and named[0]["effect"]
    ends = {"link": "trunk", "source": "left"}.items()
    (trunk,) = [one for one in document["links"] if ends <= one["direction"].items()]
    assert 4.5 * MS < trunk["delay_ns"]["value"] < 5.5 * MS, "what the others tell stands"


def test_a_map_without_the_link_that_records_speak_of_is_refused_with_its_place(tmp_path: Path) -> None:
    whole, map_path = bare(two_stars()), tmp_path / "map.yaml"
    map_path.write_text(write_native(replace(whole, links=whole.links[:-1]))[0])

    with pytest.raises(InputError, match=r"map\.yaml:\d+:\d+: the map is in 2 pieces: .*h7.*join them by a link"):
        CliRunner().invoke(
            shadowlab, ["calibrate", str(map_path), str(map_path)], obj=Interrupt(), catch_exceptions=False
        )
