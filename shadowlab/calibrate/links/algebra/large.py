"""The same linear algebra for many links: where dense matrices take minutes, their structure is made use of.

In: matrices of measurements and links.  Out: products, null spaces, non-negative solutions.
Never: another answer than the small way's, but for rounding: a test holds both against each other.

A connection crosses a dozen of a thousand links, so that nearly all of a large matrix is zero; and nearly all delays
lie above their floors, so that least squares without the floors is nearly the answer already.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.linalg.lapack import dpstrf
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


def null_projector(matrix: Floats, *, many: int = _MANY_COLUMNS) -> Floats:
    """The (K, K) matrix that takes K values to that part of them which no row of (M, K) tells."""
    columns = matrix.shape[1]
    if columns <= many:
        _, sizes, vectors = np.linalg.svd(matrix, full_matrices=False)
        basis = vectors[sizes > 1e-7 * max(float(sizes[0]), 1e-12)]
        return np.asarray(np.eye(columns) - basis.T @ basis)
    # What is always crossed together is one column, as long as all of them: both directions of every access link.
    each, which = _distinct_columns(matrix)
    sizes = np.sqrt(np.bincount(which))
    told = np.eye(len(each)) - _null_of(gram(matrix[:, each] * sizes))
    return np.asarray(np.eye(columns) - told[np.ix_(which, which)] / np.outer(sizes[which], sizes[which]))


def _null_of(normal: Floats) -> Floats:
    """The projector onto the null space of a positive semidefinite matrix.

    By Cholesky's factors with pivoting (LAPACK's ``pstrf``; Higham 1990): a thirtieth of the work of eigenvalues, and
    what they leave over is the null space, which is small where most links can be told apart.
    """
    count = len(normal)
    factor, order, rank, _ = dpstrf(normal, tol=1e-12 * max(float(normal.diagonal().max(initial=0.0)), 1e-24))
    if rank == count:
        return np.zeros_like(normal)
    upper = factor[:rank]
    null = np.empty((count, count - rank))
    null[order[:rank] - 1] = -solve_triangular(np.triu(upper[:, :rank]), upper[:, rank:])
    null[order[rank:] - 1] = np.eye(count - rank)
    basis = np.linalg.qr(null)[0]
    return np.asarray(basis @ basis.T)


def distinct_rows(matrix: Floats) -> Floats:
    """Each row once, in the order of their first."""
    each, _ = _distinct_columns(matrix.T)
    return matrix[each]


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
