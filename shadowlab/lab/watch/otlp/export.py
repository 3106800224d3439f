"""Bodies on their way to a collector: a bounded queue, the oldest first, tried again after longer and longer pauses.

In: bodies, the moment.  Out: POSTs.  Never: a body kept beyond the bound, or one tried again that was refused for good.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shadowlab.lab.watch.notify.http import post
from shadowlab.lab.watch.notify.interface import Refused
from shadowlab.lab.watch.otlp.config import OtlpConfig
from shadowlab.model.units import NS_PER_S

MOST_WAITING = 60
"""Cycles' worth; of more the oldest goes."""
FIRST_PAUSE_NS, LONGEST_PAUSE_NS = 10 * NS_PER_S, 600 * NS_PER_S
_MOST_AT_ONCE = 5


def _post(config: OtlpConfig, body: bytes) -> None:
    headers: Mapping[str, str] = {}
    if config.token_file is not None:
        try:
            headers = {"Authorization": f"Bearer {config.token_file.read_text(encoding='ascii').strip()}"}
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"the token {config.token_file} cannot be read: {error}") from error
    post(config.url, body, headers, ca_file=config.ca_file)


@dataclass(kw_only=True)
class Exporter:
    """``dropped`` counts bodies that will not arrive, ``fault`` is why the last attempt failed."""

    config: OtlpConfig
    sender: Callable[[OtlpConfig, bytes], None] = _post
    dropped: int = 0
    fault: str = ""
    _waiting: deque[bytes] = field(default_factory=deque)
    _pause_ns: int = FIRST_PAUSE_NS
    _not_before_ns: int = 0

    def offer(self, body: bytes) -> None:
        """One more at the end."""
        self._waiting.append(body)
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1

    def send(self, now_ns: int) -> None:
        """A few of what waits, unless the last attempt failed too short a while ago."""
        for _ in range(_MOST_AT_ONCE):
            if not self._waiting or now_ns < self._not_before_ns:
                return
            try:
                self.sender(self.config, self._waiting[0])
            except Refused as error:
                self.fault = str(error)
                if not error.for_good:
                    self._not_before_ns = now_ns + self._pause_ns
                    self._pause_ns = min(2 * self._pause_ns, LONGEST_PAUSE_NS)
                    return
                self.dropped += 1
            else:
                self.fault = ""
            self._waiting.popleft()
            self._pause_ns = FIRST_PAUSE_NS
