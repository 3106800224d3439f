"""What a scenario's inputs come to once the map is known: ways of what was attached, traffic from a map's demands.

In: a network, connections, demands.  Out: ways, flows.  Never: a file.
"""
