"""Many variants of one question: what each run showed, what they show together, which is worth another run.

In: what single runs measured, as data.  Out: predictions with intervals, rankings, the next runs to make.
Never: a run.
"""
