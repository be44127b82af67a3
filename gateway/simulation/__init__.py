"""What a draft of the model would have done: past behaviour replayed on it beside the live one. Pure.

``replay`` says when one lead would have crossed to sales, ``tally`` adds leads up; ``committee.simulating`` reads them.
"""
