"""What was said, held against the truth: one row per case and detector.

In: plain values of :mod:`judged`, a truth.  Out: a row.  Never: a run, a clock.

A suspect that offers alternatives is right where one of them is at fault; its class size says how many it offers.  One
that claims several links together (a node, a group) is right where all of them are at fault, or where it is called what
the truth is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.faulted.draw import NO_FAULT, Truth

_OR = " or "


def is_right(suspect: Mapping[str, Any], truth: Truth) -> bool:
    """Whether what it names is at fault."""
    links, label = set(suspect["links"]), suspect["label"]
    if truth.label and truth.label in label.split(_OR):
        return True
    if not label:
        return bool(links & truth.links)
    return bool(links) and links <= truth.links


def class_size(suspect: Mapping[str, Any]) -> int:
    """How many components it offers as one."""
    label = suspect["label"]
    return len(label.split(_OR)) if label else int(suspect["directions"])


def row_of(
    case: Mapping[str, Any],
    truth: Truth,
    crossing: Mapping[str, Sequence[str]],
    said: Mapping[str, Any],
    full: Sequence[tuple[str, float]] = (),
) -> dict[str, Any]:
    """``case`` holds what names the row.  Alerts are right after the onset, on paths that cross what is at fault.

    What no packet crosses, or leaves room for all that was carried, is not ``seen`` by anybody.

    ``full`` are links that filled up, and when that was known.  They blame nobody, so they are neither alerts nor
    suspects; they are counted beside them: right where the link is at fault and the onset is over, wrong before.
    """
    onset = truth.onset_ns / 1e9
    hit = {path for path, links in crossing.items() if truth.links & set(links)}
    after = [one for one in said["alerts"] if one[1] > onset]
    right = [one for one in after if one[0] in hit]
    suspects = said["suspects"]
    ranked = [*suspects, *said["runners_up"]]
    rights = [is_right(one, truth) for one in suspects]
    parts = sum(any(set(one["links"]) & set(part) and is_right(one, truth) for one in suspects) for part in truth.parts)
    return {
        **case,
        "fault": truth.kind not in NO_FAULT,
        "seen": bool(hit) and not case.get("idle", False),
        "hit": len(hit),
        "alerted": len({one[0] for one in right}),
        "alerts": len(said["alerts"]),
        "early": len(said["alerts"]) - len(after),
        "right": len(right),
        "detected": bool(right),
        "detect_s": round(min(one[1] for one in right) - onset, 3) if right else None,
        "localise_s": round(said["localised_s"] - onset, 3) if suspects else None,
        "named": len(suspects),
        "named_right": sum(rights),
        "parts": len(truth.parts),
        "parts_found": parts,
        "full": len(full),
        "full_early": sum(at <= onset for _, at in full),
        "full_right": sum(at > onset and link in truth.links for link, at in full),
        "top1": bool(ranked) and is_right(ranked[0], truth),
        "top3": any(is_right(one, truth) for one in ranked[:3]),
        "class": class_size(suspects[0]) if suspects else None,
        "type": ((suspects[0]["fault"] or said["kind"]) in truth.types) if suspects and truth.types else None,
        "said": (suspects[0]["fault"] or said["kind"]) if suspects else said["kind"],
        "confidence": said["confidence"] if suspects else None,
        "claim": all(rights) if suspects else None,
    }


def reference_row(case: Mapping[str, Any], truth: Truth, named: Sequence[str]) -> dict[str, Any]:
    """Of a method that names links only, the best first; each link once."""
    links = list(dict.fromkeys(named))
    right = [one for one in links if one in truth.links]
    return {
        **case,
        "fault": truth.kind not in NO_FAULT,
        "named": len(links),
        "named_right": len(right),
        "parts": len(truth.parts),
        "parts_found": sum(any(one in part for one in links) for part in truth.parts),
        "top1": bool(links) and links[0] in truth.links,
        "top3": any(one in truth.links for one in links[:3]),
    }
