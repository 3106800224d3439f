"""Production TCP becomes records attached to the nodes of the map.

In: what production tools print (``ss -tinOHm``).  Out: records in which unknown stays unknown, and a list of what
could not be attached.  Never: a guess in the place of a missing field.
"""
