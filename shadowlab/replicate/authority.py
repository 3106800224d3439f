"""A certificate authority for a lab: one folder, four verbs.

In: a folder, names, a moment.  Out: certificates, keys (mode 0600), tokens, a list of revoked certificates.
Never: a file overwritten that somebody may use; a private key readable by others, not even for a moment.

The folder: ``ca.pem`` and ``ca.key``; ``tokens`` and ``revoked.crl`` for the receiver; ``issued.jsonl``, what was given
out; and a folder per name, with all that its owner needs: ``ca.pem``, ``cert.pem``, ``key.pem`` and, of an instance,
``token``.  Keys are on the curve P-256.  Production uses its own authority; only the names in the certificates matter.
"""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shadowlab.errors import InputError
from shadowlab.replicate.batch import instance_path

AUTHORITY = "ShadowLab lab authority"
FARM_AUTHORITY = "ShadowLab farm authority"
"""Its certificates mean the right to run code on every machine of a farm; none of them is ever an agent's."""
AUTHORITY_DAYS = 3650
LEAF_DAYS = 398
_EARLIER = timedelta(minutes=5)
"""Certificates begin a little before they are made: clocks of a lab differ."""
_TOKEN_BYTES = 32
_PRIVATE, _PUBLIC = 0o600, 0o644


@dataclass(frozen=True, kw_only=True)
class Issued:
    """One certificate given out."""

    folder: Path
    name: str
    serial: int
    until: datetime


def create_authority(folder: Path, *, now_ns: int, name: str = AUTHORITY) -> None:
    """Raises InputError if there is one already, or the folder cannot be written."""
    if (folder / "ca.key").exists() or (folder / "ca.pem").exists():
        raise InputError(f"{folder}: there is an authority already; name another folder, or remove it yourself")
    now = _moment(now_ns)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _unsigned(subject, subject, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / "ca.key", _pem_key(key), _PRIVATE)
        _write(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM), _PUBLIC)
        _write(folder / "tokens", b"# INSTANCE TOKEN; read by the receiver whenever it changes\n", _PRIVATE)
        _write(folder / "issued.jsonl", b"", _PUBLIC)
        _write_revoked(folder, key, certificate, {}, now)
    except OSError as error:
        raise InputError(f"{error.filename or folder}: cannot be written: {error.strerror}") from error


def issue(folder: Path, name: str, *, server: bool, now_ns: int, days: int = LEAF_DAYS, farm: bool = False) -> Issued:
    """A certificate for an instance (its common name), or for a receiver (its DNS name or address), or for a member of
    a ``farm``, who is both ends of connections and needs no token.

    Raises InputError for a name that cannot be, a name that has one, a folder without an authority or with one of the
    other kind.
    """
    try:
        step = instance_path(name)
    except ValueError as error:
        raise InputError(str(error)) from None
    if step in _OWN_NAMES:
        raise InputError(f"{name!r} is the name of a file of the authority; choose another")
    authority_key, authority = _load(folder)
    if farm != (authority.subject == x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, FARM_AUTHORITY)])):
        theirs, ours = ("agents", "farms") if farm else ("a farm", "agents")
        raise InputError(f"{folder}: this authority is for {theirs}, not for {ours}; make another folder for those")
    there = folder / step
    now = _moment(now_ns)
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [ExtendedKeyUsageOID.SERVER_AUTH] * (server or farm) + [ExtendedKeyUsageOID.CLIENT_AUTH] * (not server)
    builder = (
        _unsigned(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), authority.subject, key.public_key(), now, days
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if server:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name)]), critical=False)
    certificate = builder.sign(authority_key, hashes.SHA256())
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    issued = Issued(folder=there, name=name, serial=certificate.serial_number, until=certificate.not_valid_after_utc)
    try:
        there.mkdir(mode=0o700)
        _write(there / "key.pem", _pem_key(key), _PRIVATE)
        _write(there / "cert.pem", certificate.public_bytes(serialization.Encoding.PEM), _PUBLIC)
        _write(there / "ca.pem", authority.public_bytes(serialization.Encoding.PEM), _PUBLIC)
        if not server and not farm:
            _write(there / "token", token.encode() + b"\n", _PRIVATE)
            _append(folder / "tokens", f"{step} {token}\n")
        line = {"serial": f"{issued.serial:x}", "name": name, "server": server, "until": issued.until.isoformat()}
        _append(folder / "issued.jsonl", json.dumps(line, ensure_ascii=False) + "\n")
    except FileExistsError as error:
        raise InputError(f"{there}: {name!r} has a certificate; revoke it first, or remove the folder") from error
    except OSError as error:
        raise InputError(f"{error.filename or there}: cannot be written: {error.strerror}") from error
    return issued


def revoke(folder: Path, name: str, *, now_ns: int) -> tuple[int, ...]:
    """Every certificate of this name that is not revoked yet, and its token.  Its folder is removed, so that the name
    can have another.  Raises InputError if there is none."""
    key, authority = _load(folder)
    now = _moment(now_ns)
    known = _read_revoked(folder)
    serials = tuple(serial for serial, owner in _read_issued(folder) if owner == name and serial not in known)
    if not serials:
        raise InputError(f"{folder}: no certificate of {name!r} that is not revoked")
    step = instance_path(name)
    try:
        _write_revoked(folder, key, authority, known | dict.fromkeys(serials, now), now)
        lines = (folder / "tokens").read_text().splitlines(keepends=True)
        _replace(folder / "tokens", "".join(one for one in lines if one.split()[:1] != [step]).encode(), _PRIVATE)
        for one in ("key.pem", "cert.pem", "ca.pem", "token"):
            (folder / step / one).unlink(missing_ok=True)
        if (folder / step).is_dir():
            (folder / step).rmdir()
    except OSError as error:
        raise InputError(f"{error.filename or folder}: cannot be written: {error.strerror}") from error
    return serials


_OWN_NAMES = ("ca.pem", "ca.key", "tokens", "issued.jsonl", "revoked.crl")


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise InputError(f"{name!r} is neither a DNS name in ASCII nor an address") from error


def _moment(now_ns: int) -> datetime:
    return datetime.fromtimestamp(now_ns // 10**9, UTC)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load(folder: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    try:
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    except OSError as error:
        raise InputError(
            f"{error.filename}: {error.strerror}; make an authority with 'shadowlab ca init --folder {folder}'"
        ) from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{folder}: ca.key or ca.pem is damaged: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InputError(f"{folder / 'ca.key'}: not a key that 'shadowlab ca init' made")
    return key, certificate


def _read_issued(folder: Path) -> Iterable[tuple[int, str]]:
    path = folder / "issued.jsonl"
    try:
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            try:
                value = json.loads(line)
                yield int(value["serial"], 16), value["name"]
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path}:{number}: damaged: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _read_revoked(folder: Path) -> dict[int, datetime]:
    path = folder / "revoked.crl"
    try:
        crl = x509.load_pem_x509_crl(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: damaged: {error}") from error
    return {one.serial_number: one.revocation_date_utc for one in crl}


def _write_revoked(
    folder: Path,
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    revoked: dict[int, datetime],
    now: datetime,
) -> None:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(now - _EARLIER)
        .next_update(now + timedelta(days=AUTHORITY_DAYS))
    )
    for serial, since in sorted(revoked.items()):
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
        )
    crl = builder.sign(key, hashes.SHA256())
    _replace(folder / "revoked.crl", crl.public_bytes(serialization.Encoding.PEM), _PUBLIC)


def _write(path: Path, data: bytes, mode: int) -> None:
    """A new file; with its mode from the first moment on."""
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(opened, "wb") as file:
        file.write(data)


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def _replace(path: Path, data: bytes, mode: int) -> None:
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    _write(beside, data, mode)
    beside.replace(path)
