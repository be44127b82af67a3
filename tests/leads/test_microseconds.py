"""Times as the tables have them, and back."""

import random
from datetime import timedelta

from gateway.times import EPOCH, from_micros, to_micros


def test_every_microsecond_is_told_apart():
    """The quick way there goes through seconds in floating point: near its ends and beyond it no time is rounded."""
    rng, edge = random.Random(3), 1 << 52
    near = [base + n for base in (-edge, 0, 1_780_000_000_000_000, edge) for n in range(-300, 300)]
    for micros in (*near, *(rng.randrange(-60_000_000_000_000_000, 250_000_000_000_000_000) for _ in range(2000))):
        assert from_micros(micros) == EPOCH + timedelta(microseconds=micros)
        assert to_micros(from_micros(micros)) == micros
