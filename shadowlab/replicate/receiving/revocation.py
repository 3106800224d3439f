"""Which certificates are revoked: a CRL (PEM), or a text of serial numbers.

In: the file, and the authority's certificates.  Out: serial numbers.
Never: a list that was not signed by the authority, or that has run out.
"""

from __future__ import annotations

from pathlib import Path

from shadowlab.errors import Fault, InputError

_BEGIN = b"-----BEGIN X509 CRL-----"
_MOST_BYTES = 64 << 20


def read_revoked(path: Path, *, authority: Path, now_ns: int) -> frozenset[int]:
    """The serial numbers.  Text: one per line, hexadecimal as ``openssl x509 -serial`` has it; ``#`` begins a comment.

    Raises InputError for anything else, OSError if it cannot be read.
    """
    data = path.read_bytes()
    if len(data) > _MOST_BYTES:
        raise InputError(Fault(place=str(path), message=f"longer than {_MOST_BYTES} bytes"))
    if _BEGIN in data:
        return _of_crl(data, path, authority, now_ns)
    found: set[int] = set()
    faults: list[Fault | str] = []
    for number, line in enumerate(data.decode("ascii", "replace").splitlines(), start=1):
        word = line.partition("#")[0].strip().removeprefix("serial=").replace(":", "")
        try:
            if word:
                found.add(int(word, 16))
        except ValueError:
            faults.append(Fault(place=f"{path}:{number}", message="expected a serial number in hexadecimal digits"))
    if faults:
        raise InputError(*faults[:20])
    return frozenset(found)


def _of_crl(data: bytes, path: Path, authority: Path, now_ns: int) -> frozenset[int]:
    from cryptography import x509

    try:
        crl = x509.load_pem_x509_crl(data)
        issuers = x509.load_pem_x509_certificates(authority.read_bytes())
    except ValueError as error:
        raise InputError(Fault(place=str(path), message=f"no list of revoked certificates: {error}")) from error
    if not any(crl.is_signature_valid(one.public_key()) for one in issuers):  # type: ignore[arg-type]
        raise InputError(Fault(place=str(path), message=f"not signed by the authority of {authority}"))
    if crl.next_update_utc is not None and crl.next_update_utc.timestamp() * 1e9 < now_ns:
        raise InputError(Fault(place=str(path), message=f"it ran out at {crl.next_update_utc:%FT%TZ}; issue a new one"))
    return frozenset(one.serial_number for one in crl)
