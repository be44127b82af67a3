"""What an admin does with plugins: let them in, keep them out, look at them, install and remove them; and how each of
their calls is watched, so that a bad one stops nobody else.

``rules`` says which are not to be loaded (``lock`` and ``switched`` are the two files it reads), ``contents`` what is
installed, ``pip`` what would be; ``probe`` loads plugins in a process of its own, ``doctor`` says what is wrong with
one, and ``describing`` tells its settings.

At work, ``loading`` makes the host of an instance, ``watch`` stands around each call, ``breakers`` decides who rests
for a while, and ``trace`` shows calls to who asks.
"""
