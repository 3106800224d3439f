"""Namespaces, sysctls and links: created, read back, compared, removed, gone."""

from __future__ import annotations

from contract_base import MAC_A, MAC_B, both, make_pair, refused

from shadowlab.kernel.ports import Segment


@both
def a_namespace_is_listed_and_empty(segment: Segment) -> None:
    segment.create_namespace("a")

    assert segment.namespaces() == ("a",)
    assert dict(segment.links("a")) == {}
    assert segment.addresses("a") == ()
    assert segment.routes("a") == ()


@both
def a_second_namespace_of_one_name_is_refused(segment: Segment) -> None:
    segment.create_namespace("a")

    with refused("namespace for a", "EEXIST"):
        segment.create_namespace("a")


@both
def a_missing_namespace_is_named(segment: Segment) -> None:
    for ask in (segment.links, segment.addresses, segment.routes, segment.counters, segment.neighbours):
        with refused("nowhere", "ENOENT"):
            ask("nowhere")


@both
def a_fresh_namespace_is_quiet(segment: Segment) -> None:
    segment.create_namespace("a")

    assert segment.read_sysctl("a", "net/ipv4/ip_forward") == "0"
    assert segment.read_sysctl("a", "net/ipv4/conf/all/rp_filter") == "0"
    assert segment.read_sysctl("a", "net/ipv4/conf/all/send_redirects") == "0"
    assert segment.read_sysctl("a", "net/ipv4/tcp_no_metrics_save") == "1"


@both
def a_sysctl_holds_in_its_own_namespace_only(segment: Segment) -> None:
    segment.create_namespace("a")
    segment.create_namespace("b")

    segment.set_sysctl("a", "net/ipv4/ip_forward", "1")

    assert segment.read_sysctl("a", "net/ipv4/ip_forward") == "1"
    assert segment.read_sysctl("b", "net/ipv4/ip_forward") == "0"


@both
def the_hundredth_namespace_is_as_quiet_as_the_first_and_can_forward_alone(segment: Segment) -> None:
    for number in range(100):
        segment.create_namespace(f"n{number}")

    segment.set_sysctl("n3", "net/ipv4/ip_forward", "1")

    for node, forwards in (("n0", "0"), ("n3", "1"), ("n63", "0"), ("n64", "0"), ("n99", "0")):
        assert segment.read_sysctl(node, "net/ipv4/ip_forward") == forwards, node
        assert segment.read_sysctl(node, "net/ipv4/conf/all/send_redirects") == "0", node


@both
def an_unknown_sysctl_is_refused_by_name(segment: Segment) -> None:
    segment.create_namespace("a")

    with refused("net/ipv4/no_such_key", "ENOENT"):
        segment.set_sysctl("a", "net/ipv4/no_such_key", "1")
    with refused("net/ipv4/no_such_key", "ENOENT"):
        segment.read_sysctl("a", "net/ipv4/no_such_key")


@both
def a_link_is_made_down(segment: Segment) -> None:
    segment.create_namespace("a")
    segment.create_namespace("b")

    segment.create_veth(node_a="a", name_a="x", mac_a=MAC_A, node_b="b", name_b="y", mac_b=MAC_B, mtu=1500, alias="l")

    assert dict(segment.links("a")) == {"x": False}
    assert dict(segment.links("b")) == {"y": False}


@both
def a_link_carries_when_both_ends_are_up(segment: Segment) -> None:
    make_pair(segment)

    assert dict(segment.links("a")) == {"ab": True}

    segment.set_link_up("b", "ba", up=False)

    assert dict(segment.links("a")) == {"ab": False}
    assert dict(segment.links("b")) == {"ba": False}


@both
def deleting_one_end_deletes_both(segment: Segment) -> None:
    make_pair(segment)

    segment.delete_link("a", "ab")

    assert dict(segment.links("a")) == {}
    assert dict(segment.links("b")) == {}
    with refused("a/ab", "ENODEV"):
        segment.set_link_up("a", "ab", up=True)


@both
def a_deleted_link_can_be_made_again(segment: Segment) -> None:
    make_pair(segment)
    segment.delete_link("b", "ba")

    make_pair(segment)

    assert dict(segment.links("a")) == {"ab": True}


@both
def a_link_between_ends_of_one_name_in_two_nodes_is_fine(segment: Segment) -> None:
    segment.create_namespace("a")
    segment.create_namespace("b")

    segment.create_veth(node_a="a", name_a="e", mac_a=MAC_A, node_b="b", name_b="e", mac_b=MAC_B, mtu=1500, alias="l")

    assert set(segment.links("a")) == set(segment.links("b")) == {"e"}


@both
def a_taken_name_is_refused(segment: Segment) -> None:
    make_pair(segment)

    with refused("a/ab", "EEXIST"):
        segment.create_veth(
            node_a="a", name_a="ab", mac_a=MAC_A, node_b="b", name_b="new", mac_b=MAC_B, mtu=1500, alias="l"
        )
    assert dict(segment.links("b")) == {"ba": True}


@both
def a_name_too_long_is_refused(segment: Segment) -> None:
    segment.create_namespace("a")
    segment.create_namespace("b")

    with refused("sixteen-letters-", "EINVAL"):
        segment.create_veth(
            node_a="a", name_a="sixteen-letters-", mac_a=MAC_A, node_b="b", name_b="y", mac_b=MAC_B, mtu=1500, alias="l"
        )
    assert dict(segment.links("a")) == {}


@both
def waiting_for_a_link_that_stays_down_is_refused_by_name(segment: Segment) -> None:
    make_pair(segment)
    segment.set_link_up("a", "ab", up=False)

    with refused("b/ba", "ETIMEDOUT"):
        segment.wait_for_links([("b", "ba")])


@both
def a_namespace_can_be_deleted_once_its_links_are_gone(segment: Segment) -> None:
    make_pair(segment)
    with refused("namespace of a", "EBUSY", "links"):
        segment.delete_namespace("a")

    segment.delete_link("a", "ab")
    segment.delete_namespace("a")

    assert segment.namespaces() == ("b",)
    with refused("no namespace a", "ENOENT"):
        segment.links("a")
    segment.create_namespace("a")
    assert dict(segment.links("a")) == {}
