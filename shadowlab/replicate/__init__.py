"""The agent on an instance and the receiver on the shadow host (concept A2, A3).

In: the socket state of an instance.  Out: the same, on the shadow host: nothing lost that was acknowledged, nothing
counted twice.  Never: anything received that would be executed; a batch stored half.

``batch`` is what crosses the wire; ``sending`` is the agent, ``receiving`` the receiver, ``authority`` makes a lab's
certificates.  Files whose first lines say *pure* decide and touch nothing; the rest acts.
"""
