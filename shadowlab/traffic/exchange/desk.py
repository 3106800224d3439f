"""Where requests are served: at the target's instance, or at once if it has no compute model.

In: requests that have come whole.  Out: replies, each after its service.  Never: how a reply travels.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shadowlab.kernel.loop import Loop
from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.completion import InstanceSample
from shadowlab.model.traffic.workload import Compute
from shadowlab.traffic.exchange.channel import Exchange
from shadowlab.traffic.exchange.deciding.instance import Begun, Instance, Refused
from shadowlab.traffic.exchange.deciding.shared import SharedInstance

REFUSAL_BYTES = 64
"""What a full instance answers instead, at once."""

Reply = Callable[[int, bool], None]
"""Called with the number of bytes to answer, and whether they are a refusal."""


class Desk:
    """All instances of a run."""

    def __init__(self, *, loop: Loop, compute: Mapping[str, Compute], seed: int) -> None:
        self._loop = loop
        self._compute = dict(compute)
        self._seed = seed
        self._instances = {node: self._instance(node, one) for node, one in compute.items()}
        self._waiting: dict[int, tuple[str, Exchange, Reply]] = {}
        self._tickets = 0

    def serve(self, node: str, exchange: Exchange, reply: Reply) -> None:
        """Reply with the answer of ``exchange`` when its service has ended, or with a refusal now."""
        instance = self._instances.get(node)
        if instance is None:
            reply(exchange.response_bytes, False)
            return
        self._tickets += 1
        if isinstance(instance, SharedInstance):
            self._share(node, instance, exchange, reply)
            return
        admission = instance.arrive(self._loop.now_ns, self._tickets)
        if isinstance(admission, Refused):
            reply(REFUSAL_BYTES, True)
            return
        self._waiting[self._tickets] = (node, exchange, reply)
        if isinstance(admission, Begun):
            self._begin(admission)

    def resize(self, node: str, workers: int) -> None:
        """Raises KeyError for a node that is no instance, ValueError for fewer workers than one."""
        instance = self._instances[node]
        if isinstance(instance, SharedInstance):
            instance.resize(workers, self._loop.now_ns)
            self._watch(instance)
            return
        for begun in instance.resize(workers, self._loop.now_ns):
            self._begin(begun)

    def add(self, node: str, like: str) -> None:
        """Another instance that serves as ``like`` does; one without a compute model serves at once, as that does."""
        if node not in self._instances and like in self._compute:
            self._compute[node] = self._compute[like]
            self._instances[node] = self._instance(node, self._compute[node])

    def sample(self, zero_ns: int) -> list[InstanceSample]:
        """Every instance now, in the order of their definition."""
        now_ns = self._loop.now_ns
        return [one.sample(now_ns, node)._replace(at_ns=now_ns - zero_ns) for node, one in self._instances.items()]

    def _instance(self, node: str, compute: Compute) -> Instance | SharedInstance:
        kind = SharedInstance if compute.discipline == "shared" else Instance
        return kind(compute, Chance(self._seed, "compute", node))

    def _share(self, node: str, instance: SharedInstance, exchange: Exchange, reply: Reply) -> None:
        if not instance.arrive(self._loop.now_ns, self._tickets):
            reply(REFUSAL_BYTES, True)
            return
        self._waiting[self._tickets] = (node, exchange, reply)
        self._watch(instance)

    def _watch(self, instance: SharedInstance) -> None:
        """Look again when the next request is done; what was expected before may have changed by then."""
        due_ns, changes = instance.due_ns(), instance.changes
        if due_ns is None:
            return

        def on_due(at_ns: int) -> None:
            if instance.changes != changes:
                return
            for one in instance.finish(at_ns):
                _, exchange, reply = self._waiting.pop(one.ticket)
                exchange.service_ns, exchange.waited_ns = one.service_ns, one.waited_ns
                reply(exchange.response_bytes, False)
            self._watch(instance)

        self._loop.at(due_ns, on_due)

    def _begin(self, begun: Begun) -> None:
        exchange = self._waiting[begun.ticket][1]
        exchange.service_ns = begun.service_ns
        exchange.waited_ns = begun.waited_ns
        self._loop.at(begun.ends_ns, lambda due_ns: self._finish(begun.ticket, due_ns))

    def _finish(self, ticket: int, due_ns: int) -> None:
        node, exchange, reply = self._waiting.pop(ticket)
        reply(exchange.response_bytes, False)
        instance = self._instances[node]
        following = instance.finish(due_ns) if isinstance(instance, Instance) else None
        if following is not None:
            self._begin(following)
