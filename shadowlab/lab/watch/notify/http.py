"""One POST of JSON: no redirect, no proxy, a certificate that is checked, an answer of a bounded size.

In: an address, a body, headers.  Out: nothing, or :class:`Refused` with what the receiver said.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from shadowlab.lab.watch.notify.interface import TIMEOUT_S, Refused

_SHOWN = 200
_AGAIN = (408, 425, 429)
"""Of the 4xx these mean later, not never."""


def post(url: str, body: bytes, headers: Mapping[str, str], *, ca_file: Path | None = None) -> None:
    """Raises Refused.  4xx is for good: the same body would be refused again."""
    parts = urlsplit(url)
    assert parts.hostname is not None  # the watch file was checked
    try:
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=TIMEOUT_S, context=context
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            text = answer.read(4096).decode("utf-8", "replace")[:_SHOWN]
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise Refused(f"{parts.hostname} cannot be reached: {error}") from error
    if 200 <= answer.status < 300:
        return
    for_good = 400 <= answer.status < 500 and answer.status not in _AGAIN
    raise Refused(f"{parts.hostname} answered {answer.status}: {' '.join(text.split())}", for_good=for_good)
