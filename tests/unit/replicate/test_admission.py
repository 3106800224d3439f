"""Who may write what, and how fast; what a certificate of the lab's authority says."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from shadowlab.errors import InputError
from shadowlab.replicate.authority import create_authority, issue, revoke
from shadowlab.replicate.receiving.admission import Bucket, Rates, judge_peer, read_tokens
from shadowlab.replicate.receiving.revocation import read_revoked
from shadowlab.replicate.receiving.watched_file import WatchedFile

NOW_NS = 1_795_338_000_000_000_000
TOKENS = read_tokens("web 0123456789abcdef\n# a comment\nd%20b 0123456789abcdeX\n", name="tokens")
WEB: dict[str, Any] = {"subject": ((("commonName", "web"),),), "serialNumber": "0A"}
SHOWN = "Bearer 0123456789abcdef"


@pytest.mark.parametrize(
    ("certificate", "shown", "instance", "status"),
    [
        (WEB, SHOWN, "web", None),
        (WEB, SHOWN, None, None),
        ({"subjectAltName": (("DNS", "web"), ("URI", "db"))}, SHOWN, "web", None),
        (WEB, SHOWN, "db", 403),
        ({"subjectAltName": (("URI", "web"),)}, SHOWN, "web", 403),
        ({}, SHOWN, "web", 403),
        (WEB, "Bearer wrong", "web", 401),
        (WEB, "", "web", 401),
        (WEB, "Basic 0123456789abcdef", "web", 401),
        ({**WEB, "serialNumber": "0B"}, SHOWN, "web", 403),
    ],
)
def test_a_credential_writes_its_own_instance_only(
    certificate: dict[str, Any], shown: str, instance: str | None, status: int | None
) -> None:
    refusal = judge_peer(certificate, shown, instance, tokens=TOKENS, revoked=frozenset({11}))

    assert (refusal.status if refusal else None) == status


def test_one_token_may_serve_all_that_have_none_of_their_own() -> None:
    tokens = read_tokens("0123456789abcdefgh\nweb 0123456789abcdef\n", name="tokens")

    assert tokens.fits("db", "Bearer 0123456789abcdefgh")
    assert not tokens.fits("web", "Bearer 0123456789abcdefgh")


def test_wrong_tokens_are_named_by_line_and_not_told() -> None:
    with pytest.raises(InputError) as caught:
        read_tokens("web short\na b c\n", name="tokens")

    assert "tokens:1" in str(caught.value)
    assert "tokens:2" in str(caught.value)
    assert "short" not in str(caught.value)


def test_an_allowance_runs_out_and_comes_back() -> None:
    bucket = Bucket(Rates(batches_per_s=2, batches_at_once=3), 0)

    answers = [bucket.take(10, 0) for _ in range(4)]
    later = bucket.take(10, 10**9)

    assert [one is None for one in answers] == [True, True, True, False]
    assert answers[3] is not None
    assert (answers[3].status, answers[3].retry_s) == (429, 1)
    assert later is None


def test_a_clock_that_runs_backwards_gives_no_allowance() -> None:
    bucket = Bucket(Rates(batches_per_s=1, batches_at_once=1), 10**12)

    assert [bucket.take(1, at_ns) is None for at_ns in (10**12, 0, 10**12, 10**12 + 10**9)] == [
        True,
        False,
        False,
        True,
    ]


def test_an_authority_issues_keys_that_only_their_owner_reads(tmp_path: Path) -> None:
    create_authority(tmp_path, now_ns=NOW_NS)

    issued = issue(tmp_path, "web", server=False, now_ns=NOW_NS)
    server = issue(tmp_path, "shadow.example", server=True, now_ns=NOW_NS)

    secret = [tmp_path / "ca.key", tmp_path / "tokens", issued.folder / "key.pem", issued.folder / "token"]
    assert {stat.S_IMODE(os.stat(one).st_mode) for one in secret} == {0o600}
    certificate = x509.load_pem_x509_certificate((server.folder / "cert.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["shadow.example"]
    tokens = read_tokens((tmp_path / "tokens").read_text(), name="tokens")
    assert tokens.fits("web", "Bearer " + (issued.folder / "token").read_text().strip())


def test_revoking_ends_certificate_and_token_and_frees_the_name(tmp_path: Path) -> None:
    create_authority(tmp_path, now_ns=NOW_NS)
    old = issue(tmp_path, "web", server=False, now_ns=NOW_NS)

    assert revoke(tmp_path, "web", now_ns=NOW_NS) == (old.serial,)
    new = issue(tmp_path, "web", server=False, now_ns=NOW_NS)

    revoked = read_revoked(tmp_path / "revoked.crl", authority=tmp_path / "ca.pem", now_ns=NOW_NS)
    assert revoked == {old.serial}
    assert new.serial not in revoked
    assert (tmp_path / "tokens").read_text().count("web ") == 1


@pytest.mark.parametrize("name", ["", "..", "ca.key", "x" * 65, "a\nb"])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    create_authority(tmp_path, now_ns=NOW_NS)

    with pytest.raises(InputError):
        issue(tmp_path, name, server=False, now_ns=NOW_NS)


def test_an_authority_is_never_overwritten(tmp_path: Path) -> None:
    create_authority(tmp_path, now_ns=NOW_NS)
    issue(tmp_path, "web", server=False, now_ns=NOW_NS)

    with pytest.raises(InputError, match="there is an authority already"):
        create_authority(tmp_path, now_ns=NOW_NS)
    with pytest.raises(InputError, match="has a certificate"):
        issue(tmp_path, "web", server=False, now_ns=NOW_NS)


def test_a_list_of_another_authority_or_one_that_ran_out_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        create_authority(tmp_path / name, now_ns=NOW_NS)

    with pytest.raises(InputError, match="not signed by"):
        read_revoked(tmp_path / "a" / "revoked.crl", authority=tmp_path / "b" / "ca.pem", now_ns=NOW_NS)
    with pytest.raises(InputError, match="ran out"):
        read_revoked(tmp_path / "a" / "revoked.crl", authority=tmp_path / "a" / "ca.pem", now_ns=2 * NOW_NS)


def test_serial_numbers_may_be_listed_as_text(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# revoked\nserial=0A\n0b:0C\n")

    found = read_revoked(tmp_path / "list", authority=tmp_path / "none", now_ns=NOW_NS)

    assert found == {0x0A, 0x0B0C}


def test_a_file_is_read_again_when_it_changes_and_an_unreadable_one_gives_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text("web 0123456789abcdef\n")
    watched = WatchedFile(path, lambda one: read_tokens(one.read_text(), name="tokens"))
    assert watched.value().fits("web", SHOWN)

    path.write_text("web 0123456789abcdef0\n")
    assert not watched.value().fits("web", SHOWN)
    path.write_text("too short\n")
    with pytest.raises(InputError):
        watched.value()
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        watched.value()
