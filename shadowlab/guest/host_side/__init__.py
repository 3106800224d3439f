"""The guest's process as the host sees it: who it is, what it may do to the host, its start and its end.

In: a kernel, its arguments, a folder.  Out: a process without rights, confined.  Never: anything inside the guest.
"""
