"""The sections ``traffic`` and ``compute`` as they are written become workloads and compute models.

In: plain data with its place in the file.  Out: values, and every fault.  Never: a look at the map: whether a node
exists is for :mod:`shadowlab.lab.workloads.resolve`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import pydantic

from shadowlab.lab.workloads.form import (
    FORMS,
    Nodes,
    RawCompute,
    RawDatagrams,
    RawIncast,
    RawLookups,
    RawProgram,
    RawReplay,
    RawRequests,
    RawTcp,
    RawTransfers,
    RawWorkload,
)
from shadowlab.lab.workloads.imix import payloads_of
from shadowlab.model.traffic.distribution import constant
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.model.traffic.workload import (
    DATAGRAM_BYTES,
    Compute,
    Datagrams,
    Incast,
    Lookups,
    Program,
    Replay,
    Requests,
    Transfers,
    Workload,
)
from shadowlab.model.units import format_duration
from shadowlab.topology.wording import plain_faults, subject

Where = tuple[str | int, ...]
OnFault = Callable[[Where, str], None]
_M = TypeVar("_M", bound=pydantic.BaseModel)


def read_traffic(
    items: Sequence[Mapping[str, Any]], *, duration_ns: int, folder: Path, fault: OnFault
) -> tuple[Workload, ...]:
    """The workloads; what is wrong with the others is told.  Files are looked for beside ``folder``."""
    found: list[Workload] = []
    names: set[str] = set()
    for index, item in enumerate(items):
        where: Where = ("traffic", index)
        kinds = [kind for kind in FORMS if kind in item]
        if len(kinds) != 1:
            fault(where, f"a workload is exactly one of {', '.join(FORMS)}")
            continue
        raw = _validated(FORMS[kinds[0]], item, where, fault)
        if raw is None:
            continue
        name = str(getattr(raw, kinds[0]))
        if name in names:
            fault((*where, kinds[0]), f"{name!r} is given twice; results could not tell them apart")
        names.add(name)
        if _times_fit(raw, where, duration_ns, fault):
            one = _workload(raw, where, folder, fault)
            if one is not None:
                found.append(one)
    return tuple(found)


def read_compute(section: Mapping[str, Any], *, fault: OnFault) -> dict[str, Compute]:
    """What each instance can serve, by node."""
    found = {}
    for node, item in section.items():
        raw = _validated(RawCompute, item, ("compute", node), fault)
        if raw is not None:
            found[node] = Compute(
                workers=raw.workers, service_ns=raw.service, queue=raw.queue, discipline=raw.discipline
            )
    return found


def _validated(form: type[_M], data: Any, where: Where, fault: OnFault) -> _M | None:
    try:
        return form.model_validate(data)
    except pydantic.ValidationError as error:
        for path, sentence, _ in plain_faults(error, form, data):
            fault((*where, *path), sentence.removeprefix(f"{subject(path)}: "))
        return None


def _times_fit(raw: RawWorkload, where: Where, duration_ns: int, fault: OnFault) -> bool:
    if not 0 <= raw.begin < duration_ns:
        fault((*where, "begin"), f"must lie within the run's {format_duration(duration_ns)}")
        return False
    if raw.end is not None and raw.end <= raw.begin:
        fault((*where, "end"), "must come after `begin`")
        return False
    for key in ("every", "timeout", "grace", "rate", "payload"):
        value = getattr(raw, key, None)
        if value is not None and value <= 0:
            fault((*where, key), "must be above zero")
            return False
    return True


def _workload(raw: RawWorkload, where: Where, folder: Path, fault: OnFault) -> Workload | None:
    timed = {"service": raw.service, "begin_ns": raw.begin, "end_ns": raw.end}
    try:
        match raw:
            case RawTransfers():
                return Transfers(
                    name=raw.transfers,
                    sources=_nodes(raw.from_),
                    targets=_nodes(raw.to),
                    arrivals=raw.arrivals,
                    size=raw.size,
                    **_over_tcp(raw),
                    **cast(Any, timed),
                )
            case RawRequests():
                if raw.think is None and raw.arrivals is None:
                    fault(where, "users think between requests: state `think`, or `arrivals` for an open loop")
                    return None
                return Requests(
                    name=raw.requests,
                    clients=_nodes(raw.clients),
                    servers=_nodes(raw.servers),
                    request=raw.request,
                    response=raw.response,
                    think_ns=raw.think or constant(0),
                    arrivals=raw.arrivals,
                    connections=raw.connections,
                    requests_per_connection=raw.requests_per_connection,
                    timeout_ns=raw.timeout,
                    **_over_tcp(raw),
                    **cast(Any, timed),
                )
            case RawIncast():
                return Incast(
                    name=raw.incast,
                    aggregator=raw.aggregator,
                    workers=_nodes(raw.workers),
                    response=raw.response,
                    every_ns=raw.every,
                    rounds=raw.rounds,
                    **_over_tcp(raw),
                    **cast(Any, timed),
                )
            case RawDatagrams():
                return _datagrams(raw, where, timed, fault)
            case RawLookups():
                return Lookups(
                    name=raw.lookups,
                    clients=_nodes(raw.clients),
                    servers=_nodes(raw.servers),
                    arrivals=raw.arrivals,
                    request=raw.request,
                    response=raw.response,
                    timeout_ns=raw.timeout,
                    tries=raw.tries,
                    dscp=raw.dscp,
                    ipv6=raw.ipv6,
                    **cast(Any, timed),
                )
            case RawProgram():
                argv = shlex.split(raw.command) if isinstance(raw.command, str) else raw.command
                if not argv:
                    fault((*where, "command"), "names no program")
                    return None
                return Program(
                    name=raw.program,
                    node=raw.node,
                    argv=tuple(argv),
                    environment=raw.environment,
                    grace_ns=raw.grace,
                    **cast(Any, timed),
                )
            case RawReplay():
                return _replay(raw, where, folder, timed, fault)
    except ValueError as error:
        fault(where, str(error))
        return None


def _datagrams(raw: RawDatagrams, where: Where, timed: Mapping[str, Any], fault: OnFault) -> Datagrams | None:
    if (raw.on is None) != (raw.off is None):
        fault(where, "bursts have both an `on` and an `off` time, or neither")
        return None
    if raw.payload is not None and raw.payload > 65_000:
        fault((*where, "payload"), f"must not be above 65 kB, got {raw.payload} bytes")
        return None
    if raw.payload is not None and raw.imix is not None:
        fault(where, "packets have one `payload`, or those of an `imix`, not both")
        return None
    try:
        mix = payloads_of(raw.imix, ipv6=raw.ipv6) if raw.imix is not None else ()
    except ValueError as error:
        fault((*where, "imix"), str(error))
        return None
    return Datagrams(
        name=raw.datagrams,
        source=raw.from_,
        target=raw.to,
        rate_bps=raw.rate,
        payload_bytes=raw.payload or DATAGRAM_BYTES,
        mix_bytes=mix,
        on_ns=raw.on,
        off_ns=raw.off,
        dscp=raw.dscp,
        ipv6=raw.ipv6,
        **timed,
    )


def _replay(raw: RawReplay, where: Where, folder: Path, timed: Mapping[str, Any], fault: OnFault) -> Replay | None:
    path = folder / raw.file
    if "\0" in raw.file or not path.is_file():
        fault((*where, "file"), f"{raw.file!r} is not a file")
        return None
    return Replay(name=raw.replay, node=raw.node, file=str(path), addresses=raw.addresses, speed=raw.speed, **timed)


def _over_tcp(raw: RawTransfers | RawRequests | RawIncast) -> Any:
    return {"tcp": tcp_options(raw.tcp), "ipv6": raw.ipv6}


def tcp_options(raw: RawTcp) -> TcpOptions:
    """The options as a value.  Raises ValueError for one out of range."""
    return TcpOptions(
        congestion_control=raw.congestion_control,
        mss=raw.mss,
        window_bytes=raw.window,
        send_buffer_bytes=raw.send_buffer,
        pacing_bps=raw.pacing,
        initial_cwnd_segments=raw.initial_window,
        initial_rwnd_segments=raw.initial_receive_window,
        ecn=raw.ecn,
        dscp=raw.dscp,
        keepalive_ns=raw.keepalive,
        no_delay=raw.no_delay,
        sack=raw.sack,
        timestamps=raw.timestamps,
        window_scaling=raw.window_scaling,
    )


def _nodes(one: Nodes) -> tuple[str, ...]:
    return (one,) if isinstance(one, str) else tuple(one)
