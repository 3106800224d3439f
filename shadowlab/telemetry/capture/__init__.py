"""Packet captures become what the TCP connections in them went through.

In: a pcap or pcapng file of any size, in blocks.  Out: per connection and direction round trips, retransmissions by
kind, disorder, windows and throughput, and a :class:`~shadowlab.model.telemetry.TcpRecord` per end and interval.
Never: more memory than a piece of the file, the connections being tracked and a bounded number of round trips; a loop
over packets in Python.

``packets`` (TCP headers as columns) → ``connections`` (whose is it?) → ``rows`` (a piece in the order of connections)
→ ``handshakes``, ``verdicts``, ``round_trips`` → ``tally`` → ``analysis`` → ``summary`` → ``records``.
"""
