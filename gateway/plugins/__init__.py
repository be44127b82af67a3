"""What an admin does with plugins: let them in, keep them out, look at them, install and remove them.

``rules`` says which are not to be loaded (``lock`` and ``switched`` are the two files it reads), ``contents`` what is
installed, ``pip`` what would be; ``probe`` loads plugins in a process of its own, ``doctor`` says what is wrong with
one, and ``describing`` tells its settings.
"""
