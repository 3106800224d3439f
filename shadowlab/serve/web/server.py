"""The server: where it listens, by which names it goes, what it demands of whoever reaches it.

In: an address, certificate, tokens.  Out: an application that is served until somebody ends it.
Never: an address beyond this machine without token and certificate.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import uvicorn
from cryptography import x509
from starlette.types import ASGIApp

from shadowlab.errors import CannotRunError, InputError

MOST_CONNECTIONS = 256
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def demand_protection(host: str, *, tokens: bool, certificate: Path | None, key: Path | None) -> None:
    """Raises InputError that names what is missing."""
    if (certificate is None) != (key is None):
        raise InputError(f"--{'key' if key is None else 'cert'} is missing: a certificate goes with its key")
    if is_loopback(host):
        return
    lacks = [*([] if tokens else ["--token-file"]), *([] if certificate else ["--cert and --key"])]
    if lacks:
        raise InputError(
            f"--host {host[:100]} can be reached from other machines, so {' and '.join(lacks)} must be given; "
            "without them only this machine is served: --host 127.0.0.1"
        )


def check_certificate(certificate: Path, key: Path) -> tuple[str, ...]:
    """The names that it is for.  Raises InputError if the two cannot be used."""
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, password="")
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"certificate {certificate} and key {key} cannot be used: {error}") from error
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = [str(one) for one in names.get_values_for_type(x509.IPAddress)]
    return (*names.get_values_for_type(x509.DNSName), *addresses)


def bind(host: str, port: int) -> socket.socket:
    """Raises CannotRunError if somebody else has it, InputError for an address that is none of ours."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )[0]
    except OSError as error:
        raise InputError(f"--host {host[:100]}: {error}") from error
    found = socket.socket(family, kind)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(128)
    except OSError as error:
        found.close()
        why = error.strerror or error
        raise CannotRunError(f"cannot listen on {host} port {port}: {why}; choose another --port") from error
    return found


def serve(
    app: ASGIApp, bound: socket.socket, *, certificate: Path | None, key: Path | None, ready: Callable[[], None]
) -> None:
    """Until a signal.  Of requests nothing is logged."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=1,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    Server(config).run(sockets=[bound])
