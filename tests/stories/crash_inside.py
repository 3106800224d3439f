"""The crash matrix: runs as root where it can break nothing, in a guest or in a private segment of the host's kernel.

Every operation of a build, a change and a tear-down is the last one a process carries out: it is killed there.  Then
``gc`` (or the next change) has to cope.  Names that merely look like a lab's stand by all the time.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from shadowlab.errors import ShadowLabError
from shadowlab.kernel import named
from shadowlab.kernel.linux import LinuxSegment
from shadowlab.lab.live.lab import LiveLab, collect_garbage, wanted_shape
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node, SourceRoute, StaticRoute
from shadowlab.shadow.ops import BRIDGE
from shadowlab.shadow.recover import standing_nodes
from shadowlab.shadow.shape import EMPTY

RESULT_FILE = "crash.json"
MAP = Path("/map.yaml")
FOREIGN = "sl-0badcafe-web"
Hook = Callable[[object], None]


def networks(impaired: bool) -> tuple[Network, Network]:
    """One, and another with a node and link less, a node and link more, and a link changed."""
    slow = Impairment(delay_ns=2_000_000, rate_bps=10_000_000) if impaired else Impairment()
    nodes = [Node(id="web", kind="host"), Node(id="db", kind="host")]
    nodes += [Node(id=name, kind="router") for name in ("r1", "r2", "r3")]
    links = [
        Link(id="web-r1", a="web", b="r1", forward=slow),
        Link(id="db-r2", a="db", b="r2"),
        Link(id="r1-r2", a="r1", b="r2", forward=slow, backward=slow),
        Link(id="r1-r3", a="r1", b="r3"),
        Link(id="r3-r2", a="r3", b="r2"),
    ]
    one = Network(name="one", nodes=tuple(nodes), links=tuple(links))
    more = Node(id="mail", kind="host")
    faster = replace(links[2], metric=9, forward=replace(slow, delay_ns=slow.delay_ns // 2))
    other = Network(
        name="one",
        nodes=(nodes[0], *nodes[2:], more),
        links=(links[0], faster, *links[3:], Link(id="mail-r3", a="mail", b="r3", backward=slow)),
    )
    return one, other


def with_lan(network: Network, *members: str, **exceptions: Any) -> Network:
    """The same with a LAN for the members instead of the links of r3, with routes of several hops and exceptions."""
    kept = tuple(link for link in network.links if not {link.a, link.b} <= {"r1", "r2", "r3"} or link.id == "r1-r2")
    return replace(
        network,
        nodes=(*network.nodes, Node(id="lan", kind="segment")),
        links=(*kept, *(Link(id=f"{member}-lan", a=member, b="lan") for member in members)),
        ecmp=True,
        **exceptions,
    )


def snapshot() -> dict[str, object]:
    """Whatever a lab could leave: names, mounts, interfaces, files, processes in foreign namespaces."""
    state = Path(os.environ["SHADOWLAB_STATE"])
    own = os.stat("/proc/self/ns/net").st_ino
    strays = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{pid}/ns/net").st_ino != own and Path(f"/proc/{pid}/environ").read_bytes().count(
                b"SHADOWLAB_STATE=" + str(state).encode()
            ):
                strays.append(pid)
        except OSError:
            continue
    with open("/proc/self/mountinfo") as mounts:
        mounted = sorted(line.split(" ", 1)[1].split(" ", 1)[1] for line in mounts)
    return {
        "names": sorted(os.listdir(named.NAMES_FOLDER)),
        "mounts": mounted,
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "files": sorted(str(file) for file in state.rglob("*") if file.name != ".lock"),
        "strays": strays,
    }


def killed_at(step: int, work: Callable[[Hook], object]) -> bool:
    """Do ``work`` in a child that is killed after so many operations; False if it came to its end."""
    child = os.fork()
    if child == 0:
        counter = count()

        def hook(_op: object) -> None:
            if next(counter) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            work(hook)
        except BaseException:  # noqa: BLE001 - the parent sees the exit code
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert not (os.WIFEXITED(status) and os.WEXITSTATUS(status)), f"step {step}: the child failed by itself"
    return os.WIFSIGNALED(status)


def assert_same(before: dict[str, object], what: str) -> None:
    after = snapshot()
    for key, value in before.items():
        assert after[key] == value, f"{what}: {key} were {value}, are {after[key]}"


def assert_whole(lab: LiveLab, network: Network) -> None:
    """The kernel holds what the ledger says, and that is what was wanted."""
    known = lab.whole()
    assert {node.id for node in network.nodes} == set(known.shape.nodes)
    assert not wanted_shape(network, known.shape).routes.items() ^ known.shape.routes.items()
    with named.NamedSegment(known.begun.lab, next_ifindex=known.next_ifindex) as segment:
        for node, standing in standing_nodes(known.shape).items():
            assert segment.adopt(node, standing), node
        for node in known.shape.nodes:
            names = {one.name for one in known.shape.fabric.interfaces if one.node == node}
            held = {
                name: up for name, up in segment.links(node).items() if not name.startswith("i.") and name != BRIDGE
            }
            assert held == dict.fromkeys(names, True), f"{node}: {held}"
            wanted = {key[1:3] for key in known.shape.routes if key[0] == node}
            assert {(one.destination, one.prefix) for one in segment.routes(node)} == wanted, node
        for (node, device), op in known.shape.impairments.items():
            held_now = segment.read_netem(node, device)
            assert held_now is not None
            assert replace(held_now, seed=None) == op.impairment, "the seed is the kernel's own"


def builds(one: Network, _other: Network, before: dict[str, object]) -> int:
    lab = LiveLab("crash")
    for step in count():
        if not killed_at(step, lambda hook: LiveLab("crash").up(one, kernel="host", map_path=MAP, on_op=hook)):
            lab.down()
            assert_same(before, "after a build and a tear-down")
            return step
        collect_garbage()
        assert_same(before, f"a build killed at operation {step}")
    return 0


def changes(one: Network, other: Network, before: dict[str, object]) -> int:
    for step in count():
        lab = LiveLab("crash")
        lab.up(one, kernel="host", map_path=MAP)
        killed = killed_at(step, lambda hook: LiveLab("crash").change(lambda _: other, reason="test", on_op=hook))
        if not killed:
            assert_whole(lab, other)
            lab.down()
            return step
        collect_garbage()
        assert_same(before, f"a change killed at operation {step}")
    return 0


def finished_changes(one: Network, other: Network, before: dict[str, object]) -> int:
    for step in count():
        lab = LiveLab("crash")
        lab.up(one, kernel="host", map_path=MAP)
        killed = killed_at(step, lambda hook: LiveLab("crash").change(lambda _: other, reason="test", on_op=hook))
        lab.change(lambda _: other, reason="again")
        assert_whole(lab, other)
        lab.change(lambda _: one, reason="back")
        assert_whole(lab, one)
        lab.down()
        assert_same(before, f"a change killed at operation {step}, finished, taken back, taken down")
        if not killed:
            return step
    return 0


def tear_downs(one: Network, _other: Network, before: dict[str, object]) -> int:
    for step in count():
        lab = LiveLab("crash")
        lab.up(one, kernel="host", map_path=MAP)
        known = lab.whole()
        fd = named.open_name(known.begun.lab, "web")
        assert fd is not None
        with LinuxSegment(), subprocess.Popen(["nsenter", f"--net=/run/netns/sl-{known.begun.lab}-web", "sleep", "99"]):
            while not named.programs_in([fd]):
                pass
            os.close(fd)
            killed = killed_at(step, lambda hook: LiveLab("crash").down(on_step=hook))
            collect_garbage()
        assert_same(before, f"a tear-down killed at step {step}")
        if not killed:
            return step
    return 0


def a_foreign_namespace_in_a_nodes_place(one: Network, _other: Network, before: dict[str, object]) -> int:
    """Somebody took a node's name away and gave it to a namespace of his own."""
    assert killed_at(12, lambda hook: LiveLab("crash").up(one, kernel="host", map_path=MAP, on_op=hook))
    name = f"sl-{LiveLab('crash').account().begun.lab}-web"
    subprocess.run(["ip", "netns", "del", name], check=True)
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "alias", "shadowlab/else/web"], check=True)

    [(_, removed)] = collect_garbage()

    assert not isinstance(removed, str)
    assert removed.foreign == (name,)
    subprocess.run(["ip", "-n", name, "link", "show", "lo"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ip", "netns", "del", name], check=True)
    assert_same(before, "after the foreign namespace was removed by its owner")
    return 1


def a_refused_build_leaves_nothing(one: Network, _other: Network, before: dict[str, object]) -> int:
    """The kernel refuses an operation on the way: the build takes back what it made, and says which."""
    many = tuple(replace(one.links[2], id=f"l{number}") for number in range(3))
    broken = replace(one, links=(*one.links, *many))
    LiveLab("first").up(one, kernel="host", map_path=MAP)
    try:
        LiveLab("first").up(broken, kernel="host", map_path=MAP)
    except ShadowLabError as error:
        assert "there is a lab first already" in str(error), error
    else:
        raise AssertionError("a lab was built over another")
    LiveLab("second").up(broken, kernel="host", map_path=MAP)
    LiveLab("first").down()
    assert_whole(LiveLab("second"), broken)
    LiveLab("second").down()
    assert_same(before, "two labs side by side")
    return 1


STORIES = (
    builds,
    changes,
    finished_changes,
    tear_downs,
    a_foreign_namespace_in_a_nodes_place,
    a_refused_build_leaves_nothing,
)


def run(job_path: str, folder: str) -> int:
    """Each story to a traceback (empty: it held) and the number of operations at which somebody was killed."""
    import traceback

    with open(job_path, "rb") as file:
        told = json.load(file)
    impaired, fabric = bool(told["impaired"]), bool(told.get("fabric"))
    os.environ["SHADOWLAB_STATE"] = "/run/lab-state"
    subprocess.run(["ip", "netns", "add", FOREIGN], check=True)
    for words in (
        "link add to-r1 type veth peer name to-web",
        "link set to-r1 alias shadowlab/0badcafe/web-r1",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    results: dict[str, object] = {}
    try:
        one, other = networks(impaired)
        if fabric:
            hole, pair = StaticRoute(at="r3", to="db"), SourceRoute(source="web", target="db", path=("r1", "r2"))
            one = with_lan(one, "r1", "r2", "r3", static_routes=(hole,), source_routes=(pair,))
            other = with_lan(other, "r1", "r3")
        LiveLab("warm").up(one, kernel="host", map_path=MAP)
        LiveLab("warm").down()
        before = snapshot()
        assert EMPTY.nodes == {}
        for story in STORIES:
            try:
                results[story.__name__] = ["", story(one, other, before)]
            except Exception:  # noqa: BLE001 - the test of that name reports it
                results[story.__name__] = [traceback.format_exc(), 0]
                collect_garbage()
                for name in ("crash", "first", "second"):
                    if LiveLab(name).folder.exists:
                        LiveLab(name).down()
    finally:
        subprocess.run(["ip", "netns", "del", FOREIGN], check=False)
        subprocess.run(["ip", "link", "del", "to-r1"], check=False)
    with open(f"{folder}/{RESULT_FILE}", "w", encoding="utf-8") as file:
        json.dump(results, file)
    return 0


def run_on_host(job_path: str, folder: str) -> int:
    """The same in a private segment of the host's kernel: with a /run of its own."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    return run(job_path, folder)
