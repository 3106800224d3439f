"""Looking ahead: what-if questions, sweeps, headroom and forecasts, as many short runs of the shadow.

In: what somebody asks of a map, a scenario or a run.  Out: answers.  Never: a run kept whole: of each only its figures.
"""
