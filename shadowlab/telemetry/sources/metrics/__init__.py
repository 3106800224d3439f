"""Sources that hold metrics rather than sockets: Prometheus, OTLP, the Network Flow Monitor agent.

In: blocks of bytes.  Out: records of pairs of ends and of hosts.
"""
