"""What there is to know of a lab, in one value that becomes text or JSON.

In: a lab.  Out: plain data; of a lab that is not whole, what is wrong with it.  Never: a change.
"""

from __future__ import annotations

import time
from typing import Any

from shadowlab.errors import InputError, ShadowLabError
from shadowlab.kernel.named import name_of
from shadowlab.lab.live.embedded import EmbeddedGround
from shadowlab.lab.live.folder import lab_names
from shadowlab.lab.live.lab import LiveLab
from shadowlab.shadow.ledger import Account


def state_of(lab: LiveLab, known: Account) -> str:
    """One word and, where it is not ``up``, what to do."""
    if known.leaving:
        return "being torn down"
    if known.network is None:
        return "being built"
    if known.open is not None:
        return "half changed"
    return "up" if lab.ground(known).alive(known) else "gone"


def list_labs() -> list[dict[str, Any]]:
    """Every lab, by name."""
    found = []
    for name in lab_names():
        lab = LiveLab(name)
        try:
            found.append(_head(lab, lab.account()))
        except InputError:
            continue  # taken down this moment
        except ShadowLabError as error:
            found.append({"name": name, "state": "damaged", "why": str(error)})
    return found


def _head(lab: LiveLab, known: Account) -> dict[str, Any]:
    return {
        "name": lab.name,
        "lab": known.begun.lab,
        "state": state_of(lab, known),
        "kernel": known.begun.kernel,
        "map": known.begun.map,
        "up_s": round((time.time_ns() - known.begun.at_ns) / 1e9, 1),
        "nodes": len(known.shape.nodes),
        "links": len(known.shape.links),
    }


def status(lab: LiveLab) -> dict[str, Any]:
    """The lab with its nodes and links, as its kernel shows them if it is up."""
    known = lab.account()
    told = _head(lab, known)
    ground = lab.ground(known)
    if isinstance(ground, EmbeddedGround):
        told["confined_by"] = ground.confined_by
    if told["state"] != "up":
        return told | {"why": known.why}
    with lab.in_use() as known:
        view = lab.ground(known).observe(known)
        nodes = {
            node.node: {
                "address": node.address,
                "forwards": node.forwards,
                "namespace": name_of(known.begun.lab, node.node),
                "routes": view[node.node]["routes"],
                "interfaces": view[node.node]["interfaces"],
            }
            for node in known.shape.nodes.values()
            if node.node in view
        }
        assert known.network is not None
        links = {
            link.id: {
                "ends": [link.a, link.b],
                "carries": all(
                    view[interface.node]["interfaces"].get(interface.name, {}).get("carries", False)
                    for interface in known.shape.fabric.interfaces
                    if interface.link == link.id
                ),
                "metric": link.metric,
                "forward": link.forward.describe(),
                "backward": link.backward.describe(),
            }
            for link in known.network.links
        }
    return told | {"nodes": nodes, "links": links}
