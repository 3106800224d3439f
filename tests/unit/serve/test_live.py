"""Events: what changed is told once, who was away hears what it missed, or that it missed too much."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from shadowlab.report.layout import place_nodes
from shadowlab.serve.picture.library import Library
from shadowlab.serve.web.live import MOST_EVENTS, MOST_LISTENERS, Gone, Hello, Hub, IncidentTold, Look

from .folders import a_run, a_watch, an_incident

HELLO = Hello(version="1", role="operator")


def names(text: str) -> list[tuple[str, str]]:
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields.get("event", ""), fields.get("id", "")))
    return found


async def heard(hub: Hub, after: int | None) -> list[tuple[str, str]]:
    """What is there already; the stream ends because the hub does."""
    assert hub.take_place()
    hub.closed = False
    stream = hub.listen(HELLO, after)
    found = []
    async for text in stream:
        found += names(text)
        if hub.listeners and found[-1][1] == str(hub._next - 1):
            break
    await stream.aclose()  # type: ignore[attr-defined]
    return found


def test_who_comes_back_hears_what_it_missed_or_that_it_was_too_much() -> None:
    async def tried() -> tuple[list[tuple[str, str]], ...]:
        hub = Hub(100)
        for name in ("a", "b", "c"):
            hub.tell("gone", Gone(id=name))
        missed = await heard(hub, 100)
        for number in range(MOST_EVENTS):
            hub.tell("gone", Gone(id=str(number)))
        return missed, await heard(hub, 100), await heard(hub, None), await heard(hub, 10**9)

    missed, too_much, fresh, ahead = asyncio.run(tried())

    assert missed == [("hello", ""), ("gone", "101"), ("gone", "102")]
    assert [name for name, _ in too_much] == ["hello", "reset"]
    assert [name for name, _ in fresh] == ["hello"]
    assert [name for name, _ in ahead] == ["hello", "reset"]


def test_listeners_are_bounded_and_give_their_place_back() -> None:
    async def tried() -> tuple[bool, bool]:
        hub = Hub(1)
        taken = [hub.take_place() for _ in range(MOST_LISTENERS)]
        full = hub.take_place()
        stream = hub.listen(HELLO, None)
        await anext(aiter(stream))
        await stream.aclose()  # type: ignore[attr-defined]
        return all(taken) and not full, hub.take_place()

    assert asyncio.run(tried()) == (True, True)


def test_changes_of_folders_are_told_once(tmp_path: Path) -> None:
    watch, run = a_watch(tmp_path / "watch"), a_run(tmp_path / "run")
    look = Look(Library((tmp_path,), place_nodes))

    assert look.look() == []
    assert look.look() == []
    state = json.loads((watch / "state.json").read_text())
    from shadowlab.model.plain import to_plain

    (watch / "state.json").write_text(json.dumps(state | {"open_incidents": [to_plain(an_incident(entries=3))]}))
    (run / "result.json").unlink()
    (run / "watched.json").unlink()
    changed = look.look()

    assert [name for name, _ in changed] == ["source", "incident", "gone"]
    told = changed[1][1]
    assert isinstance(told, IncidentTold) and told.entry.text == "entry 2"
    assert look.look() == []
