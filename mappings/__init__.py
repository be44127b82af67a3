"""Data only: the starter instance, the examples and the vendors' mapping files, read with importlib.resources."""
