"""What a sink says of its pages is looked at before anything links there."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.checked import refuse_unsound
from gateway.contracts import Call, Sink
from gateway.errors import Refused


class Links(Sink):
    def __init__(self, links: Any) -> None:
        self.links = links

    def calls(self, writes: Any) -> list[Call]:
        return []

    def deliver(self, call: Any) -> list[Any]:
        return []


@pytest.mark.parametrize("links", [{}, {"contact": "https://crm.example/{record}", "*": "http://127.0.0.1/{object}"}])
def test_addresses_are_taken(links: Any) -> None:
    refuse_unsound(Links(links), Sink)


@pytest.mark.parametrize("links", [None, ["https://crm.example"], {"contact": 1}, {"contact": "javascript:alert(1)"}])
def test_what_is_no_address_is_refused(links: Any) -> None:
    """It would stand in tasks and messages."""
    with pytest.raises(Refused, match="links are not addresses"):
        refuse_unsound(Links(links), Sink)
