"""Who serves what files name, where distributions have plugins of one name."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.plugins.probe import Seen
from gateway.plugins.uses import served, spared


def mail(number: int, state: str, offers: Any = (), would_offer: Any = ()) -> Seen:
    return Seen("mail", "m", f"made-{number}", "1.0", "", state, "", offers=offers, would_offer=would_offer)


SMTP = ["sink smtp"]
CASES = {  # the one that is asked about, another distribution's, what only the first serves, whether it can be spared
    "it works": (mail(1, "active", SMTP), mail(2, "disabled", (), SMTP), {"sink smtp"}, False),
    "the other one works": (mail(1, "disabled", (), SMTP), mail(2, "active", SMTP), set(), False),
    "neither is loaded": (mail(1, "broken"), mail(2, "broken"), {"source mail", "sink mail"}, True),
    "the other one is off": (mail(1, "broken"), mail(2, "disabled"), {"source mail", "sink mail"}, False),
    "both are off": (mail(1, "disabled", (), SMTP), mail(2, "disabled", (), SMTP), {"sink smtp"}, False),
}


@pytest.mark.parametrize(("one", "other", "offers", "may_go"), CASES.values(), ids=CASES)
def test_a_plugin_answers_for_what_no_other_one_serves(one: Seen, other: Seen, offers: set[str], may_go: bool) -> None:
    """So that the doctor credits the right one, and what is used elsewhere can be uninstalled here."""
    assert served(one, [one, other]) == offers
    assert spared(one, [one, other]) == may_go


def test_another_plugin_may_offer_the_same() -> None:
    """While this one is off."""
    one, post = mail(1, "disabled", (), [*SMTP, "sink fax"]), Seen("post", "p", "made-p", "1.0", "", "active", "")
    assert served(one, [one, post]) == {"sink smtp", "sink fax"}
    post = Seen("post", "p", "made-p", "1.0", "", "active", "", offers=SMTP)
    assert served(one, [one, post]) == {"sink fax"}
