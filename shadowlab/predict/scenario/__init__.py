"""What-if questions as pure edits of a network, its demand and its timeline.

In: scenarios as somebody wrote them (``growth=1.5``), a situation.  Out: the situation as it then is, with every change
in words.  Never: a run, a clock, chance that is not a function of names: a variant differs from its baseline by what
was asked and by nothing else.
"""
