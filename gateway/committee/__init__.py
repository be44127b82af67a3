"""What both teams do about the model: hold it until they agreed, propose, try and watch.

``governance`` and ``simulation`` decide and compute; here the store, the files and the accounts are at hand.
"""
