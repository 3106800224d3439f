"""How long a lab's self-test may take."""

from __future__ import annotations

from shadowlab.lab.live.proof.selftest import patience_s
from shadowlab.lab.live.proof.selftest_inside import Examination
from shadowlab.shadow.ops import CreateNode, Op


def _examination(nodes: int) -> Examination:
    ops: tuple[Op, ...] = tuple(CreateNode(node=f"n{one}", address="10.0.0.1", forwards=False) for one in range(nodes))
    return Examination(lab="0", ops=ops, trials=())


def test_a_larger_lab_is_given_more_time() -> None:
    small, large = patience_s(_examination(2)), patience_s(_examination(5000))

    assert small >= 60
    assert large >= small + 49
