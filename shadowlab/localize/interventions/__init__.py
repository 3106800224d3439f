"""From findings that flows cannot narrow down to a tree of drains: what to do, and what to do then.

In: a localisation, the observations behind it.  Out: plans.  Never: a step in the network itself.
"""
