"""The same workload for our virtual clock and for ns-3: networks, routes, flows, and how either drives them."""
