"""One file per format that maps are written in.

In: a :class:`~shadowlab.model.network.Network`.  Out: text, and what the format has no place for.  Never: a file.
"""
