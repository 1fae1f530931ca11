"""Open311 GeoReport v2: citizens' front ends file service requests and follow them, in the words of that standard.

Nothing here decides or keeps anything: a service request is a report of a citizen, filed by the desk that files every
report, and its status is that of the incident and the case that came of it.
"""
