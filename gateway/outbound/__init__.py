"""The way out to other systems: plan, look again, call within the limits, book what was answered; undo.

What is to be written is decided in ``gateway.sync``, which computes only; this room talks and stores.
"""
