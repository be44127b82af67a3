"""Numbers as pictures: a page of its own, with everything in it. In: what a command tells people, and figures."""
