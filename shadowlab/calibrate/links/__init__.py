"""What the links of a map must be like for TCP to have fared on it as it did.

In: connections with the records of their ends, the ways each may have taken, the map.  Out: values for each direction
of each link, with their intervals and standings, and what contradicts.  Never: a run of anything.
"""
