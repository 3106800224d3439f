"""A VXLAN interface as pyroute2 reads it."""

from __future__ import annotations

import pytest
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from shadowlab.wire.if_link import new_vxlan
from shadowlab.wire.netlink import pack_message


@pytest.mark.parametrize(("local", "remote", "six"), [("10.0.0.1", "10.0.0.2", ""), ("fd00::1", "fd00::2", "6")])
def test_a_tunnel_is_what_was_asked_for(local: str, remote: str, six: str) -> None:
    request = new_vxlan("to-host", vni=70_000, local=local, remote=remote, mtu=1500, namespace_fd=7)

    message = ifinfmsg(pack_message(request, 1))
    message.decode()

    info = message.get_attr("IFLA_LINKINFO")
    data = info.get_attr("IFLA_INFO_DATA")
    assert (message.get_attr("IFLA_IFNAME"), message.get_attr("IFLA_MTU")) == ("to-host", 1500)
    assert (info.get_attr("IFLA_INFO_KIND"), data.get_attr("IFLA_VXLAN_ID")) == ("vxlan", 70_000)
    assert (data.get_attr(f"IFLA_VXLAN_LOCAL{six}"), data.get_attr(f"IFLA_VXLAN_GROUP{six}")) == (local, remote)
    assert (data.get_attr("IFLA_VXLAN_PORT"), data.get_attr("IFLA_VXLAN_LEARNING")) == (4789, 0)


def test_addresses_of_two_families_and_numbers_too_large_are_refused() -> None:
    with pytest.raises(ValueError, match="one is IPv4"):
        new_vxlan("x", vni=1, local="10.0.0.1", remote="fd00::1", mtu=1500, namespace_fd=7)
    with pytest.raises(ValueError, match="24 bits"):
        new_vxlan("x", vni=1 << 24, local="10.0.0.1", remote="10.0.0.2", mtu=1500, namespace_fd=7)
