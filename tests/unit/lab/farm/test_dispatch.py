"""What runs where, without a farm."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from shadowlab.lab.farm.dispatch import MOST_FAILURES, MOST_LOSSES, Dispatch, Request, Start
from shadowlab.lab.farm.restarts import LONGEST_WAIT_S, MOST_IN_A_ROW, STEADY_S, Restarts

GIB = 1 << 30


def dispatch(count: int, workers: str, expected_s: float = 1.0) -> Dispatch:
    made = Dispatch()
    made.seen(dict.fromkeys(workers, GIB))
    made.add(Request(number=number, expected_s=expected_s, memory_bytes=GIB) for number in range(count))
    return made


def test_every_worker_has_one_errand_and_the_rest_waits() -> None:
    farm = dispatch(3, "ab")

    assert farm.turn(0.0) == [Start(number=0, worker="a"), Start(number=1, worker="b")]
    assert farm.turn(0.1) == []
    assert farm.done("b", 1, 1.0)
    assert farm.turn(1.0) == [Start(number=2, worker="b")]


def test_a_lost_worker_costs_only_what_it_ran() -> None:
    farm = dispatch(3, "ab")
    farm.turn(0.0)

    assert farm.seen({"b": GIB}) == {}

    assert farm.done("b", 1, 1.0)
    assert farm.turn(1.0) == [Start(number=0, worker="b")]
    assert farm.lost == 1


def test_an_errand_under_which_workers_die_is_given_up() -> None:
    farm = dispatch(1, "a")

    for turn in range(MOST_LOSSES):
        worker = f"a{turn}"
        farm.seen({worker: GIB})
        assert farm.turn(0.0) == [Start(number=0, worker=worker)]

    assert farm.seen({"z": GIB}) == {0: "3 workers were lost while they ran it"}
    assert farm.open == 0


def test_a_straggler_is_started_elsewhere_once_nothing_waits_and_the_first_to_end_counts() -> None:
    farm = dispatch(2, "ab")
    farm.turn(0.0)
    farm.done("a", 0, 1.0)  # as expected: what takes more than 3 s + 5 s is slow

    assert farm.turn(7.9) == []
    assert farm.turn(8.1) == [Start(number=1, worker="a", again=True)]
    assert farm.turn(60.0) == []
    assert farm.done("a", 1, 9.0)
    assert not farm.done("b", 1, 99.0)
    assert farm.repeated == 1


def test_a_failure_is_tried_once_more_and_elsewhere() -> None:
    farm = dispatch(1, "ab")
    farm.turn(0.0)

    assert farm.failed("a", 0, "guest died") is None
    assert farm.turn(1.0) == [Start(number=0, worker="b")]
    assert farm.failed("b", 0, "guest died again") == "guest died again"
    assert (MOST_FAILURES, farm.open) == (2, 0)


def test_a_worker_that_can_run_nothing_gets_nothing_and_its_reason_is_told_when_all_are_like_it() -> None:
    farm = dispatch(1, "ab")
    farm.turn(0.0)

    farm.cannot("a", 0, "no ptrace")
    assert farm.turn(0.0) == [Start(number=0, worker="b")]
    assert farm.stuck() is None
    farm.cannot("b", 0, "no memory file")

    assert farm.stuck() == "no memory file; no ptrace"


def test_an_errand_waits_for_a_worker_with_memory_for_it() -> None:
    farm = Dispatch()
    farm.seen({"small": GIB // 2})
    farm.add([Request(number=0, expected_s=1.0, memory_bytes=GIB)])

    assert farm.turn(0.0) == []
    assert farm.stuck() == "an errand needs 1024 MiB, and no worker has more than 512 MiB"
    farm.seen({"large": 2 * GIB})
    assert farm.turn(0.0) == [Start(number=0, worker="large")]


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["done", "fail", "cannot", "lose", "join", "wait"]), max_size=60), st.integers(1, 8))
def test_whatever_workers_do_no_worker_has_two_errands_and_each_is_settled_once(course: list[str], count: int) -> None:
    farm, running, settled = dispatch(count, "ab"), dict[str, int](), list[int]()
    there, now = {"a": GIB, "b": GIB}, 0.0

    def settle_lost() -> None:
        for worker in running.keys() - there.keys():
            del running[worker]
        settled.extend(farm.seen(there))

    for step, what in enumerate([*course, *["done"] * 4 * count]):
        now += 1000.0 if what == "wait" else 1.0
        if what == "join" or not there.keys() - farm.refused.keys():
            there[f"w{step}"] = GIB
            settle_lost()
        for start in farm.turn(now):
            assert start.worker not in running
            assert start.number not in settled
            running[start.worker] = start.number
        if not running or what in ("wait", "join"):
            continue
        worker = min(running)
        if what == "lose":
            del there[worker]
            settle_lost()
            continue
        number = running.pop(worker)
        if what == "done":
            settled += [number] * farm.done(worker, number, now)
        elif what == "fail":
            settled += [number] * (farm.failed(worker, number, "why") is not None)
        else:
            farm.cannot(worker, number, "why")

    assert sorted(settled) == list(range(count))
    assert farm.open == 0


def test_a_process_that_dies_is_started_more_and_more_slowly_and_not_for_ever() -> None:
    restarts = Restarts()

    waits = [restarts.after(0.1) for _ in range(MOST_IN_A_ROW + 1)]

    assert waits[:3] == [1.0, 2.0, 4.0]
    assert max(one for one in waits if one is not None) == LONGEST_WAIT_S
    assert waits[-1] is None


def test_a_process_that_lived_long_begins_anew() -> None:
    restarts = Restarts(in_a_row=MOST_IN_A_ROW)

    assert restarts.after(STEADY_S) == 1.0
