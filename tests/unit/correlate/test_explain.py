"""Accounts of a change are weighed by fit and price: a fault is sparse in links, drift is dense."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowlab.correlate.explain import CLEAR, Change, explain

# Eight hosts on a star of four arms: h0 and h1 on r0, and so on; every host sends to every one on another arm.
HOSTS = [f"h{number}" for number in range(8)]
PATHS = [(a, b) for a in HOSTS for b in HOSTS if int(a[1]) // 2 != int(b[1]) // 2]


def way(a: str, b: str) -> tuple[str, ...]:
    arm, other = int(a[1]) // 2, int(b[1]) // 2
    return (f"{a}>r{arm}", f"r{arm}>core", f"core>r{other}", f"r{other}>{b}")


WAYS: Mapping[str, tuple[str, ...]] = {f"{a}→{b}": way(a, b) for a, b in PATHS}
LEVELS = {"srtt_ms": 30.0, "retransmission_share": 0.004, "throughput_mbps": 2.0}
NOISE = {"srtt_ms": 1.0, "retransmission_share": 0.002, "throughput_mbps": 0.05}


def changes(
    excess: Callable[[str, str], float], *, demand: float = 0.0, replayed: float = math.nan, seed: int = 1
) -> list[Change]:
    """``excess`` by path and indicator, in units of noise, on top of what demand did to production."""
    rng = np.random.default_rng(seed)
    return [
        Change(
            path=path,
            kpi=kpi,
            production=NOISE[kpi] * (demand + excess(path, kpi) + rng.normal(0, 0.7)),
            demand=NOISE[kpi] * demand,
            replayed=NOISE[kpi] * replayed,
            noise=NOISE[kpi],
            level=LEVELS[kpi],
        )
        for path in WAYS
        for kpi in NOISE
    ]


def test_what_a_sound_network_does_under_todays_demand_is_demand() -> None:
    found = explain(changes(lambda path, kpi: 0.0, demand=8.0), WAYS, moved=True)

    assert (found.best.name, found.best.verdict) == ("the demand alone", "demand moved")
    assert found.margin > CLEAR


def test_without_any_movement_nothing_is_wrong() -> None:
    assert explain(changes(lambda path, kpi: 0.0), WAYS, moved=False).best.verdict == "confirmed"


def test_loss_on_one_trunk_is_a_broken_network_and_the_trunk_is_named() -> None:
    found = explain(
        changes(lambda path, kpi: 9.0 if kpi == "retransmission_share" and "r1>core" in WAYS[path] else 0.0),
        WAYS,
        moved=True,
    )

    assert (found.best.name, found.best.verdict) == ("a few links", "network broke")
    assert found.suspects == ("r1>core",)
    assert "retransmitted" in found.best.parameters[0]


def test_delay_on_one_way_shows_on_the_round_trips_of_both() -> None:
    def crosses(path: str) -> bool:
        a, b = path.split("→")
        return "core>r2" in (*WAYS[path], *WAYS[f"{b}→{a}"])

    found = explain(changes(lambda path, kpi: 8.0 * (kpi == "srtt_ms" and crosses(path))), WAYS, moved=True)

    assert found.best.verdict == "network broke"
    # A round trip over the arm crosses it both ways: nothing tells which of the two is slow.
    assert len(found.suspects) == 1
    assert {"core>r2", "r2>core"} <= set(found.suspects[0].split(" or "))


@pytest.mark.parametrize("kpi", ["srtt_ms", "throughput_mbps"])
def test_the_same_everywhere_is_a_wrong_shadow(kpi: str) -> None:
    found = explain(changes(lambda path, name: 7.0 * (name == kpi)), WAYS, moved=True)

    assert (found.best.name, found.best.verdict) == ("one factor", "shadow drifted")
    assert found.best.parameters[0].startswith(kpi)


def test_what_the_replayed_events_did_is_confirmed() -> None:
    found = explain(changes(lambda path, kpi: 9.0, replayed=9.0), WAYS, moved=True)

    assert (found.best.name, found.best.verdict) == ("the scenario's events", "confirmed")


def test_without_pattern_every_path_by_itself_is_best() -> None:
    rng = np.random.default_rng(3)
    wild = {(path, kpi): float(rng.choice([-9.0, 9.0])) for path in WAYS for kpi in NOISE}

    found = explain(changes(lambda path, kpi: wild[path, kpi]), WAYS, moved=True)

    assert found.best.name == "each path by itself"


def test_one_path_alone_leaves_the_verdict_open() -> None:
    path = "h0→h2"
    few = [one for one in changes(lambda where, kpi: 6.0 * (kpi == "srtt_ms")) if one.path == path]

    found = explain(few, {path: WAYS[path]}, moved=True)

    assert found.margin < CLEAR


@settings(max_examples=25, deadline=None)
@given(trunk=st.sampled_from([f"r{one}>core" for one in range(4)]), size=st.floats(5, 40), seed=st.integers(0, 99))
def test_any_trunk_with_any_loss_above_noise_is_found(trunk: str, size: float, seed: int) -> None:
    lossy = changes(
        lambda path, kpi: size * (kpi == "retransmission_share" and trunk in WAYS[path]), demand=3.0, seed=seed
    )

    found = explain(lossy, WAYS, moved=True)

    assert trunk in found.suspects
    assert found.best.verdict == "network broke"


def test_an_account_that_finds_nothing_is_no_rival_of_the_demand() -> None:
    found = explain(changes(lambda path, kpi: 0.0), WAYS, moved=False)

    assert [one.name for one in found.hypotheses] == ["the demand alone", "each path by itself"]
