"""What marketing and sales agreed on, as versions: what belongs to one, how two differ, whose keys bring the next.

Pure: the store keeps versions and drafts, ``gateway.committee.governing`` puts both together.
"""
