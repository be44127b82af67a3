# D: please go on with YOUR drafts pages (drafts.py, draft.html): M keeps hands off until you have committed them.
# M will then add a form of the model's numbers to your page of a new draft, and comments (proposing.comment).
