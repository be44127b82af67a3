"""The desk: the pages that marketing and sales open every morning.

``mounting`` puts them into the Flask application; ``page`` is how a page is declared, with the right it asks for;
``door`` lets people in; every other module is one page. Pages load what they show through ``gateway.answers`` and the
store, and decide through ``gateway.people``, as commands do: nothing is decided here.
"""
