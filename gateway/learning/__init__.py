"""Learning from won and lost leads: what past cases say about points, thresholds and what may be trusted.

The way: ``case`` (what was known when a lead was judged) → ``leaks`` (what must not be learned from) → ``traits``
(what may earn points) → ``fitting`` (estimates) → ``points`` (a scoring.yaml's content) → ``draft`` (its text, with a
reason for each value); ``judging`` measures any model on cases it has not seen, ``lesson`` does it all in order.
``thresholds`` is the optimiser. Pure: cases come from ``store.learning``, drafts are written by ``cli.learning``.
"""
