"""What is at the edge of what a map may say is refused by name, or taken whole; never clipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from shadowlab.errors import InputError
from shadowlab.topology.formats import load_map

NAME = 40


def written(folder: Path, *, host: str = "web", link: str = "first", more: str = "delay: 3 ms") -> Path:
    path = folder / "map.yaml"
    path.write_text(
        f"shadowlab: map/1\nname: edge\nnodes:\n  {host}: {{kind: host}}\n  r1: {{kind: router}}\n"
        f"links:\n  {link}: {{ends: [{host}, r1], {more}}}\n"
    )
    return path


def test_names_of_40_characters_are_taken_whole(tmp_path: Path) -> None:
    network = load_map(written(tmp_path, host="h" * NAME, link="l" * NAME))

    assert network.nodes[0].id == "h" * NAME
    assert network.links[0].id == "l" * NAME


@pytest.mark.parametrize("name", ["h" * (NAME + 1), "a/b", '"a\\nb"', '"a\\e[31mb"'])
@pytest.mark.parametrize("what", ["host", "link"])
def test_other_names_are_refused_each_fault_on_a_line_of_its_own(tmp_path: Path, what: str, name: str) -> None:
    with pytest.raises(InputError) as refused:
        load_map(written(tmp_path, **{what: name}))

    assert all("map.yaml:" in line and line.isprintable() for line in str(refused.value).splitlines())
    assert "cannot be a name" in str(refused.value)


@pytest.mark.parametrize(
    ("more", "delay_ns", "rate_bps"),
    [
        ("delay: 1 ns", 1, None),
        ("delay: 1 h", 3600 * 10**9, None),
        ("delay: 0 ms, rate: 8 bit", 0, 8),
        ("delay: 100 ms, rate: 400 Gbit", 100_000_000, 400 * 10**9),
    ],
)
def test_extremes_that_the_kernel_holds_are_taken_exactly(
    tmp_path: Path, more: str, delay_ns: int, rate_bps: int | None
) -> None:
    link = load_map(written(tmp_path, more=more)).links[0]

    assert (link.forward.delay_ns, link.forward.rate_bps) == (delay_ns, rate_bps)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("delay: 3 ms, rate: 1 bit", "rate 1 bit/s: the kernel takes 8 bit/s"),
        ("delay: 1 h, rate: 400 Gbit", "the kernel's limit ends at 4294967295"),
        ("delay: 99999999 h", "the kernel's clock ends before"),
        ("delay: 3 ms, rate: 1 Mbit, queue: {kind: fancy}", "got the text 'fancy'"),
        ("delay: 3 ms, rate: 1 Mbit, queue: 99999999999", "the kernel's limit ends at 4294967295"),
    ],
)
def test_what_no_kernel_holds_is_refused_by_name(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        load_map(written(tmp_path, more=more))

    assert words in str(refused.value)
