"""The twin's test bench: productions follow from their seeds, give nothing away, and baselines know their formulas."""

from __future__ import annotations

import pytest

from benchmarks.hidden.baselines import fluid
from benchmarks.hidden.calendar import wilson
from benchmarks.hidden.measured import Seen, coverage, errors
from benchmarks.hidden.network import FAMILIES, GHOST, hidden, nameplate, with_rates
from benchmarks.hidden.table import table
from benchmarks.hidden.what_if import anchored, as_run, by_ratio
from benchmarks.hidden.workload import Traffic, traffic, utilisation
from shadowlab.model.flow import FlowSpec
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node


class _Kernel:
    version = "6.1.0"


class _Place:
    description = "Linux 6.12"


class _Grounds:
    production, shadow = _Kernel(), _Place()


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_production_follows_from_its_seed_and_its_map_gives_no_parameter_away(family: str) -> None:
    one, again, other = hidden(4, family), hidden(4, family), hidden(5, family)
    given = one.bare_map()

    assert one == again
    assert one.network != other.network
    assert all(link.forward == link.backward == Impairment() for link in given.links)
    assert not [node for node in given.nodes if node.id.startswith(GHOST)]
    assert traffic(one, 0.5) == traffic(again, 0.5)


@pytest.mark.parametrize("load", [0.3, 0.9])
def test_the_busiest_direction_has_the_load_that_is_asked_for(load: float) -> None:
    production = hidden(3)

    demand = traffic(production, load)

    used = utilisation(production.network, [*demand.flows, *demand.workloads])
    assert max(used.values()) == pytest.approx(load, rel=0.01)


def test_what_is_not_known_of_a_rate_is_the_nameplate_and_nothing_else() -> None:
    link = Link(id="l", a="a", b="b", forward=Impairment(rate_bps=7_000_000, delay_ns=5))
    known = Network(name="n", nodes=(Node(id="a", kind="host"), Node(id="b", kind="host")), links=(link,))

    (filled,), (guessed,) = with_rates(known).links, nameplate(known).links

    assert filled.forward == link.forward
    assert filled.backward.rate_bps == guessed.forward.rate_bps == guessed.backward.rate_bps


def test_a_fluid_shares_a_bottleneck_fairly_and_gives_the_rest_to_who_can_take_it() -> None:
    wide, narrow = Impairment(rate_bps=100_000_000), Impairment(rate_bps=10_000_000)
    network = Network(
        name="n",
        nodes=(
            *(Node(id=one, kind="host") for one in "abcd"),
            Node(id="r", kind="router"),
            Node(id="s", kind="router"),
        ),
        links=(
            Link(id="a", a="a", b="r", forward=wide, backward=wide),
            Link(id="b", a="b", b="r", forward=wide, backward=wide),
            Link(id="rs", a="r", b="s", forward=narrow, backward=narrow),
            Link(id="c", a="s", b="c", forward=Impairment(rate_bps=2_000_000), backward=wide),
            Link(id="d", a="s", b="d", forward=wide, backward=wide),
        ),
    )
    flows = (
        FlowSpec(id="1", source="a", target="c", flow_class="greedy"),
        FlowSpec(id="2", source="b", target="d", flow_class="greedy"),
    )

    found = fluid(network, Traffic(flows=flows, workloads=())).values

    assert found["a→c"]["goodput_mbps"] == pytest.approx(2 * 0.94)
    assert found["b→d"]["goodput_mbps"] == pytest.approx(8 * 0.94)


def test_errors_are_relative_to_the_truth_or_to_a_floor_and_what_is_missing_is_told() -> None:
    truth = Seen(values={"a→b": {"srtt_p50_ms": 20.0, "retransmission_share": 0.001}, "b→a": {"srtt_p50_ms": 5.0}})
    other = Seen(values={"a→b": {"srtt_p50_ms": 25.0, "retransmission_share": 0.002}})

    assert errors(truth, other)["a→b", "srtt_p50_ms"] == pytest.approx(0.25)
    assert errors(truth, other)["a→b", "retransmission_share"] == pytest.approx(0.2)
    assert coverage(truth, other) == pytest.approx(2 / 3)


def test_an_interval_of_a_share_holds_it_and_never_leaves_the_unit() -> None:
    for hits, tries in ((0, 6), (3, 6), (6, 6)):
        low, high = wilson(hits, tries)

        assert 0.0 <= low <= hits / tries <= high + 1e-12 <= 1.0 + 1e-9
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_prediction_moves_the_present_as_the_copy_moved_times_by_as_much_and_goodput_by_as_large_a_share() -> None:
    # A copy that waits twice as long as production, and to which an edit adds ten.
    assert anchored("srtt_p95_ms", 40.0, 80.0, 90.0) == 50.0
    assert by_ratio("srtt_p95_ms", 40.0, 80.0, 90.0) == 45.0
    assert anchored("goodput_mbps", 4.0, 8.0, 6.0) == 3.0
    assert anchored("retransmission_share", 0.0, 0.02, 0.05) == pytest.approx(0.03)
    assert anchored("completion_p99_ms", 5.0, 80.0, 60.0) == 0.0
    assert as_run("srtt_p95_ms", 40.0, 80.0, 90.0) == 90.0


def test_an_error_of_a_loss_that_is_none_is_relative_to_the_least_that_can_be_told() -> None:
    rows: list[dict[str, object]] = [
        {"stage": "links", "property": "loss", "standing": "measured", "value": 0.0002, "truth": 0.0, "inside": False}
    ]

    text = table(rows, _Grounds())  # type: ignore[arg-type]

    assert "20.0 %" in text


def test_the_table_needs_no_stage_but_those_that_were_run() -> None:
    row: dict[str, object] = {
        "stage": "replication",
        "who": "shadow",
        "error": 0.1,
        "noise_ratio": 2.0,
        "coverage": 1.0,
    }

    text = table([row], _Grounds())  # type: ignore[arg-type]

    assert "10.0 %" in text
    assert "2.0" in text
