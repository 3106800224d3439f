"""What a sender is, and which one a receiver has.

In: receivers of a watch file.  Out: a notification sent by the right one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shadowlab.lab.watch.config import ReceiverConfig
from shadowlab.model.watch.incident import Notification

TIMEOUT_S = 10.0


class Refused(Exception):
    """It did not leave.  ``for_good``: it never will, however often it is tried."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good


class Sender(Protocol):
    """Sends one notification.  Raises :class:`Refused`."""

    def __call__(self, one: Notification, receiver: ReceiverConfig) -> None: ...


def _kinds() -> Mapping[str, Sender]:
    from shadowlab.lab.watch.notify import alertmanager, syslog, webhook

    return {"alertmanager": alertmanager.send, "webhook": webhook.send, "syslog": syslog.send}


@dataclass(frozen=True, kw_only=True)
class Senders:
    """By the name of a receiver.  A notification to one that the watch file no longer has is given up."""

    receivers: Mapping[str, ReceiverConfig] = field(default_factory=dict)
    kinds: Callable[[], Mapping[str, Sender]] = _kinds

    def of(self, receivers: Sequence[ReceiverConfig]) -> Senders:
        """The same senders with other receivers."""
        return Senders(receivers={one.name: one for one in receivers}, kinds=self.kinds)

    def send(self, one: Notification) -> None:
        """Raises :class:`Refused`."""
        receiver = self.receivers.get(one.receiver)
        if receiver is None:
            raise Refused("the watch file has no such receiver any more", for_good=True)
        self.kinds()[receiver.kind](one, receiver)
