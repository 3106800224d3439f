"""Fix: propose candidate cures for a fault domain and rehearse each in a shadow of the incident.

In: fault domain, a function that runs a job.  Out: outcomes ranked by how far the service levels recover.
Doing nothing is always a candidate.  Never: an effect on production.
"""
