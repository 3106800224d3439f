"""Labs over hosts, as far as no host is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from shadowlab.cli.commands import shadowlab
from shadowlab.cli.interrupt import Interrupt
from shadowlab.errors import CannotRunError, InputError
from shadowlab.lab.hosts import spread_lab
from shadowlab.lab.hosts.cluster import Cluster, HostGoneError
from shadowlab.lab.hosts.hosts_file import Hosts, read_hosts
from shadowlab.lab.hosts.record import find_record
from shadowlab.topology.formats import load_map

ABILENE = Path(__file__).parents[4] / "topologies" / "abilene.yaml"
GOOD = """
shadowlab: hosts/1
scheduler: tls://boss:8786
tls: ca/me
hosts:
  one: {address: 10.0.0.1}
  two: {address: 10.0.0.2, share: 2}
"""


class Room:
    """In the place of a :class:`Cluster`: hosts that remember what they were asked for."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = Hosts(
            scheduler="tls://boss:1",
            tls=None,
            addresses={host: f"10.0.0.{number}" for number, host in enumerate(hosts, 1)},
            shares=dict.fromkeys(hosts, 1.0),
        )
        self.dead: set[str] = set()
        self.labs: dict[str, set[str]] = {host: set() for host in hosts}
        self.joined: list[dict[str, Any]] = []
        self.refuses = ""

    def there(self) -> dict[str, str]:
        return {host: f"tls://{host}" for host in self.labs if host not in self.dead}

    def ask(self, host: str, what: str, **words: Any) -> Any:
        words.pop("patience_s", None)
        if what == self.refuses:
            raise CannotRunError(f"host {host}: no")
        if what == "build":
            self.labs[host].add(words["name"])
        elif what == "down":
            self.labs[host].discard(words["name"])
            return 1
        elif what == "status":
            return {"state": "up" if words["name"] in self.labs[host] else "gone"}
        elif what == "join":
            self.joined += words["wires"]
        return None

    def ask_all(self, words: dict[str, dict[str, Any]], what: str) -> dict[str, Any]:
        return {host: self.ask(host, what, **some) for host, some in words.items()}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHADOWLAB_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def up(room: Room) -> Any:
    network = load_map(ABILENE)
    cluster = cast(Cluster, room)
    return spread_lab.bring_up(cluster, network, "large", map_path=ABILENE, hosts_path=Path("hosts.yaml"))


def test_every_cut_link_is_joined_from_both_sides_with_one_number() -> None:
    room = Room("one", "two", "three")

    record = up(room)

    assert find_record("large") == record
    for link in record.cut:
        number = [one.id for one in load_map(ABILENE).links].index(link)
        ends = [one for one in room.joined if one["node"] == f"wire-{number}"]
        assert len(ends) == 2
        assert ends[0]["vni"] == ends[1]["vni"]
        assert (ends[0]["local"], ends[0]["remote"]) == (ends[1]["remote"], ends[1]["local"])
    assert len({one["vni"] for one in room.joined}) == len(record.cut)


def test_what_cannot_be_built_whole_is_taken_down() -> None:
    room = Room("one", "two")
    room.refuses = "join"

    with pytest.raises(CannotRunError, match="no"):
        up(room)

    assert room.labs == {"one": set(), "two": set()}
    assert find_record("large") is None


def test_a_host_without_a_worker_is_told_before_anything_is_built() -> None:
    room = Room("one", "two")
    room.dead = {"two"}

    with pytest.raises(HostGoneError, match="no worker of host two"):
        up(room)

    assert room.labs["one"] == set()


def test_what_a_dead_host_carried_is_told_and_built_elsewhere_and_the_rest_stays() -> None:
    room = Room("one", "two", "three")
    before = up(room)
    room.dead = {"two"}
    carried = next(part.nodes for part in before.parts if part.host == "two")

    told = spread_lab.look(cast(Cluster, room), before)
    after, lost = spread_lab.rebuild(cast(Cluster, room), load_map(ABILENE), before)

    assert [part["carries"] for part in told["parts"] if part["state"] == "lost"] == [list(carried)]
    assert [part.nodes for part in lost] == [carried]
    assert set(after.parts) > {part for part in before.parts if part.host != "two"}
    assert set(after.place) == set(before.place)
    assert {after.place[node].host for node in carried} <= {"one", "three"}
    assert spread_lab.look(cast(Cluster, room), after)["state"] == "up"


def test_nothing_is_rebuilt_by_another_map() -> None:
    room = Room("one", "two")
    record = up(room)
    room.dead = {"two"}
    other = load_map(ABILENE.with_name("abilene.yaml"))
    other = other.with_links(*[other.links[0].__class__(**{**vars(other.links[0]), "metric": 77})])

    with pytest.raises(InputError, match="another map"):
        spread_lab.rebuild(cast(Cluster, room), other, record)


def test_a_file_of_hosts_is_read_and_its_faults_are_told_with_their_places(tmp_path: Path) -> None:
    file = tmp_path / "hosts.yaml"
    file.write_text(GOOD)
    found = read_hosts(file)
    assert (found.shares, found.tls) == ({"one": 1.0, "two": 2.0}, tmp_path / "ca" / "me")

    file.write_text(GOOD.replace("10.0.0.2", "rack-2").replace("share: 2", "share: 0"))
    with pytest.raises(InputError) as told:
        read_hosts(file)
    assert len(told.value.faults) == 2
    assert all("hosts.yaml:7" in str(one) for one in told.value.faults)


def test_a_dry_run_shows_who_would_carry_what(tmp_path: Path) -> None:
    (tmp_path / "hosts.yaml").write_text(GOOD)

    words = ["up", str(ABILENE), "--hosts", str(tmp_path / "hosts.yaml"), "--dry-run"]
    done = CliRunner().invoke(shadowlab, words, obj=Interrupt(), catch_exceptions=False)

    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["one", "two", "cut by METIS"]
    assert len(lines[1].split(",")) > len(lines[0].split(","))
