"""Capture files become TCP segments.

In: a pcap or pcapng file in blocks of octets.  Out: :class:`~.segments.Segments`, columns of TCP headers.  Never: a
loop over packets in Python, except the walk from one record's length to the next.

``pcap``, ``pcapng`` (frames) → ``layers``, ``network_layer`` (where is the TCP header?) → ``segments``.
"""
