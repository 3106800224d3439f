"""Production and shadow are compared path by path, and the pattern of departures gives the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from shadowlab.correlate.agree import compare
from shadowlab.correlate.production import observe_production
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.verdict import Correlation
from shadowlab.telemetry.attach import Connection
from shadowlab.telemetry.clock import ClockJump

S = 10**9
PATHS = 10
HIT = range(4)
SECONDS = 60
SEGMENTS = 6000
BASELINE, AFTER = (0, 100 * S), (150 * S, 200 * S)


def record(at_s: float, **fields: Any) -> TcpRecord:
    return TcpRecord(
        at_ns=round(at_s * S),
        instance="a",
        local_address="10.0.0.1",
        local_port=1,
        peer_address="10.0.0.2",
        peer_port=2,
        **fields,
    )


def connection(path: int, *, srtt_ms: float = 40.0, share: float = 0.001, mbps: float = 1.2) -> Connection:
    """A flow seen twice, :data:`SECONDS` apart."""
    srtt_ns = round(srtt_ms * 1e6)
    return Connection(
        source="a",
        target=str(path),
        source_address="10.0.0.1",
        source_port=1,
        target_address="10.0.0.2",
        target_port=2,
        sender_records=(
            record(0, srtt_ns=srtt_ns, retransmits_total=7, data_segments_out=500, bytes_acked=9),
            record(
                SECONDS,
                srtt_ns=srtt_ns,
                retransmits_total=7 + round(SEGMENTS * share),
                data_segments_out=500 + SEGMENTS,
                bytes_acked=9 + round(mbps * 1e6 * SECONDS / 8),
            ),
        ),
        receiver_records=(),
    )


def production(hit: Iterable[int] = (), **changed: float) -> list[Connection]:
    return [connection(path, **(changed if path in set(hit) else {})) for path in range(PATHS)]


def shadow(hit: Iterable[int] = (), **changed: float) -> SeriesTable:
    """The shadow's indicators: as production at rest, and ``changed`` after 120 s on the paths that are hit."""
    rng = np.random.default_rng(1)
    rest = {"srtt_ms": 38.0, "share": 0.0005, "mbps": 1.2}
    names = {"srtt_ms": "srtt_ms", "share": "retransmission_share", "mbps": "throughput_mbps"}
    values = {}
    for name, kpi in names.items():
        array = rest[name] * (1 + rng.normal(0, 0.03, (200, PATHS)))
        for path in hit:
            array[120:, path] += changed.get(name, rest[name]) - rest[name]
        values[kpi] = array
    return SeriesTable(
        times_ns=np.arange(1, 201, dtype=np.int64) * S,
        subjects=tuple(f"a→{path}" for path in range(PATHS)),
        values=values,
    )


def correlate(after: list[Connection], emulated: SeriesTable, **options: Any) -> Correlation:
    return compare(after, emulated, window_ns=AFTER, production_before=production(), baseline_ns=BASELINE, **options)


def test_the_same_departure_on_both_sides_confirms_the_shadow() -> None:
    found = correlate(production(HIT, share=0.03), shadow(HIT, share=0.028))

    assert found.verdict == "confirmed"
    assert "on 4 of 10 paths production and shadow left their baseline the same way" in found.why
    assert (found.share_agreeing, len(found.agreements)) == (1.0, 3 * PATHS)


def test_under_the_null_model_the_same_departure_means_that_demand_moved() -> None:
    found = correlate(production(HIT, mbps=4.0, srtt_ms=80), shadow(HIT, mbps=4.0, srtt_ms=76), events_replayed=False)

    assert found.verdict == "demand moved"


def test_a_sparse_departure_of_production_alone_is_a_broken_network() -> None:
    found = correlate(production(range(2), share=0.03), shadow())

    assert found.verdict == "network broke"
    assert "2 of 10 paths" in found.why
    wrong = {(one.path, one.kpi) for one in found.agreements if not one.agrees}
    assert wrong == {("a→0", "retransmission_share"), ("a→1", "retransmission_share")}


def test_a_dense_departure_of_production_alone_is_a_wrong_shadow() -> None:
    assert correlate(production(range(PATHS), srtt_ms=90), shadow()).verdict == "shadow drifted"


def test_trouble_that_only_the_shadow_sees_is_a_wrong_shadow() -> None:
    found = correlate(production(), shadow(HIT, share=0.05))

    assert found.verdict == "shadow drifted"
    assert "4 of 10 paths where production did not" in found.why


def test_opposite_departures_are_no_confirmation() -> None:
    found = correlate(production(HIT, mbps=3.0), shadow(HIT, mbps=0.3))

    assert found.verdict in ("network broke", "shadow drifted")


def test_quiet_on_both_sides_is_confirmed_as_quiet() -> None:
    found = correlate(production(), shadow())

    assert found.verdict == "confirmed"
    assert found.why.startswith("Neither production nor shadow left its baseline")


def test_quiet_but_far_apart_is_a_wrong_shadow() -> None:
    everywhere = range(PATHS)
    quiet = production(everywhere, srtt_ms=120, mbps=9.0)

    found = compare(quiet, shadow(), window_ns=AFTER, production_before=quiet, baseline_ns=BASELINE)

    assert found.verdict == "shadow drifted"
    assert found.share_agreeing == pytest.approx(1 / 3)


def test_a_departure_just_below_the_limit_on_one_side_still_agrees() -> None:
    found = correlate(production(HIT, share=0.0062), shadow(HIT, share=0.0043))

    assert found.verdict == "confirmed"


def test_without_a_baseline_values_are_compared_but_nothing_is_concluded() -> None:
    found = compare(production(), shadow(), window_ns=AFTER)

    assert (found.verdict, len(found.agreements)) == ("not compared", 3 * PATHS)
    assert "No path was recorded before and after" in found.why


def test_nothing_in_common_is_said_in_plain_words() -> None:
    nobody = compare([], shadow(), window_ns=AFTER)
    late = compare(production(), shadow(), window_ns=(900 * S, 950 * S))

    assert (nobody.verdict, late.verdict) == ("not compared", "not compared")
    assert nobody.why.startswith("no connection of production")
    assert late.why.startswith("none of production's paths")


def test_paths_that_the_shadow_does_not_know_are_counted() -> None:
    found = correlate([*production(), connection(77)], shadow())

    assert found.why.endswith("1 paths of production are not in the shadow.")


def test_full_size_production_is_scaled_before_it_is_compared() -> None:
    seen = observe_production(production(), scale=100)

    assert seen["a→0"]["throughput_mbps"].value == pytest.approx(0.012)


def test_one_dump_gives_a_round_trip_time_but_no_rates() -> None:
    twice = connection(0)
    once = Connection(**{**vars(twice), "sender_records": twice.sender_records[:1]})

    assert set(observe_production([once])["a→0"]) == {"srtt_ms"}


def test_the_flows_of_a_path_are_counted_together() -> None:
    seen = observe_production([connection(0, share=0.0, mbps=1.0), connection(0, share=0.02, mbps=2.0)])["a→0"]

    assert seen["retransmission_share"].value == pytest.approx(0.01)
    assert seen["throughput_mbps"].value == pytest.approx(3.0)
    assert seen["retransmission_share"].noise == pytest.approx(np.sqrt(121) / 12000)


def test_a_part_of_a_paths_flows_is_not_taken_for_its_throughput() -> None:
    whole = connection(0)
    part = Connection(**{**vars(whole), "sender_records": whole.sender_records[:1]})

    assert "throughput_mbps" not in observe_production([whole, part])["a→0"]


def test_a_clock_that_leapt_is_a_fault_of_measurement_unless_something_happened_as_well() -> None:
    jump = ClockJump(instance="7", at_ns=0, by_ns=-90 * S, records=3)
    sides = {"production_before": production(), "window_ns": AFTER, "baseline_ns": BASELINE}

    calm = compare(production(), shadow(), jumps=[jump], **sides)  # type: ignore[arg-type]
    broken = compare(production(HIT, srtt_ms=80.0), shadow(), jumps=[jump], **sides)  # type: ignore[arg-type]

    assert (calm.verdict, calm.suspects) == ("measurement fault", ("7",))
    assert "-90 s" in calm.why
    assert broken.verdict == "network broke"
