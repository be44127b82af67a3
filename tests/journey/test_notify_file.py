"""``notify`` of journey.yaml: who hears what, and every way to write it wrong."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest

from gateway.errors import ConfigError
from gateway.journey.check import check
from gateway.journey.journey import compile_journey
from gateway.journey.notify import DRIFT, KINDS, ROLES, check_through
from gateway.settings.files import ConfigFile

STAGES = "stages:\n  - name: target\n  - {name: mql, entry: {score: 50}, steps: [{notify: sales}]}\n"


def problems(notify: str, stages: str = "") -> list[str]:
    return [str(one) for one in check(ConfigFile("journey.yaml", stages + notify))]


def test_a_sound_section_says_who_hears_what() -> None:
    """A role hears what is usual for it, a name of one's own what ``about`` and steps say."""
    text = """
notify:
  rep: {to: owner, through: mail}
  admin: {to: [a@example.com, b@example.com], through: mail, digest: 8:05, about: [drift]}
  sales: {through: chat}
"""
    heard = compile_journey(ConfigFile("journey.yaml", STAGES + text)).notify
    assert (heard["rep"].to, heard["rep"].about, heard["rep"].digest) == (("owner",), ROLES["rep"], None)
    assert (heard["admin"].to, heard["admin"].about) == (("a@example.com", "b@example.com"), (DRIFT,))
    assert heard["admin"].digest == time(8, 5)
    assert (heard["sales"].to, heard["sales"].about, heard["sales"].through) == ((), (), "chat")


def test_every_kind_is_heard_by_a_role() -> None:
    assert {kind for kinds in ROLES.values() for kind in kinds} == set(KINDS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("notify: {rep: {to: owner}}", "journey.yaml:1: notify.rep.through: is missing"),
        ("notify: {rep: {to: Owner, through: m}}", "notify.rep.to: expected owner or an e-mail address"),
        ("notify: {rep: {to: [owner, x], through: m}}", "notify.rep.to[1]: expected owner or an e-mail address"),
        ("notify: {rep: {to: 'a@b.example, c@d.example', through: m}}", "notify.rep.to: expected owner or an"),
        ('notify: {rep: {to: "a@b.example\\nBcc: c@d.example", through: m}}', "notify.rep.to: expected owner or an"),
        ("notify: {rep: {to: [], through: m}}", "notify.rep.to: an empty list tells nobody"),
        ("notify: {admin: {to: owner, through: m}}", "notify.admin.to: paused, failing, dead letters, backlog"),
        ("notify: {rep: {to: owner, through: m, digest: 25:00}}", "notify.rep.digest: expected a time of the day"),
        (
            "notify: {rep: {to: owner, through: m, about: [driftt]}}",
            "about[0]: nothing is called that; did you mean 'drift'?",
        ),
        ("notify: {rep: {to: owner, through: m, about: []}}", "notify.rep.about: an empty list tells nothing"),
        (
            "notify: {manger: {through: m}}",
            "notify.manger: would hear nothing: no step names it and it has no `about`; did",
        ),
        ("notify: {rep: {to: owner, trough: m}}", "notify.rep.trough: unknown key; did you mean 'through'?"),
        ("notify: [rep]", "notify: expected keys with values"),
        ("notify: {rep: m}", "notify.rep: expected keys with values"),
    ],
)
def test_a_mistake_is_told_at_its_line(text: str, told: str) -> None:
    assert any(told in one for one in problems(text)), problems(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "",
            "journey.yaml:3: stages[1].steps[0].notify: nobody is called that under notify; journey.yaml has no `no",
        ),
        ("notify: {rep: {to: owner, through: m}}\n", "nobody is called that under notify; there is rep"),
        (
            "notify: {salles: {to: a@example.com, through: m}}\n",
            "nobody is called that under notify; did you mean 'salles'?",
        ),
    ],
)
def test_a_step_names_somebody(text: str, told: str) -> None:
    assert any(told in one for one in problems(text, STAGES)), problems(text, STAGES)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "notify: {rep: {to: owner, through: mial}}",
            "notify.rep.through: no such system in gateway.yaml; did you mean 'mail'?",
        ),
        (
            "notify: {rep: {to: owner, through: crm}}",
            "notify.rep.through: carries no messages to people; name a system with",
        ),
        (
            "notify: {admin: {through: mail}}",
            "notify.admin: to is missing: through this system messages go to addresses",
        ),
        ("notify: {admin: {through: chat}}", None),
        ("notify: {admin: {to: a@example.com, through: mail}}", None),
        ("notify: [x]", None),
        ("notify: {rep: x}", None),
    ],
)
def test_messages_go_through_a_system_that_carries_them(text: str, told: Any) -> None:
    carriers = {"mail": True, "chat": False, "crm": None}
    found = [str(one) for one in check_through(ConfigFile("journey.yaml", text), carriers)]
    assert (found == []) if told is None else any(told in one for one in found), found


def test_what_is_wrong_is_never_compiled() -> None:
    with pytest.raises(ConfigError, match="through: is missing"):
        compile_journey(ConfigFile("journey.yaml", "notify: {rep: {to: owner}}"))
