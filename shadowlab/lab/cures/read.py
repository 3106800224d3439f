"""Cures that may be tried, from the form of a scenario file.

In: the raw form.  Out: values, and every fault with its place.  Never: a look at the map or at a file: scripts are only
named here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import pydantic

from shadowlab.lab.cures.form import KINDS, RawMitigation, RawPath, RawScript, RawTerm
from shadowlab.mitigate.allowed import (
    Allowed,
    Around,
    ChangeCongestion,
    ChangeQueue,
    DrainSubject,
    Limit,
    MoreInstances,
    MoreWorkers,
    MoveInstance,
    Pin,
    RaiseMetric,
    Script,
    ShiftWeights,
    Upgrade,
)
from shadowlab.mitigate.candidate import NOTHING
from shadowlab.mitigate.objective import DEFAULT, KpiTerm, Merit, Term
from shadowlab.model.units import format_duration
from shadowlab.topology.link_keys.sections import ImpairmentSection, QueueSection
from shadowlab.topology.wording import plain_faults, subject

Where = tuple[str | int, ...]
OnFault = Callable[[Where, str], None]

MITIGATIONS = "mitigations"


@dataclass(frozen=True, kw_only=True)
class ScriptFile:
    """A remediation script that is yet to be read."""

    name: str
    file: Path
    timeout_ns: int
    faults: tuple[str, ...] = ()

    def with_text(self, text: str) -> Script:
        """The cure, whole."""
        return Script(name=self.name, text=text, timeout_ns=self.timeout_ns, faults=self.faults)


Mitigation = Allowed | ScriptFile


@dataclass(frozen=True, kw_only=True)
class Cures:
    """What may be tried, and whether two that help are tried together."""

    mitigations: tuple[Mitigation, ...] = ()
    combine: bool = False


_AUTO: tuple[Allowed, ...] = (
    Around(name="reroute"),
    RaiseMetric(name="metric x10", factor=10),
    ShiftWeights(name="weights x8", factor=8),
    DrainSubject(name="drain"),
    Upgrade(name="upgrade x2", factor=2.0),
    ChangeQueue(name="queue fq_codel", stated={"queue": QueueSection(kind="fq_codel")}),
    ChangeCongestion(name="congestion bbr", control="bbr"),
    Limit(name="limit to 50 %", share=0.5),
    MoreWorkers(name="compute x2", factor=2.0),
)
"""What `auto` tries; what does not apply is told as impossible."""


def read_cures(
    raw: Literal["auto"] | Sequence[RawMitigation], *, file: Callable[[Where, str], Path], fault: OnFault
) -> Cures:
    """What the scenario allows.  ``file`` resolves a name and tells a fault of its own."""
    if raw == "auto":
        return Cures(mitigations=_AUTO, combine=True)
    assert not isinstance(raw, str)
    found = [(index, one) for index, form in enumerate(raw) for one in _read(form, (MITIGATIONS, index), file, fault)]
    names: set[str] = {NOTHING.name}
    for index, one in found:
        if one.name in names:
            fault((MITIGATIONS, index), f"{one.name!r} is given twice; results could not tell them apart")
        names.add(one.name)
    return Cures(mitigations=tuple(one for _, one in found), combine=any(form.combine for form in raw))


def _read(raw: RawMitigation, where: Where, file: Callable[[Where, str], Path], fault: OnFault) -> Iterator[Mitigation]:
    stated = [kind for kind in KINDS if getattr(raw, kind) is not None]
    if len(stated) != 1:
        fault(where, f"a mitigation is exactly one of {', '.join(KINDS)} (doing nothing is always tried)")
        return
    if raw.reroute:
        yield Around(name="reroute")
    elif raw.metric is not None:
        yield RaiseMetric(name=f"metric x{raw.metric.factor}", factor=raw.metric.factor)
    elif raw.weights is not None:
        yield ShiftWeights(name=f"weights x{raw.weights.factor}", factor=raw.weights.factor)
    elif raw.drain:
        subject = raw.drain if isinstance(raw.drain, str) else ""
        yield DrainSubject(name=f"drain {subject}".strip(), subject=subject)
    elif raw.upgrade is not None:
        yield Upgrade(name=f"upgrade x{raw.upgrade.factor:g}", factor=raw.upgrade.factor)
    elif raw.queue is not None:
        yield from _queue(raw.queue, (*where, "queue"), fault)
    elif raw.congestion is not None:
        words = f" for {', '.join(raw.congestion.services)}" if raw.congestion.services else ""
        yield ChangeCongestion(
            name=f"congestion {raw.congestion.control}{words}",
            control=raw.congestion.control,
            services=tuple(raw.congestion.services),
        )
    elif raw.limit is not None:
        words = f"{', '.join(raw.limit.what)} " if raw.limit.what else ""
        name = f"limit {words}to {raw.limit.share * 100:g} %"
        yield Limit(name=name, share=raw.limit.share, subjects=tuple(raw.limit.what))
    elif raw.compute is not None:
        words = f" at {', '.join(raw.compute.nodes)}" if raw.compute.nodes else ""
        yield MoreWorkers(
            name=f"compute x{raw.compute.factor:g}{words}", factor=raw.compute.factor, nodes=tuple(raw.compute.nodes)
        )
    elif raw.scale_out is not None:
        yield MoreInstances(
            name=f"scale out {raw.scale_out.workload} at {raw.scale_out.node}",
            workload=raw.scale_out.workload,
            node=raw.scale_out.node,
        )
    elif raw.move is not None:
        name = f"move {raw.move.workload} from {raw.move.source} to {raw.move.target}"
        yield MoveInstance(name=name, workload=raw.move.workload, source=raw.move.source, target=raw.move.target)
    elif raw.path is not None:
        yield from _path(raw.path, (*where, "path"), fault)
    elif raw.script is not None:
        yield _script(raw.script, where, file, fault)


def _path(raw: RawPath, where: Where, fault: OnFault) -> Iterator[Pin]:
    if bool(raw.source) != bool(raw.target) or (raw.by and not raw.source):
        fault(where, "a path has a `source` and a `target`, or neither; `by` goes with both")
        return
    words = f" {raw.source}→{raw.target}" if raw.source else ""
    by = f" by {', '.join(raw.by)}" if raw.by else ""
    yield Pin(name=f"path{words}{by}", source=raw.source, target=raw.target, path=tuple(raw.by))


def _queue(value: object, where: Where, fault: OnFault) -> Iterator[ChangeQueue]:
    data = {"queue": value}
    try:
        stated = ImpairmentSection.model_validate(data).stated()
    except pydantic.ValidationError as error:
        for path, sentence, _ in plain_faults(error, ImpairmentSection, data):
            fault((*where[:-1], *path), sentence.removeprefix(f"{subject(path)}: "))
        return
    kind = value.get("kind") if isinstance(value, dict) else f"{value} packets"
    yield ChangeQueue(name=f"queue {kind}", stated={"queue": stated["queue"]})


def _script(raw: RawScript, where: Where, file: Callable[[Where, str], Path], fault: OnFault) -> ScriptFile:
    if raw.timeout <= 0:
        fault((*where, "script", "timeout"), f"must be above zero, got {format_duration(raw.timeout)}")
    path = file((*where, "script", "file"), raw.file)
    return ScriptFile(name=raw.name, file=path, timeout_ns=raw.timeout, faults=tuple(raw.faults))


def read_objective(raw: Sequence[str | RawTerm], *, fault: OnFault) -> tuple[Term, ...]:
    """The terms by which cures are compared, most important first; what is said by nobody decides last."""
    found: list[Term] = []
    known: tuple[Merit, ...] = get_args(Merit)
    for index, one in enumerate(raw):
        if isinstance(one, str):
            merit = next((name for name in known if name == one), None)
            if merit is None:
                words = f"{one!r} is none of {', '.join(known)}, and no mapping with a `kpi`"
                fault(("objective", index), words)
            else:
                found.append(merit)
        else:
            try:
                found.append(KpiTerm(kpi=one.kpi, subjects=tuple(one.of), tolerance=one.tolerance))
            except ValueError as error:
                fault(("objective", index), str(error))
    return tuple(found) or DEFAULT
