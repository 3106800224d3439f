"""Who may ask: the deciding part, without a server."""

from __future__ import annotations

import itertools

import pytest

from shadowlab.errors import InputError
from shadowlab.serve.web.access import (
    SESSION_NS,
    Allowance,
    Asked,
    Rate,
    Sessions,
    forgery_fault,
    hash_of,
    host_fault,
    read_tokens,
)
from shadowlab.serve.web.server import demand_protection

TOKEN, OTHER = "0123456789abcdef0", "fedcba98765432100"


def test_a_token_has_the_role_of_its_line() -> None:
    tokens = read_tokens(f"# ours\noperator {TOKEN}\n\nread-only {OTHER}\n", name="t")

    assert (tokens.role_of(TOKEN), tokens.role_of(OTHER), tokens.role_of(TOKEN[:-1])) == ("operator", "read-only", None)
    assert TOKEN not in repr(vars(tokens))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "t: "),
        ("operator short", "t:1"),
        (f"admin {TOKEN}", "t:1"),
        (f"operator {TOKEN}\nread-only {TOKEN}", "t:2"),
    ],
)
def test_a_bad_token_file_is_told_by_line_and_without_the_token(text: str, place: str) -> None:
    with pytest.raises(InputError) as found:
        read_tokens(text, name="t")

    assert str(found.value).startswith(place)
    assert TOKEN not in str(found.value)


def test_sessions_end_by_time_by_wish_and_by_number() -> None:
    names = itertools.count()
    sessions = Sessions(lambda: f"secret {next(names)}")
    first, second = sessions.begin(TOKEN, 0), sessions.begin(OTHER, 5)

    assert sessions.token_of(first, SESSION_NS - 1) == hash_of(TOKEN)
    assert sessions.token_of(first, SESSION_NS) is None
    assert sessions.token_of(second, 6) == hash_of(OTHER)
    sessions.end(second)
    assert sessions.token_of(second, 6) is None
    third = sessions.begin(TOKEN, 0)
    for _ in range(256):
        sessions.begin(TOKEN, 0)
    assert sessions.token_of(third, 1) is None


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8420", True),
        ("LOCALHOST", True),
        ("[::1]:8420", True),
        ("lab.example:443", True),
        ("a.wild.example", True),
        ("a.b.wild.example", False),
        ("wild.example", False),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        (None, False),
    ],
)
def test_only_our_own_names_are_answered(host: str | None, ours: bool) -> None:
    names = ("127.0.0.1", "localhost", "::1", "lab.example", "*.wild.example")

    assert (not host_fault(Asked(method="GET", scheme="http", host=host), names)) == ours


@pytest.mark.parametrize(
    ("change", "fine"),
    [
        ({}, True),
        ({"marked": False}, False),
        ({"origin": "http://here:1"}, True),
        ({"origin": "http://here:2"}, False),
        ({"origin": "https://here:1"}, False),
        ({"origin": "null"}, False),
        ({"fetch_site": "same-origin"}, True),
        ({"fetch_site": "cross-site"}, False),
        ({"fetch_site": "same-site"}, False),
        ({"method": "GET", "marked": False, "fetch_site": "cross-site"}, True),
    ],
)
def test_what_changes_something_must_come_from_our_page_or_a_program(change: dict[str, str], fine: bool) -> None:
    asked = Asked(**{"method": "POST", "scheme": "http", "host": "here:1", "marked": True} | change)  # type: ignore[arg-type]

    assert (not forgery_fault(asked)) == fine


def test_a_client_that_asks_too_often_waits_as_long_as_it_was_told() -> None:
    rate = Rate(Allowance(per_s=2, burst=3), most=2)

    assert [rate.wait_s("a", 0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert rate.wait_s("b", 0) == 0
    assert rate.wait_s("a", 499_000_000) > 0
    assert rate.wait_s("a", 1_000_000_000) == 0


def test_beyond_this_machine_token_and_certificate_are_demanded(tmp_path: object) -> None:
    demand_protection("127.0.0.1", tokens=False, certificate=None, key=None)
    demand_protection("::1", tokens=False, certificate=None, key=None)

    with pytest.raises(InputError, match="--token-file and --cert and --key"):
        demand_protection("0.0.0.0", tokens=False, certificate=None, key=None)
    with pytest.raises(InputError, match="so --cert and --key must"):
        demand_protection("192.0.2.1", tokens=True, certificate=None, key=None)
