"""Looking at maps: what is noteworthy about one, what differs between two.

In: networks.  Out: values that describe themselves.
"""
