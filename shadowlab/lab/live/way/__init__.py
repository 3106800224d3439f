"""The way of a flow through a living lab, for ``shadowlab trace``.

In: a lab, two nodes, a flow.  Out: what routing tables and packets say of it.  Never: a change of the lab.
"""
