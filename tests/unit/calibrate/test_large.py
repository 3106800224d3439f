"""The ways for many links give what the plain ones give."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from shadowlab.calibrate.links.algebra import large
from shadowlab.calibrate.links.numbers import Floats

_SEEDS = st.integers(0, 2**32 - 1)


def _ways(seed: int, rows: int = 30, columns: int = 12) -> Floats:
    """Rows that cross three columns each, some columns always together."""
    rng = np.random.default_rng(seed)
    found = np.zeros((rows, columns))
    for row in found:
        row[rng.choice(columns, 3, replace=False)] = 1.0
    found[:, 1] = found[:, 0]
    return found


@settings(max_examples=30, deadline=None)
@given(_SEEDS)
def test_block_pivoting_finds_lawson_and_hansons_solution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    system = np.vstack([_ways(seed), 0.05 * np.eye(12)])
    target = system @ rng.normal(0.3, 1.0, 12) + rng.normal(0, 0.2, len(system))
    plain = nnls(system, target)[0]

    found = large.not_negative(system, target, many=0)

    assert np.allclose(found, plain, atol=1e-8)


@settings(max_examples=60, deadline=None)
@given(_SEEDS, st.integers(1, 30))
def test_pivoted_factors_leave_over_what_singular_vectors_do(seed: int, rows: int) -> None:
    ways = _ways(seed, rows)

    plain, found = large.null_projector(ways), large.null_projector(ways, many=0)

    assert np.allclose(found, plain, atol=1e-7)
    assert np.allclose(ways @ found, 0, atol=1e-7)


def test_every_row_is_kept_once() -> None:
    rows = np.array([[1.0, 0.0], [0.5, 0.5], [1.0, 0.0]])

    assert large.distinct_rows(rows).tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_a_large_matrix_is_sparse_and_multiplies_alike() -> None:
    ways = np.tile(_ways(1), (40, 100))

    assert ways.size > 1_000_000
    assert not isinstance(large.quick(ways), np.ndarray)
    assert np.allclose(large.gram(ways), ways.T @ ways)
