"""Who may use the desk and the API: people with roles, the keys they come in with, and a record of what they changed.

``users`` are people; ``keys`` are what a browser or program shows (a session, a login link, an API token), kept as
hashes; ``logins`` checks passwords, and slows down who guesses; ``rights`` says what a role may; ``audit`` keeps who
changed what.
"""
