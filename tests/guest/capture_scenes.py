"""What the tests of captures send through the embedded kernel: loss, reordering, both; a stalled reader; a reset."""

from __future__ import annotations

from capture_inside import SECOND, Recording, Transfer

from shadowlab.model.impairment import Impairment
from shadowlab.model.loss import Reorder

SEED = 7
_MS = 10**6
_DELAY_NS = 10 * _MS
_TRANSFERS = (
    Transfer(start_ns=0, octets=300_000),
    Transfer(start_ns=100 * _MS, octets=300_000, ipv6=True),
    Transfer(start_ns=200 * _MS, octets=200_000, stall_ns=SECOND),
    Transfer(start_ns=300 * _MS, octets=100_000, ends="reset"),
)


def _recording(there: Impairment) -> Recording:
    return Recording(
        there=there,
        back=Impairment(delay_ns=_DELAY_NS, loss=there.loss),
        transfers=_TRANSFERS,
        duration_ns=12 * SECOND,
        snap_bytes=128,
    )


SCENES = {
    "loss": _recording(Impairment(delay_ns=_DELAY_NS, loss=0.02, rate_bps=20_000_000)),
    "reorder": _recording(Impairment(delay_ns=_DELAY_NS, reorder=Reorder(share=0.03))),
    "both": _recording(Impairment(delay_ns=_DELAY_NS, loss=0.01, reorder=Reorder(share=0.02))),
}
