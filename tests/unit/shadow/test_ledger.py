"""What is written before it is done, and what is made of it after a program was stopped."""

from __future__ import annotations

import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shadow_example import FABRIC, NETWORK, ROUTES

from shadowlab.errors import CannotRunError, ShadowFailedError
from shadowlab.shadow.ledger import Begun, Done, Failed, Intent, Leaving, Ledger, Record, account
from shadowlab.shadow.ops import CreateLink, CreateNode, RemoveLink, RemoveNode, SetRoute
from shadowlab.shadow.plan import build_plan
from shadowlab.shadow.recover import finish, standing_nodes
from shadowlab.shadow.shape import shape_of

BEGUN = Begun(lab="0123abcd", name="t", kernel="host", boot="b", map="/m", at_ns=1)
PLAN = build_plan(NETWORK, FABRIC, ROUTES)
BUILD = Intent(ops=PLAN, network=NETWORK, reason="built from the map")
RECORDS: tuple[Record, ...] = (BEGUN, BUILD, Done(), Failed(why="¿why?"), Leaving())


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path)
    for record in RECORDS:
        made.append(record)
    return made


def test_what_was_written_is_read_back(ledger: Ledger, tmp_path: Path) -> None:
    assert Ledger(tmp_path).read() == RECORDS
    assert Ledger(tmp_path / "nowhere").read() == ()


def test_threads_that_read_it_do_not_disturb_one_that_writes(ledger: Ledger, tmp_path: Path) -> None:
    more = 10
    with ThreadPoolExecutor(4) as threads:
        read = [threads.submit(ledger.read) for _ in range(8 * more)]
        for _ in range(more):
            ledger.append(Leaving())

    assert all(one.result() == (*RECORDS, *[Leaving()] * (len(one.result()) - len(RECORDS))) for one in read)
    assert Ledger(tmp_path).read() == (*RECORDS, *[Leaving()] * more)


@given(cut=st.integers(min_value=0, max_value=100_000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_cut_anywhere_it_holds_what_was_whole_and_goes_on_from_there(ledger: Ledger, cut: int) -> None:
    content = ledger.path.read_bytes()
    cut = cut % (len(content) + 1)
    try:
        ledger.path.write_bytes(content[:cut])
        whole = content[:cut].count(b"\n")

        again = Ledger(ledger.path.parent)
        read = again.read()
        again.append(Leaving())

        assert read == RECORDS[:whole]
        assert Ledger(ledger.path.parent).read() == (*RECORDS[:whole], Leaving())
    finally:
        ledger.path.write_bytes(content)


@given(place=st.integers(min_value=0, max_value=100_000), bit=st.integers(min_value=0, max_value=7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_bit_that_flips_is_noticed(ledger: Ledger, place: int, bit: int) -> None:
    content = ledger.path.read_bytes()
    changed = bytearray(content)
    changed[place % len(content)] ^= 1 << bit
    try:
        ledger.path.write_bytes(changed)
        try:
            read = Ledger(ledger.path.parent).read()
        except ShadowFailedError as error:
            assert "damaged in line" in str(error)
        else:  # it was the last line break
            assert read == RECORDS[:-1]
    finally:
        ledger.path.write_bytes(content)


def test_a_line_that_is_missing_or_moved_is_noticed(ledger: Ledger) -> None:
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join((*lines[:2], *lines[3:])))

    with pytest.raises(ShadowFailedError, match="damaged in line 3"):
        ledger.read()


def test_a_write_that_the_kernel_cuts_at_any_byte_leaves_the_ledger_as_it_was(ledger: Ledger) -> None:
    length = ledger.path.stat().st_size
    ledger.append(Failed(why="ü"))  # the longest of its kind: two bytes are one letter
    longest = ledger.path.stat().st_size - length
    ledger.path.write_bytes(ledger.path.read_bytes()[:length])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for cut in range(longest):
            one = Ledger(ledger.path.parent)
            one.read()
            resource.setrlimit(resource.RLIMIT_FSIZE, (length + cut, hard))
            with pytest.raises(CannotRunError, match="not begun"):
                one.append(Failed(why="ü"))
            assert ledger.path.stat().st_size == length, cut
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)

    assert Ledger(ledger.path.parent).read() == RECORDS


def test_a_program_killed_within_a_write_leaves_the_lab_as_before_it(tmp_path: Path) -> None:
    """Between two writes of one record, at every byte of each: what was announced only in part was never begun."""
    whole = Ledger(tmp_path)
    sizes = []
    for record in RECORDS:
        whole.append(record)
        sizes.append(whole.path.stat().st_size)
    content = whole.path.read_bytes()

    for number in (2, 3, 4):  # the records after the plan, which is long and like the first
        before = account(RECORDS[:number], first_ifindex=1)
        for cut in range(sizes[number - 1], sizes[number]):
            whole.path.write_bytes(content[:cut])
            assert account(Ledger(tmp_path).read(), first_ifindex=1) == before


def test_a_disk_that_is_full_is_said_and_the_ledger_stays_as_it_was(ledger: Ledger) -> None:
    length = ledger.path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length + 10, hard))
    try:
        with pytest.raises(CannotRunError, match=r"cannot be written.*not begun"):
            ledger.append(Leaving())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)

    assert ledger.path.stat().st_size == length
    assert Ledger(ledger.path.parent).read() == RECORDS
    ledger.append(Done())
    assert Ledger(ledger.path.parent).read() == (*RECORDS, Done())


def test_a_lab_that_was_built_is_whole() -> None:
    known = account((BEGUN, BUILD, Done()), first_ifindex=64)

    assert known is not None
    assert known.whole
    assert known.shape == shape_of(PLAN)
    assert known.nodes == tuple(node.id for node in NETWORK.nodes)


def test_a_lab_is_not_whole_while_it_is_built_changed_or_torn_down() -> None:
    building = account((BEGUN, BUILD), first_ifindex=64)
    changing = account((BEGUN, BUILD, Done(), BUILD), first_ifindex=64)
    leaving = account((BEGUN, BUILD, Done(), Leaving()), first_ifindex=64)

    assert [one is not None and one.whole for one in (building, changing, leaving)] == [False, False, False]
    assert account((), first_ifindex=64) is None


def test_no_number_of_an_interface_is_given_twice() -> None:
    numbers = [
        known.next_ifindex
        for count in range(2, 7)
        if (known := account((BEGUN, BUILD, Done(), BUILD, BUILD, Done())[:count], first_ifindex=64)) is not None
    ]
    made = 2 * len(NETWORK.links) + 3

    assert numbers == [64, 64 + made, 64 + made, 64 + 2 * made, 64 + 3 * made]


def test_what_may_be_half_made_is_taken_away_before_it_is_made() -> None:
    nodes = frozenset({"h1", "h2"})
    link = next(op for op in PLAN if isinstance(op, CreateLink))

    ops = finish(
        BUILD, nodes=nodes, interfaces=frozenset({(link.node_a, link.name_a)}), routes=frozenset(), queued=frozenset()
    )

    assert isinstance(ops[0], RemoveLink)
    assert {op.node for op in ops[1:3] if isinstance(op, RemoveNode)} == nodes
    assert [type(op) for op in ops[3:]][:5] == [CreateNode] * 5
    assert {op for op in PLAN if isinstance(op, CreateLink | SetRoute)} <= set(ops)


def test_what_is_gone_already_is_not_taken_away_again() -> None:
    link = next(op for op in PLAN if isinstance(op, CreateLink))
    removal = RemoveLink(link=link.link, node_a=link.node_a, name_a=link.name_a, node_b=link.node_b, name_b=link.name_b)
    intent = Intent(ops=(removal, RemoveNode(node="h1")), network=NETWORK, reason="")

    nothing: frozenset[tuple[str, str]] = frozenset()
    assert finish(intent, nodes=frozenset(), interfaces=nothing, routes=frozenset(), queued=nothing) == ()
    there = frozenset({(link.node_a, link.name_a)})
    assert finish(intent, nodes=frozenset({"h1"}), interfaces=there, routes=frozenset(), queued=nothing) == intent.ops


def test_a_program_that_takes_a_lab_up_knows_what_belongs_to_what() -> None:
    standing = standing_nodes(shape_of(PLAN))

    link = next(op for op in PLAN if isinstance(op, CreateLink) and op.link == "r1-r2")
    assert standing["r1"].peers[link.name_a] == ("r2", link.name_b)
    assert standing["r1"].neighbours[link.name_a] == {link.address_b: link.mac_b}
