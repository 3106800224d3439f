"""What a server might say, made up: a small network with an incident, or a fabric of a thousand nodes.

In: sizes.  Out: documents by address below ``/api/v1/``, and series by ``KIND SUBJECT``, as the API has them.
"""

from __future__ import annotations

import math
from typing import Any

Documents = dict[str, Any]


def small() -> tuple[Documents, Documents]:
    """Six routers in a ring with a host each; the link r1-r2 loses packets."""
    routers = [f"r{index}" for index in range(6)]
    nodes = [
        _node(one, "router", *_round(index, 6, 1.0), suspect=one in ("r1", "r2")) for index, one in enumerate(routers)
    ]
    nodes += [_node(f"h{index}", "host", *_round(index, 6, 1.3), affected=index in (1, 2)) for index in range(6)]
    links = [_link(one, routers[(index + 1) % 6], suspect=index == 1) for index, one in enumerate(routers)]
    links += [_link(f"h{index}", one) for index, one in enumerate(routers)]
    paths = [
        _path(
            f"h{index}",
            f"h{(index + 1) % 6}",
            [f"h{index}", f"r{index}", f"r{(index + 1) % 6}", f"h{(index + 1) % 6}"],
            broken=index == 1,
        )
        for index in range(6)
    ]
    return _all(nodes, links, sorted(paths, key=lambda path: not path["affected"]))


def fabric(spines: int, leaves: int, hosts: int) -> tuple[Documents, Documents]:
    """Every leaf at every spine, so many hosts at each leaf."""
    nodes = [_node(f"s{index}", "router", index * leaves / spines, 0.0) for index in range(spines)]
    links = []
    for leaf in range(leaves):
        nodes.append(_node(f"l{leaf}", "router", float(leaf), leaves / 5))
        links += [
            _link(f"s{spine}", f"l{leaf}", suspect=leaf == spine == 1, load=(leaf * 7 + spine) % 10 / 10)
            for spine in range(spines)
        ]
        for host in range(hosts):
            nodes.append(_node(f"h{leaf}-{host}", "host", leaf + host % 5 / 5, leaves / 3 + host // 5))
            links.append(_link(f"l{leaf}", f"h{leaf}-{host}", load=host / hosts))
    paths = [
        _path(
            f"h{leaf}-0",
            f"h{leaf + 1}-0",
            [f"h{leaf}-0", f"l{leaf}", "s1", f"l{leaf + 1}", f"h{leaf + 1}-0"],
            broken=leaf == 1,
        )
        for leaf in range(leaves - 1)
    ]
    return _all(nodes, links, paths)


def _round(index: int, of: int, radius: float) -> tuple[float, float]:
    angle = 2 * math.pi * index / of
    return radius * math.cos(angle), radius * math.sin(angle)


def _node(name: str, kind: str, x: float, y: float, *, affected: bool = False, suspect: bool = False) -> Documents:
    return {
        "id": name,
        "label": f"Site {name}",
        "kind": kind,
        "x": x,
        "y": y,
        "fixed": True,
        "affected": affected,
        "suspect": suspect,
    }


def _link(a: str, b: str, *, suspect: bool = False, load: float = 0.3) -> Documents:
    directions = [
        {
            "id": f"{source}>{target}",
            "source": source,
            "target": target,
            "rate_bps": 10_000_000,
            "utilisation": load,
            "utilisation_before": load,
            "utilisation_forecast": None,
            "loss": 0.03 if suspect else 0.0,
            "loss_before": 0.0,
            "latency_ms": 4.2,
            "line_ms": 4.0,
            "queueing_ms": 0.2,
            "fidelity": 1.4,
            "standing": "suspect" if suspect else "sound",
            "affected_paths": 1 if suspect else 0,
        }
        for source, target in ((a, b), (b, a))
    ]
    return {"id": f"{a}-{b}", "a": a, "b": b, "up": True, "suspect": suspect, "groups": [], "directions": directions}


def _path(source: str, target: str, route: list[str], *, broken: bool) -> Documents:
    figures = {"srtt_ms": 31.0, "retransmission_share": 0.02 if broken else 0.0, "throughput_mbps": 0.6, "loss": 0.05}
    level = {
        "level": "delivery",
        "limit": 0.004,
        "median": 0.05,
        "worst": 0.1,
        "broken_share": 1.0,
        "holds": not broken,
    }
    return {
        "id": f"{source}→{target}",
        "source": source,
        "target": target,
        "state": "broken" if broken else "good",
        "affected": broken,
        "flows": 2,
        "route": route,
        "fault": "",
        "production": figures,
        "shadow": figures,
        "before": figures,
        "broken_levels": ["delivery"] if broken else [],
        "levels": [level],
        "fidelity": 1.4,
    }


def _cure(name: str, rank: int, share: float, *, nothing: bool = False) -> Documents:
    return {
        "name": name,
        "kind": name,
        "summary": f"what {name} does",
        "rank": rank,
        "nothing": nothing,
        "recovered": 0.0 if nothing else 1 - share / 0.25,
        "broken_share": share,
        "transient_share": 0.01,
        "before_share": 0.25,
        "harm": 0,
        "harm_probability": 0.0,
        "best_probability": 0.0 if nothing else 1.0,
        "effort": 1,
        "worst": {"delivery": share},
        "worst_before": {"delivery": 0.25},
        "actions": [] if nothing else ["metric of r1-r2: 10 -> 1000"],
        "steps": [],
        "roll_back": [] if nothing else ["metric of r1-r2: 1000 -> 10"],
        "rolled_back_share": None if nothing else 0.24,
        "warnings": [],
        "note": "",
        "short": False,
    }


def _all(nodes: list[Documents], links: list[Documents], paths: list[Documents]) -> tuple[Documents, Documents]:
    guilty = [link for link in links if link["suspect"]]
    head = {
        "id": "run",
        "kind": "network",
        "severity": "critical",
        "title": f"{guilty[0]['id']}: loss since 2:30",
        "opened_s": 150.0,
        "updated_s": 300.0,
        "resolved_s": None,
        "open": True,
        "subjects": [guilty[0]["id"]],
        "affected_paths": 1,
        "proposal": "reroute: around it",
        "confidence": 0.97,
    }
    suspect = {
        "name": f"{guilty[0]['id']} both ways",
        "directions": [one["id"] for one in guilty[0]["directions"]],
        "posterior": 0.97,
        "fault": "loss",
        "loss": 0.03,
        "loss_interval": [0.02, 0.04],
        "delay_ms": 0.0,
        "delay_interval_ms": [0.0, 0.0],
        "paths_affected": 1,
        "paths_crossing": 1,
        "split_by": "",
    }
    trial = {
        "name": "loss",
        "kind": "loss",
        "words": "random loss of 3 % (2 % to 4 %)",
        "explained": 0.91,
        "log10_bayes": 6.0,
        "directions": [],
    }
    domain = {
        "kind": "loss",
        "links": [guilty[0]["id"]],
        "directions": suspect["directions"],
        "onset_s": 150.0,
        "confidence": 0.97,
        "suspects": [suspect],
        "runners_up": [],
        "groups": [],
        "overloaded": [],
        "unseen": [],
        "flows": 2,
        "services": ["pages"],
        "evidence": ["traced: 1 of 6 paths cross it"],
        "trials": [trial],
        "undecided": [],
        "advice": [],
        "note": "",
    }
    marks = [
        {"at_s": 150.0, "kind": "event", "text": "it degrades", "incident": None, "cycle": None},
        {"at_s": 156.0, "kind": "detected", "text": "anomaly", "incident": None, "cycle": None},
        {"at_s": 165.0, "kind": "localised", "text": "fault domain", "incident": None, "cycle": None},
    ]
    source = {
        "id": "net-1",
        "kind": "run",
        "name": "net",
        "title": "A net that was made up",
        "clock": "run",
        "state": "finished",
        "headline": head["title"],
        "verdict": "confirmed",
        "holds": False,
        "severity": "critical",
        "open_incidents": 1,
        "updated_s": 1.7e9,
        "revision": "1",
        "can_ask": True,
        "why_not_ask": "",
    }
    overview = source | {
        "conclusions": ["What happens: it loses."],
        "why": "",
        "fidelity": {"score": 2.2, "standing": "doubtful", "values": 9, "worst": "srtt_ms", "worst_score": 5.0},
        "from_s": 0.0,
        "to_s": 300.0,
        "event_s": 150.0,
        "baseline_s": [20.0, 140.0],
        "valid": True,
        "validity": "",
        "kernel": "Linux",
        "clock_kind": "virtual",
        "seed": 1,
        "levels": [{"level": "delivery", "limit": 0.004, "broken_paths": 1, "paths": len(paths)}],
        "now": None,
        "stages": [],
        "telemetry": None,
        "changes": [],
        "findings": [],
        "scale_factor": 1.0,
        "counts": {"nodes": len(nodes), "links": len(links), "paths": len(paths), "flows": 2},
    }
    calm = source | {
        "id": "calm-1",
        "name": "calm",
        "headline": "Everything holds.",
        "severity": "good",
        "open_incidents": 0,
        "holds": True,
    }
    hours = [3600.0 * hour for hour in range(12)]
    ahead = {
        "at_s": 0.0,
        "horizon_s": 6 * 3600.0,
        "model": "seasonal",
        "headline": "delivery breaks in 4 h",
        "growth": {"low": 1.1, "median": 1.3, "high": 1.6},
        "demand": [{"at_s": at, "mbps": 10 + math.sin(at)} for at in hours],
        "violations": ["delivery on h1→h2"],
        "ahead": [{"at_s": hours[-1] + at, "low": 10.0, "median": 12.0, "high": 15.0} for at in hours],
        "links": [{"direction": "r1>r2", "now": 0.4, "then": 0.95}],
    }
    root = "sources/net-1"
    sound = [link | {"suspect": False} for link in links]
    documents = {
        "session": {"role": "operator", "needs_token": False, "version": "0"},
        "sources": {"sources": [calm, source]},
        "whatif/kinds": {
            "kinds": [
                {"name": "growth", "meaning": "all demand times a factor", "example": "growth=1.5"},
                {"name": "fail", "meaning": "links fail", "example": "fail=r1-r2"},
            ]
        },
        "jobs": {"jobs": []},
        root: overview,
        f"{root}/map": {"name": "net", "revision": "1", "nodes": nodes, "links": links, "groups": []},
        f"{root}/paths": {"paths": paths},
        f"{root}/indicators": _indicators(),
        f"{root}/incidents": {"incidents": [head]},
        f"{root}/incidents/run": head
        | {
            "paths": [paths[0]["id"]],
            "timeline": marks,
            "domain": domain,
            "cures": [_cure("reroute", 1, 0.0), _cure("do nothing", 2, 0.25, nothing=True)],
            "conclusions": [],
        },
        f"{root}/forecast": {"forecast": ahead, "why": ""},
        "sources/calm-1": overview | calm | {"levels": [], "fidelity": None},
        "sources/calm-1/map": {"name": "calm", "revision": "1", "nodes": nodes, "links": sound, "groups": []},
        "sources/calm-1/paths": {"paths": [path | {"affected": False, "state": "good"} for path in paths]},
        "sources/calm-1/indicators": _indicators(),
        "sources/calm-1/incidents": {"incidents": []},
        "sources/calm-1/forecast": {"forecast": None, "why": "a run shows one demand"},
    }
    subjects = [f"path {path['id']}" for path in paths] + [
        f"link {one['id']}" for link in links[:40] for one in link["directions"]
    ]
    return documents, {subject: _series(*subject.split(" ", 1), marks) for subject in subjects}


_KPIS = {
    "path": {"loss": "fraction", "srtt_ms": "ms", "retransmission_share": "fraction", "throughput_mbps": "Mbit/s"},
    "link": {"link_utilisation": "fraction", "link_loss": "fraction"},
}


def _indicators() -> Documents:
    return {
        "indicators": [
            {"kpi": kpi, "kind": kind, "unit": unit, "bad": "up", "meaning": kpi}
            for kind, kpis in _KPIS.items()
            for kpi, unit in kpis.items()
        ]
    }


def _series(kind: str, subject: str, marks: list[Documents]) -> Documents:
    times = [float(second) for second in range(0, 300, 5)]
    lines = [
        {
            "kpi": kpi,
            "unit": unit,
            "bad": "up",
            "meaning": kpi,
            "shadow": [0.1 + 0.05 * math.sin(at / 20) if at != 50 else None for at in times],
            "production": {"times_s": [200.0, 300.0], "values": [0.12, 0.12]},
            "baseline": {"mean": 0.1, "deviation": 0.01, "from_s": 20.0, "to_s": 140.0},
        }
        for kpi, unit in _KPIS[kind].items()
    ]
    return {
        "kind": kind,
        "subject": subject,
        "clock": "run",
        "step_s": 5.0,
        "times_s": times,
        "series": lines,
        "marks": marks,
    }
