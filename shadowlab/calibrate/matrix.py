"""Who sends how much to whom, with what nobody recorded filled in.

In: what recorded connections moved between pairs, which pairs nobody could have recorded, which links those would cross
and what is known to be unseen there.  Out: one entry per pair with traffic.  Never: a pair that somebody records,
estimated.

*Gravity*: what goes from i to j is a product of how much i sends and how much j receives.  Its two vectors are fitted
to the pairs that somebody records (iterative proportional fitting over the observed cells; Poisson's likelihood has the
same fixed point), and their product fills the cells that nobody can see.  *Tomogravity* then scales those cells until
links whose unseen traffic is known carry it: a multiplicative step per link, which stays as near to gravity, in the
sense of Kullback and Leibler, as the links allow (Zhang, Roughan, Lund and Donoho 2003).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.calibration import MatrixEntry

_ROUNDS = 200
_LINK_ROUNDS = 100
_LEAST_BPS = 1.0


def filled_matrix(
    hosts: Sequence[str],
    seen_bps: Mapping[tuple[str, str], float],
    silent: Sequence[str],
    crossed: Mapping[tuple[str, str], Mapping[int, float]],
    unseen_bps: Mapping[int, float],
) -> tuple[MatrixEntry, ...]:
    """``seen_bps`` by (source, target); pairs of two ``silent`` instances are the ones that nobody could record.

    ``crossed`` tells for such pairs how probably they cross each link (by any number), ``unseen_bps`` what each link is
    known to carry beside the recorded traffic.
    """
    number = {one: place for place, one in enumerate(hosts)}
    hidden = np.zeros((len(hosts), len(hosts)), dtype=np.bool_)
    places = [number[one] for one in silent if one in number]
    if places:
        hidden[np.ix_(places, places)] = True
    np.fill_diagonal(hidden, False)
    amounts = np.zeros((len(hosts), len(hosts)))
    for (source, target), rate in seen_bps.items():
        if source in number and target in number and not hidden[number[source], number[target]]:
            amounts[number[source], number[target]] += rate
    observed = ~hidden
    np.fill_diagonal(observed, False)
    estimate = _gravity(amounts, observed)
    _tomography(estimate, hidden, hosts, crossed, unseen_bps)
    entries = [
        MatrixEntry(source=source, target=target, rate_bps=round(rate, 3), standing="measured")
        for (source, target), rate in sorted(seen_bps.items())
        if rate >= _LEAST_BPS
    ]
    # Where even a pair of silent ones was seen (by a capture in between), the measurement stands.
    entries += [
        MatrixEntry(
            source=hosts[row], target=hosts[column], rate_bps=round(float(estimate[row, column]), 3), standing="prior"
        )
        for row, column in zip(*np.nonzero(hidden), strict=True)
        if estimate[row, column] >= _LEAST_BPS and (hosts[row], hosts[column]) not in seen_bps
    ]
    return tuple(sorted(entries, key=lambda one: (one.source, one.target)))


def _gravity(amounts: NDArray[Any], observed: NDArray[Any]) -> NDArray[Any]:
    """The rank-one matrix that fits the observed cells, everywhere."""
    known = np.where(observed, amounts, 0.0)
    out, into = known.sum(axis=1), known.sum(axis=0)
    if not out.sum():
        return np.zeros_like(amounts)
    send, receive = np.ones(len(amounts)), np.ones(len(amounts))
    for _ in range(_ROUNDS):
        reach = np.where(observed, receive[None, :], 0.0).sum(axis=1)
        send = np.divide(out, reach, out=np.zeros_like(send), where=reach > 0)
        reach = np.where(observed, send[:, None], 0.0).sum(axis=0)
        before, receive = receive, np.divide(into, reach, out=np.zeros_like(receive), where=reach > 0)
        if np.allclose(before, receive, rtol=1e-9):
            break
    result: NDArray[Any] = np.outer(send, receive)
    return result


def _tomography(
    estimate: NDArray[Any],
    hidden: NDArray[Any],
    hosts: Sequence[str],
    crossed: Mapping[tuple[str, str], Mapping[int, float]],
    unseen_bps: Mapping[int, float],
) -> None:
    """Scale the hidden cells, in place, to what the links are known to carry."""
    shares: dict[int, np.ndarray] = {link: np.zeros_like(estimate) for link in unseen_bps}
    for row, column in zip(*np.nonzero(hidden), strict=True):
        for link, share in crossed.get((hosts[row], hosts[column]), {}).items():
            if link in shares:
                shares[link][row, column] = share
    for _ in range(_LINK_ROUNDS):
        for link, wanted in sorted(unseen_bps.items()):
            carried = float((shares[link] * estimate * hidden).sum())
            if carried > 0:
                estimate[hidden] *= (max(wanted, 0.0) / carried) ** shares[link][hidden]
