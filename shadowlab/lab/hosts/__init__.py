"""One large lab over several hosts: cut into parts, each a lab of its own on a host's kernel, joined by VXLAN.

In: a map, a file of hosts, a farm whose workers run on them.  Out: a lab that is brought up, looked at, entered and
taken down as one.  Never: a part left behind by a lab that could not be built whole.
"""
