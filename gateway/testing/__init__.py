"""Contract suites for plugin authors: subclass one in your tests, say how to build your part, and every check runs.

    from gateway.testing import ScorerContract

    class TestMyScorer(ScorerContract):
        def build(self):
            return MyScorer(MODEL)

Needs pytest. What a check promises is its docstring; the gateway relies on each of them.
"""

from gateway.testing.scorer import ScorerContract

__all__ = ["ScorerContract"]
