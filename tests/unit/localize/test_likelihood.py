"""On an Abilene-like backbone the faulty link comes first, and a sound network names none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise, permutations

import networkx as nx
import numpy as np
import pytest

from shadowlab.localize.likelihood import IN_THE_SHADOW, Ranking, rank
from shadowlab.model.network import Direction
from shadowlab.model.verdict import PathEvidence

_ABILENE = (
    "sea-sun sea-den sun-los sun-den los-hou den-kan kan-hou kan-ind hou-atl chi-ind ind-atl chi-nyc atl-was was-nyc"
)
TRUNKS = _ABILENE.split()
CITIES = sorted({city for trunk in TRUNKS for city in trunk.split("-")})
MS = 1e6


def backbone() -> nx.Graph:
    """The cities, and one instance ``h-city`` at each."""
    graph = nx.Graph()
    for index, trunk in enumerate(TRUNKS):
        a, b = trunk.split("-")
        graph.add_edge(a, b, link=trunk, weight=10 + index % 3)
    for city in CITIES:
        graph.add_edge(f"h-{city}", city, link=f"h-{city}", weight=1)
    return graph


GRAPH = backbone()
ROUTES = {(a, b): nx.shortest_path(GRAPH, f"h-{a}", f"h-{b}", weight="weight") for a in CITIES for b in CITIES if a < b}


def one_way(a: str, b: str) -> tuple[Direction, ...]:
    nodes = ROUTES[(a, b)] if a < b else ROUTES[(b, a)][::-1]
    return tuple(Direction(link=GRAPH.edges[one, two]["link"], source=one, target=two) for one, two in pairwise(nodes))


def observe(
    rng: np.random.Generator,
    *,
    loss: Mapping[Direction, float] | None = None,
    delay: Mapping[Direction, float] | None = None,
    background: float = 0.0,
    probes: int = 150,
    flows: int = 40,
    skewed: bool = False,
    noise: float = 0.3 * MS,
) -> list[PathEvidence]:
    """Round-trip probes between all pairs and one-way flows between some, over the given faults."""
    loss, delay = loss or {}, delay or {}
    pairs = list(permutations(CITIES, 2))

    def one(name: str, crossed: tuple[Direction, ...], sent: int, *, timed: bool) -> PathEvidence:
        kept = (1 - background) * float(np.prod([1 - loss.get(direction, 0.0) for direction in crossed]))
        excess = sum(delay.get(direction, 0.0) for direction in crossed) + float(rng.normal(0, noise))
        lost = int(rng.binomial(sent, 1 - kept))
        return PathEvidence(
            path=name,
            directions=crossed,
            sent=sent,
            lost=lost,
            excess_delay_ns=excess if timed else float("nan"),
            delay_noise_ns=noise,
            affected=lost > 0,
        )

    found = [one(f"h-{a}→h-{b}", one_way(a, b) + one_way(b, a), probes, timed=True) for a, b in pairs]
    weights = rng.pareto(0.8, len(pairs)) if skewed else np.ones(len(pairs))
    for index in rng.choice(len(pairs), flows, replace=False, p=weights / weights.sum()):
        a, b = pairs[int(index)]
        packets = int(2000 * (rng.pareto(1.0) + 0.05)) if skewed else 5000
        found.append(one(f"flow h-{a}→h-{b}", one_way(a, b), packets, timed=False))
    return found


def trunk(name: str) -> Direction:
    a, b = name.split("-")
    return Direction(link=name, source=a, target=b)


def links(ranking: Ranking) -> list[set[str]]:
    return [{direction.link for direction in suspect.directions} for suspect in ranking.suspects]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize("background", [0.0, 0.0005])
def test_a_sound_network_names_no_link(seed: int, skewed: bool, background: float) -> None:
    evidence = observe(np.random.default_rng(seed), background=background, skewed=skewed)

    assert rank(evidence).suspects == ()


@pytest.mark.parametrize("name", TRUNKS)
@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize("level", [0.01, 0.05])
def test_a_lossy_link_comes_first(name: str, skewed: bool, level: float) -> None:
    for seed in range(4):
        evidence = observe(
            np.random.default_rng(seed), loss={trunk(name): level}, background=0.0003, skewed=skewed, flows=60
        )

        ranking = rank(evidence)

        assert links(ranking)[:1] == [{name}]
        assert ranking.suspects[0].loss == pytest.approx(level, rel=0.5)
        assert ranking.suspects[0].posterior > 0.5
        assert ranking.suspects[0].excess_delay_ns == 0


@pytest.mark.parametrize("seed", range(5))
def test_flows_one_way_tell_the_direction(seed: int) -> None:
    guilty = trunk("den-kan")
    evidence = observe(np.random.default_rng(seed), loss={guilty: 0.02}, flows=110)

    assert rank(evidence).suspects[0].directions == (guilty,)


def test_round_trips_alone_name_the_link_not_the_direction() -> None:
    guilty = trunk("den-kan")
    evidence = observe(np.random.default_rng(0), loss={guilty: 0.02}, flows=0)

    (suspect,) = rank(evidence).suspects

    assert set(suspect.directions) == {guilty, guilty.reverse}
    assert suspect.name == "den>kan or kan>den"


@pytest.mark.parametrize("seed", range(6))
def test_two_faults_are_both_named(seed: int) -> None:
    evidence = observe(np.random.default_rng(seed), loss={trunk("den-kan"): 0.02, trunk("chi-nyc"): 0.05}, flows=80)

    assert sorted(links(rank(evidence)), key=str) == [{"chi-nyc"}, {"den-kan"}]


@pytest.mark.parametrize("name", TRUNKS)
def test_a_slow_link_is_named_with_its_delay(name: str) -> None:
    evidence = observe(np.random.default_rng(2), delay={trunk(name): 5 * MS})

    (suspect,) = rank(evidence).suspects

    assert {direction.link for direction in suspect.directions} == {name}
    assert suspect.excess_delay_ns == pytest.approx(5 * MS, rel=0.1)
    assert suspect.loss == 0


def test_loss_and_delay_of_one_link_are_one_suspect() -> None:
    guilty = trunk("kan-hou")
    evidence = observe(np.random.default_rng(3), loss={guilty: 0.03}, delay={guilty: 8 * MS})

    (suspect,) = rank(evidence).suspects

    assert {direction.link for direction in suspect.directions} == {"kan-hou"}
    assert suspect.loss == pytest.approx(0.03, rel=0.3)
    assert suspect.excess_delay_ns == pytest.approx(8 * MS, rel=0.15)


def test_a_few_wild_paths_do_not_make_a_slow_link() -> None:
    rng = np.random.default_rng(4)
    evidence = observe(rng)
    wild = [
        PathEvidence(
            path=one.path,
            directions=one.directions,
            sent=one.sent,
            lost=one.lost,
            excess_delay_ns=40 * MS,
            delay_noise_ns=one.delay_noise_ns,
        )
        if index in (7, 50, 93)
        else one
        for index, one in enumerate(evidence)
    ]

    assert rank(wild).suspects == ()


def test_a_dark_link_is_found() -> None:
    evidence = observe(np.random.default_rng(5), loss={trunk("kan-ind"): 1.0})

    ranking = rank(evidence)

    assert links(ranking)[0] == {"kan-ind"}
    assert ranking.suspects[0].loss > 0.9


def test_components_that_every_path_crosses_together_are_one_class() -> None:
    chain = tuple(Direction(link=f"l{index}", source=str(index), target=str(index + 1)) for index in range(3))
    evidence = [
        PathEvidence(path="a→b", directions=chain, sent=1000, lost=100),
        PathEvidence(path="a→c", directions=chain[:1], sent=1000, lost=0),
    ]

    (suspect,) = rank(evidence, settings=replace(IN_THE_SHADOW, penalty=1.0)).suspects

    assert suspect.directions == chain[1:]
    assert suspect.paths_crossing == 1


def test_the_runners_up_are_weaker_than_the_suspect() -> None:
    evidence = observe(np.random.default_rng(6), loss={trunk("den-kan"): 0.003}, flows=0)

    ranking = rank(evidence)

    assert ranking.runners_up
    assert all(one.posterior <= ranking.suspects[0].posterior for one in ranking.runners_up)
    assert ranking.suspects[0].posterior + sum(one.posterior for one in ranking.runners_up) <= 1 + 1e-9


def test_bursts_count_for_less_when_their_dispersion_is_known() -> None:
    evidence = observe(np.random.default_rng(7), loss={trunk("den-kan"): 0.01}, flows=10)

    plain, weakened = rank(evidence), rank(evidence, settings=replace(IN_THE_SHADOW, dispersion=2.0))

    assert weakened.suspects[0].score == pytest.approx(plain.suspects[0].score / 2, rel=0.2)


def test_the_same_evidence_in_any_order_gives_the_same_suspects() -> None:
    evidence = observe(np.random.default_rng(8), loss={trunk("den-kan"): 0.02})

    assert rank(evidence).suspects[0].directions == rank(evidence[::-1]).suspects[0].directions


def test_no_evidence_names_nothing() -> None:
    assert rank([]).suspects == ()
    assert rank([PathEvidence(path="a→b", directions=(trunk("den-kan"),), sent=0, lost=0)]).suspects == ()


def test_more_lost_than_sent_is_refused() -> None:
    with pytest.raises(ValueError, match="2 packets lost of 1 sent"):
        rank([PathEvidence(path="a→b", directions=(), sent=1, lost=2)])
