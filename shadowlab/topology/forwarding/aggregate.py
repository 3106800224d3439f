"""The fewest prefixes that say what a table says host by host.

In: the hosts' addresses, and for many nodes at once which way each takes to each host.  Out: for each node prefixes and
their ways.  Never: a host led otherwise than by the table it was given; never one prefix inside another.

The prefixes are the largest aligned blocks of addresses whose hosts all go one way; addresses that no host has count
for neither side, so a block may cover them.  Blocks that lie inside others would be fewer still, but then a host whose
own route goes away with a failed interface would fall back on the block around it, and be led where routing never
meant it to go.  As it is, it is without a route there, as it is with one route for each host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_MIXED = -2
_ROOM_BITS = 3
"""A block may be so many bits shorter than its hosts need: those to come beside them are led without a change."""
NO_WAY = -1
ANY_WAY = -3
"""For a node's own address, or one it holds a route for elsewhere: a block may cover it or not."""


class Block(NamedTuple):
    """``address``/``length``, as a route has it, and the way of all hosts in it."""

    address: str
    length: int
    way: int


@dataclass(frozen=True, kw_only=True)
class _Branch:
    """Where the addresses between two columns part: everything below agrees in ``length`` bits."""

    length: int
    left: int
    right: int


class Tree:
    """The tree of a set of addresses of one family, in which blocks of them are found.

    ``addresses`` are in any order, each once; columns of :meth:`blocks` are in their order.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        numbers = [ip_address(text) for text in addresses]
        self._family = type(numbers[0]) if numbers else IPv4Address
        self._bits = 128 if self._family is IPv6Address else 32
        values = [int(one) for one in numbers]
        self._order = sorted(range(len(values)), key=values.__getitem__)
        self._values = [values[one] for one in self._order]
        self._branches: list[_Branch] = []
        self._root = self._join() if self._values else 0

    def _join(self) -> int:
        """Build the branches, children before parents.  Returns the root: a leaf's number, or leaves + a branch's."""
        count, stack = len(self._values), [(0, self._bits)]
        for leaf in range(1, count):
            shared = self._bits - (self._values[leaf - 1] ^ self._values[leaf]).bit_length()
            last, _ = stack.pop()
            while stack and stack[-1][1] > shared:
                left, length = stack.pop()
                last = self._branch(length, left, last)
            stack += [(last, shared), (leaf, self._bits)]
        last, _ = stack.pop()
        while stack:
            left, length = stack.pop()
            last = self._branch(length, left, last)
        return last

    def _branch(self, length: int, left: int, right: int) -> int:
        self._branches.append(_Branch(length=length, left=left, right=right))
        return len(self._values) + len(self._branches) - 1

    def blocks(self, ways: NDArray[np.int32]) -> list[list[Block]]:
        """``ways`` has a row for each node and a column for each address; ``NO_WAY`` and ``ANY_WAY`` mark columns
        without one.  Returns for each row its blocks, in order of address."""
        rows, leaves = ways.shape
        if not leaves:
            return [[] for _ in range(rows)]
        held = np.empty((leaves + len(self._branches), rows), dtype=np.int32)
        held[:leaves] = ways.T[self._order]
        for number, branch in enumerate(self._branches, leaves):
            left, right = held[branch.left], held[branch.right]
            same = np.where(left == right, left, _MIXED)
            held[number] = np.where(left == ANY_WAY, right, np.where(right == ANY_WAY, left, same))
        found: list[list[Block]] = [[] for _ in range(rows)]
        stack = [(self._root, np.arange(rows), self._bits)]
        while stack:
            number, here, room = stack.pop()
            way = held[number, here]
            whole = way >= 0
            if whole.any():
                address, length = self._prefix(number, room)
                for row, one in zip(here[whole].tolist(), way[whole].tolist(), strict=True):
                    found[row].append(Block(address, length, one))
            mixed = here[way == _MIXED]
            if mixed.size:
                branch = self._branches[number - leaves]
                stack += [(branch.right, mixed, branch.length + 1), (branch.left, mixed, branch.length + 1)]
        return found

    def _prefix(self, number: int, room: int) -> tuple[str, int]:
        """Address and length of what is below a leaf or branch, and of some room around it, down to ``room`` bits."""
        length, leaf = self._bits, number
        if number >= len(self._values):
            length = self._branches[number - len(self._values)].length
        while leaf >= len(self._values):
            leaf = self._branches[leaf - len(self._values)].left
        length = min(length, max(room, length - _ROOM_BITS))
        cut = self._bits - length
        return str(self._family(self._values[leaf] >> cut << cut)), length
