"""OAuth: access tokens are fetched ahead of their end, once, and again when HubSpot says that one has ended."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from gateway_hubspot import SettingsSchema
from gateway_hubspot.client import Client
from gateway_hubspot.tokens import Tokens
from marshmallow import ValidationError

from gateway.contracts import Context, Secret
from gateway.errors import AccessRefused, TryLater

OAUTH = {
    "flow": "oauth",
    "client_id": "id",
    "client_secret": Secret("s3cret", "${HS_SECRET}"),
    "refresh_token": Secret("r3fresh", "file:refresh"),
}


def tokens(*answers, now=None):
    asked, left = [], list(answers)

    def fetch(form, priority):
        asked.append(form)
        return left.pop(0)

    clock = now or [0.0]
    return Tokens(OAUTH, fetch, lambda: clock[0]), asked


def answer(number, lives=1800, **more):
    return 200, {"access_token": f"a{number}", "expires_in": lives, **more}


def test_a_token_is_used_until_shortly_before_its_end():
    """Fetched once for half an hour, not once per call."""
    now = [0.0]
    held, asked = tokens(answer(1), answer(2), now=now)
    assert [held.current() for _ in range(3)] == ["a1"] * 3
    now[0] = 1679.0
    assert held.current() == "a1"
    now[0] = 1681.0
    assert held.current() == "a2"
    assert len(asked) == 2
    assert asked[0] == {
        "grant_type": "refresh_token", "client_id": "id", "client_secret": "s3cret", "refresh_token": "r3fresh",
    }  # fmt: skip


def test_another_refresh_token_is_used_from_then_on():
    """Where an account rotates them."""
    held, asked = tokens(answer(1, 0, refresh_token="other"), answer(2))
    held.current()
    held.current()
    assert [form["refresh_token"] for form in asked] == ["r3fresh", "other"]


def test_one_that_ended_early_is_replaced_once():
    """Whoever comes second finds the new one."""
    held, asked = tokens(answer(1), answer(2))
    old = held.current()
    assert held.ended(old)
    assert held.current() == "a2"
    assert held.ended(old)
    assert held.current() == "a2"
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("given", "error"),
    [((400, {}), AccessRefused), ((401, {}), AccessRefused), ((503, {}), TryLater), ((200, {}), TryLater)],
)
def test_what_gives_no_token(given, error):
    """A person must act, or it is tried again; no secret is told, only where they are kept."""
    held, _ = tokens(given)
    with pytest.raises(error) as caught:
        held.current()
    assert "s3cret" not in str(caught.value)
    assert "r3fresh" not in str(caught.value)
    if error is AccessRefused:
        assert "file:refresh or ${HS_SECRET}" in str(caught.value)


@pytest.mark.parametrize("missing", ["client_id", "client_secret", "refresh_token"])
def test_oauth_needs_all_three(missing, monkeypatch):
    """Each is named; a plain token needs none of them."""
    monkeypatch.setenv("HS", "x")
    given = {"flow": "oauth", "client_id": "id", "client_secret": "${HS}", "refresh_token": "${HS}"}
    del given[missing]
    with pytest.raises(ValidationError) as caught:
        SettingsSchema().load(given)
    assert caught.value.messages == {missing: ["flow oauth needs it"]}
    with pytest.raises(ValidationError, match="flow token needs it"):
        SettingsSchema().load({})


@pytest.mark.parametrize("api", ["v3", "2026-09"])
def test_a_client_lives_on_when_its_token_ends(api, tmp_path, monkeypatch):
    """Against the sandbox: a token that all at once is refused costs one call more, and nothing is lost."""
    sandbox = pytest.importorskip("gateway_sandbox", reason="the plugin gateway-sandbox is not installed")
    monkeypatch.setenv("HS_SECRET", "sandbox-client-secret")
    monkeypatch.setenv("HS_REFRESH", "r")
    box = sandbox.HubSpotSandbox(clock=sandbox.Clock(datetime(2026, 11, 21, tzinfo=UTC)))
    with sandbox.serve(box) as server:
        settings = SettingsSchema().load(
            {
                "flow": "oauth",
                "client_id": "id",
                "client_secret": "${HS_SECRET}",
                "refresh_token": "${HS_REFRESH}",
                "base_url": server.url,
                "api": api,
            }
        )
        client = Client(settings, Context(system="h", root=tmp_path, mapping=None, now=lambda: datetime.now(UTC)))
        assert client.account()["portalId"] == box.portal.id
        box.expire_tokens()
        client.page(client.basic.get_page, "contacts", limit=1)
        assert [call.status for call in box.calls] == [200, 200, 401, 200, 200]
        box._client_secret = "another"
        box.expire_tokens()
        with pytest.raises(AccessRefused, match=r"\$\{HS_REFRESH\} or \$\{HS_SECRET\}"):
            client.page(client.basic.get_page, "contacts", limit=1)


def test_while_one_secret_replaces_another_both_are_good():
    """The token in use is used until HubSpot refuses it, then the next one; a third refusal is a person's matter."""
    static = {"flow": "token", "token": Secret("old", "${OLD}"), "next_token": Secret("new", "${NEW}")}
    held = Tokens(static, lambda form, priority: (500, {}))
    assert (held.current(), held.reference) == ("old", "${OLD}")
    assert held.ended("old")
    assert (held.current(), held.reference) == ("new", "${NEW}")
    assert held.ended("old")  # another call of the same moment
    assert not held.ended("new")


def test_an_app_with_two_secrets_gets_its_token_by_either():
    """An app's secret is made anew while the old one still stands in the settings."""
    asked = []

    def fetch(form, priority):
        asked.append(form["client_secret"])
        return answer(1) if form["client_secret"] == "n3xt" else (401, {})

    held = Tokens(OAUTH | {"next_client_secret": Secret("n3xt", "${NEXT}")}, fetch)
    assert held.current() == "a1"
    assert asked == ["s3cret", "n3xt"]


def test_webhooks_are_verified_with_both_secrets_of_an_app(monkeypatch):
    """HubSpot signs with the new one from the moment on in which it is made."""
    for name in ("TOKEN", "OLD", "NEW"):
        monkeypatch.setenv(name, name.lower())
    given = {"token": "${TOKEN}", "client_secret": "${OLD}", "next_client_secret": "${NEW}"}
    loaded = SettingsSchema().load(given)
    assert [secret.reveal() for secret in loaded["verification"].secrets] == ["old", "new"]
