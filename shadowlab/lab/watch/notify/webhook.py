"""A signed generic webhook: one JSON object, and a signature that proves who sent it and that nothing was changed.

In: a notification, a secret.  Out: one POST.

``Shadowlab-Signature: v1=HEX`` is the HMAC-SHA256 of the body under the secret; the body holds the moment it is about,
``Idempotency-Key`` and ``id`` are the same for every attempt.
"""

from __future__ import annotations

import hashlib
import hmac
import json

from shadowlab.lab.watch.config import ReceiverConfig
from shadowlab.lab.watch.notify.alertmanager import stamp
from shadowlab.lab.watch.notify.http import post
from shadowlab.lab.watch.notify.interface import Refused
from shadowlab.model.watch.incident import Notification

FORMAT = "watch-notification/1"
LEAST_SECRET_BYTES = 16


def rendered(one: Notification, receiver: ReceiverConfig) -> bytes:
    """The body: the same bytes for every attempt."""
    document = {
        "format": FORMAT,
        "id": one.id,
        "incident": one.incident,
        "event": one.event,
        "severity": one.severity,
        "title": one.title,
        "text": one.text,
        "at": stamp(one.at_ns),
        "opened_at": stamp(one.began_ns),
        "resolved_at": None if one.ended_ns is None else stamp(one.ended_ns),
        "links": list(one.links),
        "labels": dict(receiver.labels),
    }
    return json.dumps(document, ensure_ascii=False, sort_keys=True).encode()


def signature(body: bytes, secret: bytes) -> str:
    """RFC 2104 with SHA-256."""
    return "v1=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def send(one: Notification, receiver: ReceiverConfig) -> None:
    """Raises Refused, also where the secret cannot be read: nothing leaves unsigned that was to be signed."""
    body = rendered(one, receiver)
    headers = {"Idempotency-Key": one.id.encode("ascii", "replace").decode()}
    if receiver.secret_file is not None:
        try:
            secret = receiver.secret_file.read_bytes().strip()
        except OSError as error:
            raise Refused(f"the secret {receiver.secret_file} cannot be read: {error.strerror}") from error
        if len(secret) < LEAST_SECRET_BYTES:
            raise Refused(f"the secret {receiver.secret_file} is shorter than {LEAST_SECRET_BYTES} bytes")
        headers["Shadowlab-Signature"] = signature(body, secret)
    post(receiver.url, body, headers, ca_file=receiver.ca_file)
