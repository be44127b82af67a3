"""Around the host: who is let in, who is stopped, and what an admin and an author do with plugins.

``rules`` says which are not to be loaded (``lock`` and ``switched`` are the two files it reads, ``contents`` what is on
disk), ``loading`` makes a host by them; ``watch``, ``breakers`` and ``trace`` stand around every call. ``probe`` loads
plugins in a process of its own, ``doctor`` says what is wrong with one, ``describing`` tells its settings, ``uses`` who
needs it. ``pip`` installs, ``approving`` makes the next lock, ``scaffold`` writes a new plugin.
"""
