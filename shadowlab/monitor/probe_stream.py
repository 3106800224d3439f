"""What a probe is sent as, and what it stands for.

In: a path, the flow it stands for.  Out: plain values.  Never: a socket.  Imported inside the guest: standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shadowlab.kernel.ports import Flow

PROBER_PORT = 4001
REFLECTOR_PORT = 4002
HEAD_BYTES = 12
"""Each probe begins with so many bytes that we read again."""
PAYLOAD_BYTES = 64
MOST_BYTES = 1452
"""Of UDP payload: what fits an Ethernet frame with the headers of IPv6."""
MOST_DSCP = 63

Fidelity = Literal["only way", "exact identity", "same way", "any way"]
"""How truly a probe takes the way of the flow it stands for: there is but one way; it has the flow's own protocol and
ports; it has others that the hashes of all routers lead along the same links, there and back; nothing is known."""


ProbeKind = Literal["auto", "udp", "tcp"]
"""What probes are: UDP where that can take the flow's way, and else crafted TCP; always UDP; always crafted TCP, where
there is a flow."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Probes of one path that all have the same addresses, protocol and ports, so they take one way.

    ``path`` is its index.  ``flow`` names the flow whose way it is, empty where there is none.  ``crafted``: segments
    of TCP instead of UDP.  ``leaves_by`` and ``answers_by``: the interface that a crafted one is sent by, at the source
    and at the target; empty where the routes decide.
    """

    path: int
    source: str
    target: str
    ipv6: bool = False
    source_port: int = PROBER_PORT
    target_port: int = REFLECTOR_PORT
    crafted: bool = False
    leaves_by: str = ""
    answers_by: str = ""
    flow: str = ""
    fidelity: Fidelity = "only way"

    @property
    def there(self) -> Flow:
        """Its identity, as routers see it."""
        return Flow("tcp" if self.crafted else "udp", self.source_port, self.target_port)

    def describe(self) -> dict[str, object]:
        """As the run's report has it."""
        return {
            "flow": self.flow,
            "family": 6 if self.ipv6 else 4,
            "identity": f"{self.there.protocol} {self.source_port} {self.target_port}",
            "fidelity": self.fidelity,
        }

    @property
    def back(self) -> Flow:
        """The identity of its answers."""
        return Flow("tcp" if self.crafted else "udp", self.target_port, self.source_port)
