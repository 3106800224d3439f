"""Which format a map is in, and files that cannot be read at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from shadowlab.errors import InputError
from shadowlab.topology.foreign.options import MapOptions
from shadowlab.topology.formats import load_map, read_map

NATIVE = b"# a remark\nshadowlab: map/1\nname: m\nnodes: {a: {kind: router}}\n"
JSON = b'{"shadowlab": "map/1", "name": "m", "nodes": {"a": {"kind": "router"}}}'
UNKNOWN = "m: this is not a map in a known format; known are our own (YAML with `shadowlab: map/1`), GraphML, "
GRAPHML = b'<?xml version="1.0"?>\n<graphml><graph edgedefault="undirected"><node id="a"/></graph></graphml>'


@pytest.mark.parametrize("text", [NATIVE, JSON, GRAPHML])
def test_the_content_decides_the_format(text: bytes) -> None:
    network = read_map(text, name="map.txt", options=MapOptions(hosts_per_router=0))

    assert [node.kind for node in network.nodes] == ["router"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "m: the file is empty"),
        (b"\x7fELF", "m: this is a binary file, not text: byte 0x7f at offset 0"),
        (
            b"graph { a -- b }",
            UNKNOWN,
        ),
        (
            b"<html></html>",
            UNKNOWN,
        ),
    ],
)
def test_what_is_no_map_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_map(text, name="m")

    assert str(caught.value).startswith(message)


def test_a_file_is_read_and_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "with a space.yaml"
    path.write_bytes(NATIVE)

    assert load_map(path).name == "m"

    path.write_bytes(NATIVE + b"x: 1\n")
    with pytest.raises(InputError) as caught:
        load_map(path)
    assert str(caught.value).startswith(f"{path}:5:1: unknown key `x`")


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"

    with pytest.raises(InputError) as caught:
        load_map(path)

    assert str(caught.value) == f"{path}: the map does not exist"


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_map(tmp_path)

    assert str(caught.value).startswith(f"{tmp_path}: this folder is not a map; name the map file in it")


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(NATIVE)
    path = tmp_path / "file" / "map.yaml"

    with pytest.raises(InputError) as caught:
        load_map(path)

    assert str(caught.value) == f"{path}: the map cannot be read: Not a directory"
