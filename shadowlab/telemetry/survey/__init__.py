"""What a stream of records holds, and what is odd about it, in bounded memory.

In: records, one by one.  Out: figures and counts.  Never: memory that grows with the stream.
"""
