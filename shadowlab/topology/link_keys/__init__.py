"""What a map says of a link: the keys, and the impairment they amount to.

In: checked sections of a map.  Out: impairments, and what had to be derived.  Never: a place in the file: whoever read
it knows that.
"""
