"""Syslog (RFC 5424 over UDP, or the local socket), with a body in plain words or in CEF.

In: a notification.  Out: one datagram.  Nobody answers: what a network drops is gone, which is syslog's way.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from shadowlab import __version__
from shadowlab.lab.watch.config import ReceiverConfig
from shadowlab.lab.watch.notify.alertmanager import stamp
from shadowlab.lab.watch.notify.interface import TIMEOUT_S, Refused
from shadowlab.model.watch.incident import Notification

PORT = 514
MOST_BYTES = 2048
"""Every receiver takes so much (RFC 5424, 6.1)."""
_DAEMON = 3
_LEVELS = {"info": 6, "warning": 4, "critical": 2}
_CEF_SEVERITY = {"info": 3, "warning": 6, "critical": 9}


def rendered(one: Notification, receiver: ReceiverConfig) -> bytes:
    """The whole message; what is too long is cut at its end, at a whole character."""
    priority = _DAEMON * 8 + _LEVELS[one.severity]
    head = f"<{priority}>1 {stamp(one.at_ns)} - shadowlab - {one.event} - "
    body = _cef(one) if receiver.cef else f"{one.title}: {one.text} [{one.id}]"
    text = head + " ".join(body.split())
    return text.encode()[:MOST_BYTES].decode("utf-8", "ignore").encode()


def _cef(one: Notification) -> str:
    kind = one.incident.rsplit("-", 1)[-1]
    keys = {
        "externalId": one.id,
        "rt": str(one.at_ns // 1_000_000),
        "cat": kind,
        "act": one.event,
        "cs1Label": "incident",
        "cs1": one.incident,
        "cs2Label": "links",
        "cs2": ", ".join(one.links),
        "msg": one.text,
    }
    extension = " ".join(f"{name}={_value(value)}" for name, value in keys.items() if value)
    head = "|".join(map(_header, ("ShadowLab", "ShadowLab", __version__, f"{kind}.{one.event}", one.title)))
    return f"CEF:0|{head}|{_CEF_SEVERITY[one.severity]}|{extension}"


def _header(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


def _value(text: str) -> str:
    return text.replace("\\", "\\\\").replace("=", "\\=").replace("\n", "\\n")


def send(one: Notification, receiver: ReceiverConfig) -> None:
    """Raises Refused where not even the sending works."""
    parts = urlsplit(receiver.url)
    message = rendered(one, receiver)
    try:
        if parts.scheme == "unix":
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(TIMEOUT_S)
                sender.sendto(message, parts.path)
            return
        kind, _, _, _, address = socket.getaddrinfo(parts.hostname, parts.port or PORT, type=socket.SOCK_DGRAM)[0]
        with socket.socket(kind, socket.SOCK_DGRAM) as sender:
            sender.sendto(message, address)
    except OSError as error:
        raise Refused(f"{receiver.url} cannot be reached: {error}") from error
