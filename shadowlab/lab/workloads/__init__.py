"""The traffic a scenario states itself: from its written form to workloads and compute models.

In: the sections ``traffic`` and ``compute`` of a scenario.  Out: values of :mod:`shadowlab.model.traffic`.
"""
