"""One file per map format of other tools.

In: text, or a folder of texts.  Out: a :class:`~shadowlab.topology.foreign.drawing.ForeignMap`, or an InputError with
every fault and its place.  Never: a value made up: what a format leaves open stays None, and ``foreign`` fills it in.
"""
