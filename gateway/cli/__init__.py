"""The command line. One noun per module; a command parses, asks the rooms and the store, and prints what they said.

``main`` is the group and the one place where errors become messages; ``output`` the one place that prints data.
"""
