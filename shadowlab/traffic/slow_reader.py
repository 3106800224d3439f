"""An application that takes its bytes slowly, so that the window of its connection closes now and then.

In: moments.  Out: how many bytes it takes.  Never: a clock, a socket.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

from shadowlab.model.flow import FlowSpec

READ_EVERY_NS = 20_000_000
_BIT_NS_PER_BYTE = 8_000_000_000


class SlowReader:
    """Takes at most ``rate_bps``; what was not there when its turn came is no credit for later."""

    def __init__(self, rate_bps: int, start_ns: int) -> None:
        self._rate_bps = rate_bps
        self._until_ns = start_ns
        self._carry = 0

    def take(self, now_ns: int) -> int:
        """How many bytes it takes now."""
        taken, self._carry = divmod(self._carry + self._rate_bps * (now_ns - self._until_ns), _BIT_NS_PER_BYTE)
        self._until_ns = now_ns
        return taken


def reads_slowly(spec: FlowSpec) -> bool:
    """Whether the flow's records say so: then its rate is that of its reader."""
    return spec.flow_class == "receiver-limited" and spec.rate_bps is not None
