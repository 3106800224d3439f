"""On a small fabric of leaves and spines what is bad is named, by its kind, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wires import LINKS, NODES, flows, network, write

from shadowlab.localize.file.read import read_observations
from shadowlab.localize.findings import Localisation
from shadowlab.localize.losses import Losses
from shadowlab.localize.methods import METHODS
from shadowlab.localize.settings import DEFAULTS, Settings
from shadowlab.localize.verdict import localise


def placed(folder: Path, lines: list[dict[str, Any]], **more: Any) -> Localisation:
    return localise(read_observations(write(folder, [network(**more), *lines])).seen, DEFAULTS)


def names(found: Localisation) -> list[set[str]]:
    return [{str(part) for part in one.components} for one in found.suspects]


@pytest.mark.parametrize("seed", range(8))
def test_a_sound_fabric_names_nothing(tmp_path: Path, seed: int) -> None:
    assert placed(tmp_path, flows(np.random.default_rng(seed), good=8e-5)).suspects == ()


@pytest.mark.parametrize("link", ["l0>s1", "s2>l3", "h12>l1", "l2>h20"])
def test_a_bad_direction_is_named_with_its_rate(tmp_path: Path, link: str) -> None:
    found = placed(tmp_path, flows(np.random.default_rng(1), loss={link: 0.004}))

    assert names(found) == [{link}]
    (one,) = found.suspects
    assert one.fault == "loss"
    assert one.loss == pytest.approx(0.004, rel=0.3)
    assert one.loss_interval[0] < one.loss < one.loss_interval[1]
    assert one.posterior > 0.9


def test_several_faults_are_all_named(tmp_path: Path) -> None:
    bad = {"l0>s1": 0.01, "l0>s2": 0.002, "s0>l2": 0.004, "h30>l3": 0.003}

    found = placed(tmp_path, flows(np.random.default_rng(2), loss=bad))

    assert sorted(map(sorted, names(found))) == sorted([one] for one in bad)


def test_a_node_is_named_instead_of_its_links(tmp_path: Path) -> None:
    found = placed(tmp_path, flows(np.random.default_rng(3), loss={"s1": 0.004}))

    assert names(found) == [{"node s1"}]


def test_a_group_is_named_whose_links_fail_together(tmp_path: Path) -> None:
    duct = ["l0>s0", "l1>s1", "l2>s2", "s0>l3"]

    found = placed(tmp_path, flows(np.random.default_rng(4), loss=dict.fromkeys(duct, 0.004)), groups={"duct": duct})

    assert names(found) == [{"group duct"}]


def test_a_slow_link_is_a_delay(tmp_path: Path) -> None:
    found = placed(tmp_path, flows(np.random.default_rng(5), slow_ms={"s0>l1": 3.0}))

    (one,) = found.suspects
    assert (one.name, one.fault, one.loss) == ("s0>l1", "delay", 0.0)
    assert one.delay_ns == pytest.approx(3e6, rel=0.1)


def test_a_flow_that_got_less_than_it_wanted_speaks_of_capacity(tmp_path: Path) -> None:
    lines = flows(np.random.default_rng(6))
    for one in lines:
        throttled = "s1 l2" in " ".join(one["paths"][0])
        one |= {"wanted_mbps": 100, "rate_mbps": 40 if throttled else 97}

    (found,) = placed(tmp_path, lines).suspects

    assert (found.name, found.fault) == ("s1>l2", "capacity")


def test_unknown_ways_name_the_class_that_routers_choose_from(tmp_path: Path) -> None:
    found = placed(tmp_path, flows(np.random.default_rng(7), loss={"l0>s1": 0.01}, known=False))

    assert names(found) == [{"l0>s0", "l0>s1", "l0>s2"}]
    assert "whose way is recorded" in found.suspects[0].split_by


def test_a_busy_link_is_overloaded_not_faulty(tmp_path: Path) -> None:
    more = network()["network"]
    links = [one | ({"utilisation": 0.97} if one["to"] == "h20" else {}) for one in more["links"]]

    found = placed(tmp_path, flows(np.random.default_rng(8), loss={"l2>h20": 0.02}), links=links)

    assert found.suspects == ()
    assert found.overloaded[0].name.startswith("l2>h20")


def test_a_subset_of_flows_is_named_when_it_alone_suffers(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    lines = flows(rng)
    for number, one in enumerate(lines):
        port = (22, 80, 443, 5201)[number % 4]
        one["labels"] = {"port": port}
        if port == 443 and "l0 s1" in " ".join(one["paths"][0]):
            one["bad"] += int(rng.binomial(one["sent"] - one["bad"], 0.01))

    (found,) = placed(tmp_path, lines).suspects

    assert (found.name, found.subset) == ("l0>s1", "port 443")


def test_losses_of_what_waits_are_a_queues(tmp_path: Path) -> None:
    rng = np.random.default_rng(10)
    lines = flows(rng)
    for one in lines:
        waits = bool(rng.random() < 0.3)
        one |= {"rtt_ms": 10 + (4 if waits else 0), "base_rtt_ms": 10.6}
        if waits and "s2 l1" in " ".join(one["paths"][0]):
            one["bad"] += int(rng.binomial(one["sent"] - one["bad"], 0.02))

    assert [(one.name, one.fault) for one in placed(tmp_path, lines).suspects] == [("s2>l1", "queue")]


def test_what_carried_nothing_is_said_and_what_would_have_shown(tmp_path: Path) -> None:
    some = [one for one in flows(np.random.default_rng(11)) if "s2" not in one["paths"][0]]

    found = placed(tmp_path, some)

    assert "node s2" in {str(one) for one in found.unseen}
    assert "l0>s2" in {str(one) for one in found.unseen}
    assert all(0 < one.median_loss < 0.01 for one in found.visible)


@given(seed=st.integers(0, 10_000), factor=st.sampled_from([2.0, 5.0]))
@settings(max_examples=10, deadline=None)
def test_more_of_the_same_evidence_never_weakens_a_fault(tmp_path_factory: Any, seed: int, factor: float) -> None:
    folder = tmp_path_factory.mktemp("more")
    lines = flows(np.random.default_rng(seed), loss={"l1>s1": 0.005})
    more = [one | {"sent": one["sent"] * factor, "bad": one["bad"] * factor} for one in lines]

    once, often = (placed(folder, some).suspects[0] for some in (lines, more))

    assert once.name == often.name == "l1>s1"
    assert often.score > once.score


@given(seed=st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_the_order_of_flows_does_not_matter(tmp_path_factory: Any, seed: int) -> None:
    folder = tmp_path_factory.mktemp("order")
    rng = np.random.default_rng(seed)
    lines = flows(rng, loss={"l1>s1": 0.003, "s0>l2": 0.002})
    turned = [lines[one] for one in rng.permutation(len(lines))]

    assert sorted(map(sorted, names(placed(folder, lines)))) == sorted(map(sorted, names(placed(folder, turned))))


def test_summing_up_lossless_flows_keeps_the_likelihood(tmp_path: Path) -> None:
    seen = read_observations(write(tmp_path, [network(), *flows(np.random.default_rng(12), known=False)])).seen
    losses = Losses(seen, Settings())

    mean = np.zeros(len(seen.components))
    way, component, share = seen.crossing_shares(np.ones(len(seen.ways), dtype=bool))
    packets = np.bincount(seen.way, seen.sent - seen.bad, minlength=len(seen.ways))
    np.add.at(mean, component, packets[way] * share)

    assert losses.exposure == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_finds_a_plain_fault_and_keeps_quiet_of_nothing(tmp_path: Path, method: str) -> None:
    bad = read_observations(write(tmp_path, [network(), *flows(np.random.default_rng(13), loss={"s1>l2": 0.02})])).seen
    empty = read_observations(write(tmp_path, [network()])).seen

    assert METHODS[method](bad, DEFAULTS).suspects[0].name == "s1>l2"
    assert METHODS[method](empty, DEFAULTS).suspects == ()


def test_the_fabric_is_what_the_tests_think() -> None:
    assert (len(NODES), len(LINKS)) == (19, 48)
