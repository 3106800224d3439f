"""The lines after the first: flows, read in pieces of some thousand lines.

In: lines and the network.  Out: columns, each different way once.  Never: a list of rows as long as the file.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from shadowlab.errors import InputError
from shadowlab.localize.file.network import Wiring, read_wiring

_LINES = 4096
_LONGEST_LINE = 64 << 20
_NUMBERS = ("rtt_ms", "base_rtt_ms", "rtt_noise_ms", "rate_mbps", "wanted_mbps")
_KEYS = frozenset({"src", "dst", "sent", "bad", "paths", "back", "labels", *_NUMBERS})
_MOST_CANDIDATES = 4096

Candidate = tuple[tuple[int, ...], float]


@dataclass(kw_only=True)
class Columns:
    """The flows so far.  ``nodes`` are the candidate paths' nodes one after the other; ``ways`` maps what a line states
    to its number."""

    wiring: Wiring
    sent: array[float] = field(default_factory=lambda: array("d"))
    bad: array[float] = field(default_factory=lambda: array("d"))
    way: array[int] = field(default_factory=lambda: array("q"))
    source: array[int] = field(default_factory=lambda: array("q"))
    target: array[int] = field(default_factory=lambda: array("q"))
    numbers: dict[str, array[float]] = field(default_factory=lambda: {key: array("d") for key in _NUMBERS})
    labels: dict[str, tuple[dict[str, int], array[int]]] = field(default_factory=dict)
    ways: dict[object, int] = field(default_factory=dict)
    way_paths: array[int] = field(default_factory=lambda: array("q"))
    path_nodes: array[int] = field(default_factory=lambda: array("q"))
    path_lengths: array[int] = field(default_factory=lambda: array("q"))
    path_shares: array[float] = field(default_factory=lambda: array("d"))
    path_lines: array[int] = field(default_factory=lambda: array("q"))


def read_columns(path: Path) -> Columns:
    """Raises InputError with the line."""
    try:
        with path.open("rb") as file:
            return _read(file, str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _read(file: BinaryIO, name: str) -> Columns:
    pieces = _pieces(file, name)
    first = next(pieces, None)
    if first is None:
        raise InputError(f"{name} is empty: its first line must be the network, the others flows")
    rows = _rows(first, name)
    columns = Columns(wiring=read_wiring(rows[0], f"{name}, line {first[0][0]}"))
    reader = _Flows(columns, name)
    reader.take(rows[1:], [number for number, _ in first[1:]])
    for piece in pieces:
        reader.take(_rows(piece, name), [number for number, _ in piece])
    return columns


def _pieces(file: BinaryIO, name: str) -> Iterator[list[tuple[int, bytes]]]:
    """Lines with their numbers, without the empty ones."""
    piece: list[tuple[int, bytes]] = []
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise InputError(f"{name}, line {number}: longer than {_LONGEST_LINE >> 20} MiB; one flow per line")
        if line := line.strip():
            piece.append((number, line))
        if len(piece) == _LINES:
            yield piece
            piece = []
    if piece:
        yield piece


def _rows(piece: Sequence[tuple[int, bytes]], name: str) -> list[Any]:
    """All lines at once, which is fast; one by one where that fails, to say which."""
    try:
        rows = json.loads(b"[" + b",".join(line for _, line in piece) + b"]")
        if len(rows) == len(piece):
            return list(rows)
    except (ValueError, RecursionError):
        pass
    rows = []
    for number, line in piece:
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{name}, line {number}: not JSON ({error}); one object per line") from error
    return rows


class _Flows:
    """Rows to columns."""

    def __init__(self, columns: Columns, name: str) -> None:
        self._columns, self._name = columns, name
        self._node = {node: number for number, node in enumerate(columns.wiring.nodes)}
        self._next: dict[int, list[int]] = {}
        for _, source, target in columns.wiring.links:
            self._next.setdefault(source, []).append(target)

    def take(self, rows: Sequence[Any], lines: Sequence[int]) -> None:
        """Add rows; raises InputError with the line of a wrong one."""
        columns = self._columns
        for row, line in zip(rows, lines, strict=True):
            try:
                sent, bad = row["sent"], row["bad"]
                source, target = self._node[row["src"]], self._node[row["dst"]]
                if not 0 <= bad <= sent <= 1e15 or sent is True or bad is True:
                    raise ValueError
                # The usual line: one known way, nothing else.  All else takes the longer way.
                paths = row["paths"] if len(row) == 5 else None
                if paths is not None and len(paths) == 1 and type(paths[0]) is list:
                    key: object = tuple(map(self._node.__getitem__, paths[0]))
                else:
                    key = None
            except (KeyError, TypeError, ValueError):
                raise self._wrong(row, line) from None
            columns.sent.append(sent)
            columns.bad.append(bad)
            columns.source.append(source)
            columns.target.append(target)
            if key is not None:
                way = columns.ways.get(key)
                if way is None:
                    way = self._new_way(key, [(key, 1.0)], source, line)  # type: ignore[list-item]
                columns.way.append(way)
            else:
                self._rest(row, line, source, target)

    def _rest(self, row: Mapping[str, Any], line: int, source: int, target: int) -> None:
        """The optional parts of a line."""
        columns, flows = self._columns, len(self._columns.sent)
        unknown = sorted(set(row) - _KEYS)
        if unknown:
            raise self._error(line, f"unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
        for key in _NUMBERS:
            if key in row:
                value = row[key]
                if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                    raise self._error(line, f"{key} is {value!r}; it must be a number of at least 0")
                column = columns.numbers[key]
                column.extend([math.nan] * (flows - 1 - len(column)))
                column.append(value)
        labels = row.get("labels", {})
        if not isinstance(labels, dict):
            raise self._error(line, 'labels must be {"name": value}')
        for name, value in labels.items():
            values, codes = columns.labels.setdefault(name, ({}, array("q")))
            codes.extend([-1] * (flows - 1 - len(codes)))
            codes.append(values.setdefault(str(value), len(values)))
        columns.way.append(self._way(row, line, source, target))

    def _way(self, row: Mapping[str, Any], line: int, source: int, target: int) -> int:
        there = self._candidates(row.get("paths"), line, source, target, "paths")
        back = self._candidates(row["back"], line, target, source, "back") if "back" in row else None
        if back is not None:
            there = [(one + other[1:], p * q) for one, p in there for other, q in back]
        if len(there) > _MOST_CANDIDATES:
            raise self._error(line, f"more than {_MOST_CANDIDATES} candidate paths")
        key: object = (tuple(there), back is not None)
        way = self._columns.ways.get(key)
        return self._new_way(key, there, source, line) if way is None else way

    def _candidates(self, stated: Any, line: int, source: int, target: int, what: str) -> list[Candidate]:
        if stated is None:
            return self._shortest(line, source, target)
        if not isinstance(stated, list) or not stated:
            raise self._error(line, f"{what} must list one or more paths, each a list of nodes")
        found: list[tuple[tuple[int, ...], float | None]] = []
        for one in stated:
            nodes, share = (one.get("nodes"), one.get("probability")) if isinstance(one, dict) else (one, None)
            if not isinstance(nodes, list) or not nodes:
                raise self._error(line, 'a path must be a list of nodes, or {"nodes": […], "probability": 0.5}')
            for node in nodes:
                if not isinstance(node, str) or node not in self._node:
                    raise self._error(line, f"a path has the node {node!r}, which is not in the network")
            valid = not isinstance(share, bool) and isinstance(share, int | float) and 0 < share <= 1
            if share is not None and not valid:
                raise self._error(line, f"a path has the probability {share!r}; it must be above 0 and at most 1")
            path = tuple(self._node[node] for node in nodes)
            if path[0] != source:
                raise self._error(line, f"a path begins at {nodes[0]!r}, the flow at {self._name_of(source)!r}")
            found.append((path, None if share is None else float(share)))
        stated_shares = [share for _, share in found if share is not None]
        if stated_shares and (len(stated_shares) < len(found) or abs(sum(stated_shares) - 1) > 1e-3):
            raise self._error(line, "the probabilities of a flow's paths must be stated for all, and sum to 1")
        total = sum(stated_shares)
        return [(path, share / total if share is not None else 1 / len(found)) for path, share in found]

    def _shortest(self, line: int, source: int, target: int) -> list[Candidate]:
        """All shortest paths, equally probable: what is to be expected where no way is stated."""
        layer = [source]
        before: dict[int, list[int]] = {source: []}
        while layer and target not in before:
            reached: dict[int, list[int]] = {}
            for node in layer:
                for other in self._next.get(node, ()):
                    if other not in before:
                        reached.setdefault(other, []).append(node)
            before.update(reached)
            layer = list(reached)
        if target not in before:
            raise self._error(
                line, f"no way leads from {self._name_of(source)!r} to {self._name_of(target)!r}; state its paths"
            )
        paths: list[tuple[int, ...]] = [(target,)]
        while paths[0][0] != source or (len(paths[0]) == 1 and source != target):
            paths = [(node, *path) for path in paths for node in before[path[0]]]
            if len(paths) > _MOST_CANDIDATES:
                raise self._error(line, f"more than {_MOST_CANDIDATES} shortest paths; state which may be taken")
        return [(path, 1 / len(paths)) for path in paths]

    def _new_way(self, key: object, candidates: Sequence[Candidate], source: int, line: int) -> int:
        columns = self._columns
        number = len(columns.ways)
        columns.ways[key] = number
        columns.way_paths.append(len(candidates))
        for path, share in candidates:
            if not path or path[0] != source:
                begins = self._name_of(path[0]) if path else "no node"
                raise self._error(line, f"a path begins at {begins!r}, the flow at {self._name_of(source)!r}")
            columns.path_nodes.extend(path)
            columns.path_lengths.append(len(path))
            columns.path_shares.append(share)
            columns.path_lines.append(line)
        return number

    def _name_of(self, node: int) -> str:
        return self._columns.wiring.nodes[node]

    def _error(self, line: int, what: str) -> InputError:
        return InputError(f"{self._name}, line {line}: {what}")

    def _wrong(self, row: Any, line: int) -> InputError:
        """What is wrong with a row that the fast way refused."""
        if not isinstance(row, dict):
            return self._error(line, "a flow must be an object with src, dst, sent, bad")
        for key in ("src", "dst"):
            if key not in row:
                return self._error(line, f"the flow has no {key}")
            if not isinstance(row[key], str) or row[key] not in self._node:
                return self._error(line, f"{key} is {row[key]!r}, which is not in the network")
        for key in ("sent", "bad"):
            if key not in row:
                return self._error(line, f"the flow has no {key}")
            value = row[key]
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e15:
                return self._error(line, f"{key} is {value!r}; it must be a number of packets, from 0 to 1e15")
        if row["bad"] > row["sent"]:
            return self._error(line, f"{row['bad']} packets bad of {row['sent']} sent")
        for path in row["paths"] if isinstance(row.get("paths"), list) else ():
            for node in path if isinstance(path, list) else ():
                if not isinstance(node, str) or node not in self._node:
                    return self._error(line, f"a path has the node {node!r}, which is not in the network")
        return self._error(line, "paths must list one or more paths, each a list of nodes")
