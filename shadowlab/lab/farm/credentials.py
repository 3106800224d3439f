"""The farm's own authority, and what its members show each other.

In: a folder of credentials.  Out: paths that were looked at.  Never: an agent's certificate, or one of another
authority: to be a member of a farm means to run code on all of its machines.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from shadowlab.errors import InputError
from shadowlab.replicate.authority import FARM_AUTHORITY


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A member's folder, as ``shadowlab farm ca issue`` makes it."""

    authority: Path
    certificate: Path
    key: Path


def read_credentials(folder: Path) -> Credentials:
    """Raises InputError for what is missing, and for credentials that are not a farm's."""
    found = Credentials(authority=folder / "ca.pem", certificate=folder / "cert.pem", key=folder / "key.pem")
    for path in (found.authority, found.certificate, found.key):
        if not path.is_file():
            raise InputError(f"{path} is not there: make credentials with 'shadowlab farm ca issue NAME'")
    for path, whose in ((found.authority, "subject"), (found.certificate, "issuer")):
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read as a certificate: {error}") from error
        names = getattr(certificate, whose).get_attributes_for_oid(NameOID.COMMON_NAME)
        if [one.value for one in names] != [FARM_AUTHORITY]:
            raise InputError(
                f"{path}: not of a farm's authority: a certificate for agents does not mean the right to run code; "
                "make credentials with 'shadowlab farm ca'"
            )
    return found


def scheduler_address(text: str, credentials: Credentials | None) -> str:
    """``tls://HOST:PORT``; ``tcp://`` only on this machine's loopback.  Raises InputError."""
    parts = urlsplit(text)
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"--scheduler {text}: {error}") from error
    if parts.scheme not in ("tls", "tcp") or not host or not port or parts.path not in ("", "/"):
        raise InputError(f"--scheduler {text}: write it like tls://farm.example:8786")
    if parts.scheme == "tcp" and not is_loopback(host):
        raise InputError(f"--scheduler {text}: without TLS only 127.0.0.1 is spoken to; use tls:// and --tls FOLDER")
    if parts.scheme == "tls" and credentials is None:
        raise InputError(f"--scheduler {text}: --tls FOLDER is missing: what 'shadowlab farm ca issue' made")
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(host: str) -> bool:
    """An address of this machine's loopback; no name is one."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
