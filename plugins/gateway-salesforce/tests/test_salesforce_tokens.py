"""Logging in: two flows, one login for many, the org that was meant, and secrets that stay secret."""

from __future__ import annotations

import threading

import jwt
import pytest
import requests
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from gateway_salesforce.org import NoAnswer, Org
from marshmallow import ValidationError

from gateway.errors import AccessRefused, TryLater

SESSION = (401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])


def test_client_credentials_log_in_once_and_calls_carry_the_token(org, settings, context):
    """The key and the secret go by HTTP Basic; calls go to the instance that the answer named."""
    calls = Org(settings(), context)
    org.holds("Lead", "00Q1", Email="kim@example.org")
    for _ in range(2):
        assert list(calls.query_in("SELECT Id FROM Lead", "Id", ["00Q1"]))
    assert org.logins == 1
    assert org.asked[0].headers["Authorization"] == f"Bearer {org.id}!token1"
    assert org.asked[0].headers["User-Agent"].startswith("lead-gateway/")


def test_the_jwt_names_key_user_audience_and_a_short_life(org, settings, context, tmp_path):
    """What Salesforce checks: issuer, subject, audience, expiry, signed with our key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "sf.pem").write_bytes(pem)
    sent: list[str] = []
    first = org.answer
    org.answer = lambda request: sent.append(request.body) or first(request)
    loaded = settings(flow="jwt", username="gateway@acme.example", private_key=f"file:{tmp_path}/sf.pem")
    with responses.RequestsMock() as mock:
        mock.add_callback("POST", f"{org.host}/services/oauth2/token", callback=org.answer)
        Org(loaded, context).tokens.current()
    assertion = dict(part.split("=", 1) for part in sent[0].split("&"))["assertion"]
    claims = jwt.decode(assertion, key.public_key(), algorithms=["RS256"], audience="https://login.salesforce.com")
    assert (claims["iss"], claims["sub"]) == ("3MVG9", "gateway@acme.example")


@pytest.mark.parametrize(
    ("url", "audience"),
    [
        ("https://acme.my.salesforce.com", "https://login.salesforce.com"),
        ("https://acme--dev.sandbox.my.salesforce.com", "https://test.salesforce.com"),
        ("https://test.salesforce.com", "https://test.salesforce.com"),
    ],
)
def test_sandboxes_have_their_own_audience(url, audience):
    """It is not the host of the token: My Domain hosts take the audience of their kind."""
    from gateway_salesforce.tokens import _audience

    assert _audience(url) == audience


def test_an_ended_session_is_renewed_once_and_the_call_said_again_with_its_headers(org, settings, context):
    """The header that keeps leads with their owners must not be lost on the way."""
    ended = iter([SESSION])
    org.answers = [lambda asked: next(ended, None)]
    org.records["Lead"] = {"00Q1": {"Id": "00Q1"}}
    Org(settings(), context).call(
        "PATCH",
        "composite/sobjects",
        body={"records": [{"attributes": {"type": "Lead"}, "id": "00Q1"}]},
        headers={"Sforce-Auto-Assign": "FALSE"},
    )
    assert org.logins == 2
    assert [one.headers["Sforce-Auto-Assign"] for one in org.asked] == ["FALSE", "FALSE"]
    assert [one.headers["Authorization"][-6:] for one in org.asked] == ["token1", "token2"]


@pytest.mark.parametrize("body", [SESSION[1], {"message": "no"}, [], b"<html>no</html>"])
def test_a_session_that_always_ends_is_refused_after_two_calls(org, settings, context, body):
    """Whatever form the 401 has; simple-salesforce alone would go on until its stack is full."""
    org.answers = [lambda asked: (401, body)]
    with pytest.raises(AccessRefused, match=r"\$\{SF_SECRET\}"):
        Org(settings(), context).call("GET", "limits/")
    assert (len(org.asked), org.logins) == (2, 2)


def test_eight_threads_that_find_the_session_ended_log_in_once(org, settings, context):
    """Each login may end somebody else's session."""
    calls = Org(settings(), context)
    old = calls.tokens.current()
    gate = threading.Barrier(8)
    got = []

    def renew():
        gate.wait()
        got.append(calls.tokens.renew(old))

    threads = [threading.Thread(target=renew) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert org.logins == 2
    assert len({id(token) for token in got}) == 1


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        ((400, {"error": "invalid_grant", "error_description": "user hasn't approved this consumer"}), AccessRefused,
         "Salesforce refused ${SF_SECRET} (invalid_grant)"),
        ((401, {"error": "invalid_client"}), AccessRefused, "Salesforce refused ${SF_SECRET} (invalid_client)"),
        ((400, {"error": "invalid_grant", "error_description": "login rate exceeded"}), TryLater, "too many logins"),
        ((404, b"<html>"), AccessRefused, "login_url: there is no token endpoint there (HTTP 404)"),
        ((503, b"<html>"), TryLater, "gives no token now (HTTP 503)"),
        ((200, {"id": "x"}), TryLater, "holds no token"),
    ],
)  # fmt: skip
def test_a_refused_login_names_the_secret_by_its_reference(org, settings, context, answer, error, says):
    """What a person must put right pauses the system; what passes by itself waits."""
    org.token = answer
    with pytest.raises(error) as raised:
        Org(settings(), context).tokens.current()
    assert says in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_another_org_than_the_pinned_one_is_refused(org, settings, context):
    """A sandbox's credentials in production's place write nothing; 15 and 18 characters are the same id."""
    Org(settings(org_id=org.id[:15]), context).tokens.current()
    with pytest.raises(AccessRefused, match="belongs to another org"):
        Org(settings(org_id="00D000000000001AAA"), context).tokens.current()


def test_an_instance_without_https_gets_no_token(org, settings, context):
    """The token would go over the wire in the clear."""
    org.token = (200, {"access_token": "t", "instance_url": "http://acme.my.salesforce.com", "id": ""})
    with pytest.raises(AccessRefused, match="https"):
        Org(settings(), context).tokens.current()


def test_every_call_waits_for_a_limited_time(org, settings, context, monkeypatch):
    """Neither requests nor simple-salesforce has a timeout of its own."""
    seen = []

    def send(self, request, **kwargs):
        seen.append(kwargs["timeout"])
        raise requests.ReadTimeout("late")

    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", send)
    with pytest.raises(NoAnswer):
        Org(settings(), context).call("GET", "limits/")
    assert seen == [(3.05, 26.0)]


@pytest.mark.parametrize(("exc", "sent"), [(requests.ReadTimeout("x"), True), (requests.ConnectTimeout("x"), False)])
def test_an_answer_that_never_came_may_have_been_carried_out(org, settings, context, exc, sent):
    """Only a connection that was never made certainly did nothing."""
    org.answers = [lambda asked: exc]
    with pytest.raises(NoAnswer) as raised:
        Org(settings(), context).call("GET", "limits/")
    assert raised.value.sent is sent


def test_calls_and_logins_are_spent_and_the_orgs_own_count_is_heard(org, settings, context, budget):
    """Of 1,000 calls the org has 100 left: of our 5,000 there are no more than these."""
    calls = Org(settings(limits={"per_day": 5000, "per_20s": 50}), context)
    org.answers = [lambda asked: (200, {"DailyApiRequests": {}})]
    org._reply = lambda status, body: (
        200,
        {"Sforce-Limit-Info": "api-usage=900/1000; per-app-api-usage=1/2(appName=x)"},
        b'{"a": 1}',
    )
    calls.call("GET", "limits/", priority=1)
    assert budget.spent == [1, 1]
    assert [limit for limit, _ in budget.limits] == [5000, 50]
    assert budget.heard == [4900]


@pytest.mark.parametrize(
    ("given", "key", "says"),
    [
        ({"login_url": "http://acme.my.salesforce.com"}, "login_url", "must be https"),
        ({"login_url": "https://acme.lightning.force.com"}, "login_url", "user interface"),
        ({"login_url": "https://login.salesforce.com"}, "login_url", "My Domain"),
        ({"flow": "jwt"}, "username", "flow jwt needs it"),
        ({"consumer_secret": "literal"}, "consumer_secret", "never the secret itself"),
        ({"api_version": "v67"}, "api_version", "in quotes"),
        ({"org_id": "acme"}, "org_id", "00D"),
        ({"assign": "always"}, "assign", "assignment rule"),
    ],
)
def test_settings_that_cannot_work_are_refused_where_they_stand(settings, given, key, says):
    """Before anything is called."""
    with pytest.raises(ValidationError) as raised:
        settings(**given)
    assert says in str(raised.value.messages[key])


def test_while_one_secret_replaces_another_both_are_good(org, settings, context, monkeypatch):
    """The one that is refused is followed by the next; with neither the refusal names where the first is kept."""
    monkeypatch.setenv("SF_NEXT", "n3xt")
    login, first = (400, {"error": "invalid_client"}), org.answer
    good: list[str] = []

    def answer(request):
        basic = request.headers.get("Authorization", "")
        org.token = None if basic == requests.auth._basic_auth_str("3MVG9", "n3xt") else login
        good.append(basic)
        return first(request)

    with responses.RequestsMock() as mock:
        mock.add_callback("POST", f"{org.host}/services/oauth2/token", callback=answer)
        assert Org(settings(next_consumer_secret="${SF_NEXT}"), context).tokens.current().value
        assert len(good) == 2
        with pytest.raises(AccessRefused, match=r"refused \$\{SF_SECRET\}"):
            Org(settings(), context).tokens.current()
