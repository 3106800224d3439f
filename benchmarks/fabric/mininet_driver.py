"""Mininet's part, run by the interpreter that Debian's package installs it for; nothing of ours is imported.

In: lines "node node address address", the last of them to be added live; which discipline, which link to change, to
how many Mbit/s.  Out: "step seconds".  Never: ``mn -c``, which ends other people's programs by name.
"""

import sys
import time

from mininet.link import TCIntf, TCLink
from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.node import Node


class Router(Node):
    """A namespace that forwards."""

    def config(self, **params):
        super().config(**params)
        self.cmd("sysctl -w net.ipv4.ip_forward=1")


def main(discipline, changed, slower):
    """Build, change, add, stop."""
    setLogLevel("error")
    Mininet.inited = True  # else it would raise limits of the whole machine
    shape = {"bw": 100, "use_tbf": True} if discipline == "tbf" else {"bw": 100, "delay": "1ms"}
    links = [line.split() for line in sys.stdin]
    begin = time.monotonic()
    net = Mininet(topo=None, build=False, waitConnected=False)
    nodes = {}

    def add(a, b, address_a, address_b):
        for name in (a, b):
            if name not in nodes:
                nodes[name] = net.addHost(name, cls=Router, ip=None)
        return net.addLink(
            nodes[a], nodes[b], cls=TCLink, params1={"ip": address_a}, params2={"ip": address_b}, **shape
        )

    made = [add(*link) for link in links[:-1]]
    net.start()
    begin = step("build", begin)
    TCIntf.config(made[changed].intf1, **(shape | {"bw": slower}))
    begin = step("change", begin)
    add(*links[-1])
    begin = step("more", begin)
    net.stop()
    print("down", begin)


def step(name, begin):
    now = time.monotonic()
    print(name, now - begin)
    return now


main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
