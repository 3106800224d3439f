"""Drive: replicated TCP becomes real connections inside the segment.

In: flow specifications.  Out: bytes on the wire, TCP_INFO of every connection.
The sessions are state machines without sockets; one epoll loop moves them all.
"""
