"""The segment on Linux in its parts, each a class above the one before: what is held, interfaces, routes, queues.

In: names, numbers, impairments.  Out: the kernel's state.  Never: a part used by itself: the whole is
:class:`shadowlab.kernel.linux.LinuxSegment`.
"""
