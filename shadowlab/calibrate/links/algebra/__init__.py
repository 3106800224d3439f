"""What linear algebra says of measurements that cross several links each, for few links and for thousands.

In: matrices.  Out: which columns can be told apart, solutions.  Never: what a column stands for.
"""
