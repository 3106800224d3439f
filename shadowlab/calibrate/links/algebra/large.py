"""The same linear algebra for many links: where dense matrices take minutes, their structure is made use of.

In: matrices of measurements and links.  Out: products, row spaces, non-negative solutions.
Never: another answer than the small way's, but for rounding: a test holds both against each other.

A connection crosses a dozen of a thousand links, so that nearly all of a large matrix is zero; and nearly all delays
lie above their floors, so that least squares without the floors is nearly the answer already.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import nnls
from scipy.sparse import csr_array

from shadowlab.calibrate.links.numbers import Floats, Ints

Matrix = Any
"""Dense or sparse: what has ``@`` and ``.T``."""
_MANY_CELLS = 1_000_000
_MANY_COLUMNS = 400
_ROUNDS = 200
_SURE = 1e-9


def quick(matrix: Floats) -> Matrix:
    """The same matrix, sparse where it is large."""
    return csr_array(matrix) if matrix.size > _MANY_CELLS else matrix


def gram(matrix: Floats) -> Floats:
    """Its transpose times itself, dense."""
    some = quick(matrix)
    found = some.T @ some
    return np.asarray(found.toarray() if some is not matrix else found)


def row_space(matrix: Floats, *, many: int = _MANY_COLUMNS) -> Floats:
    """An orthonormal basis of what its rows span, one vector per row."""
    if matrix.shape[1] <= many:
        _, sizes, vectors = np.linalg.svd(matrix, full_matrices=False)
        return np.asarray(vectors[sizes > 1e-7 * max(float(sizes[0]), 1e-12)])
    # What is always crossed together is one column, as long as all of them: both directions of every access link.
    each, which = _distinct_columns(matrix)
    sizes = np.sqrt(np.bincount(which))
    squares, columns = np.linalg.eigh(gram(matrix[:, each] * sizes))  # singular values squared: rounding counts twice
    basis = columns.T[squares > 1e-12 * max(float(squares[-1]), 1e-24)]
    return np.asarray(basis[:, which] / sizes[which])


def _distinct_columns(matrix: Floats) -> tuple[list[int], Ints]:
    """The first of each kind of column, and of which kind each column is."""
    kinds: dict[bytes, int] = {}
    each: list[int] = []
    which = np.zeros(matrix.shape[1], dtype=np.int64)
    for number, column in enumerate(np.ascontiguousarray(matrix.T)):
        kind = kinds.setdefault(column.tobytes(), len(each))
        if kind == len(each):
            each.append(number)
        which[number] = kind
    return each, which


def not_negative(system: Floats, target: Floats, *, many: int = _MANY_COLUMNS) -> Floats:
    """Least squares without a value below zero.

    Few columns: Lawson and Hanson's, one column after the other.  Many: block principal pivoting (Portugal, Júdice and
    Vicente 1994) on the normal equations, from the solution without bounds: all columns that are wrong change sides at
    once, and only the last of them when that stops helping.  ``system`` must have full column rank.
    """
    if system.shape[1] <= many:
        return np.asarray(nnls(system, target, maxiter=50 * system.shape[1])[0])
    normal, wanted = gram(system), quick(system).T @ target
    free = np.ones(len(wanted), dtype=np.bool_)
    least, patience = len(wanted) + 1, 3
    scale = _SURE * float(np.abs(wanted).max(initial=0.0))
    for _ in range(_ROUNDS):
        found = np.zeros(len(wanted))
        places = np.flatnonzero(free)
        if len(places):
            found[places] = cho_solve(cho_factor(normal[np.ix_(places, places)]), wanted[places])
        slope = normal @ found - wanted
        wrong = np.flatnonzero((free & (found < 0)) | (~free & (slope < -scale)))
        if not len(wrong):
            return found
        if len(wrong) < least:
            least, patience = len(wrong), 3
        elif patience:
            patience -= 1
        else:
            wrong = wrong[-1:]
        free[wrong] = ~free[wrong]
    return np.asarray(nnls(system, target, maxiter=50 * system.shape[1])[0])
