"""Routes and rules of a segment on Linux, and which way a packet would take.

In: nodes, destinations, ways.  Out: what was asked of the kernel, or read back from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from shadowlab.kernel import netns
from shadowlab.kernel.links import NamespaceRecord
from shadowlab.kernel.ports import KERNELS_WINDOWS, MAIN_TABLE, Flow, Hop, InitialWindows, NextHop, Route, Rule
from shadowlab.kernel.routing import tables
from shadowlab.kernel.segment.held import HeldNamespaces
from shadowlab.wire import routes
from shadowlab.wire.addresses import family_of


class Forwarding(HeldNamespaces):
    """Sets, reads and asks routes."""

    def replace_route(
        self,
        node: str,
        destination: str,
        prefix: int,
        hops: Sequence[Hop],
        *,
        table: int = MAIN_TABLE,
        windows: InitialWindows = KERNELS_WINDOWS,
    ) -> None:
        tried = tables.describe_route(node, destination, prefix, hops, table)
        namespace = self._namespace(node, tried)
        ways = [(namespace.interface(name, tried).ifindex, via, weight) for name, via, weight in hops]
        request = self._valid(tried, lambda: routes.replace_route(destination, prefix, ways, table, windows))
        if len(ways) > 1:
            self._hash_flows(namespace, family_of(destination))
        self._set(namespace, request, tried)

    def _hash_flows(self, namespace: NamespaceRecord, family: int) -> None:
        if family not in namespace.hashes_flows:
            with netns.visit(namespace.fd, self._home_fd, namespace.node):
                self._sysctls.visit()
                for key, value in tables.HASH_FLOWS[family]:
                    self._sysctls.write(namespace.node, key, value)
            namespace.hashes_flows.add(family)

    def replace_by_black_hole(self, node: str, destination: str, prefix: int, *, table: int = MAIN_TABLE) -> None:
        tried = f"let {node} drop what goes to {destination}/{prefix}{tables.in_table(table)}"
        namespace = self._namespace(node, tried)
        request = self._valid(tried, lambda: routes.replace_by_black_hole(destination, prefix, table))
        self._set(namespace, request, tried)

    def delete_route(self, node: str, destination: str, prefix: int, *, table: int = MAIN_TABLE) -> None:
        tried = f"delete the route {destination}/{prefix}{tables.in_table(table)} in {node}"
        namespace = self._namespace(node, tried)
        self._set(namespace, self._valid(tried, lambda: routes.delete_route(destination, prefix, table)), tried)

    def routes(self, node: str) -> tuple[Route, ...]:
        return tables.read_routes(self._read(node, f"read the routes of {node}"))

    def add_rule(self, node: str, rule: Rule) -> None:
        tried = f"add to {node} the rule {tables.describe_rule(rule)}"
        self._set(self._namespace(node, tried), self._valid(tried, lambda: routes.new_rule(*rule)), tried)

    def delete_rule(self, node: str, rule: Rule) -> None:
        tried = f"delete from {node} the rule {tables.describe_rule(rule)}"
        self._set(self._namespace(node, tried), self._valid(tried, lambda: routes.delete_rule(*rule)), tried)

    def rules(self, node: str) -> tuple[Rule, ...]:
        return tables.read_rules(self._read(node, f"read the rules of {node}"))

    def next_hop(
        self, node: str, destination: str, source: str, arrived_by: str | None = None, flow: Flow | None = None
    ) -> NextHop | None:
        tried = f"ask {node} for its route to {destination}"
        namespace = self._read(node, tried)
        index = namespace.interface(arrived_by, tried).ifindex if arrived_by is not None else 0
        question = tables.Question(destination, source, index, flow)
        self._valid(tried, question.request)
        seed = partial(tables.hash_seed, lambda: self.read_sysctl(node, tables.HASH_SEED))
        return tables.ask_next_hop(namespace, question, seed, tried)
