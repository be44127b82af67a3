"""Any sender's webhooks: settings into a verification, bodies into items."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gateway_webhook import SettingsSchema, WebhookSource
from gateway_webhook.presets import PRESETS

from gateway.contracts import Answer, Context, Document, RecordChanged, Secret, Timestamp, Verification
from gateway.errors import QuarantineDocument
from gateway.host import Host
from gateway.mapping import compile_mapping
from gateway.settings.files import ConfigFile
from gateway.web.signatures import verify

NOW = datetime(2026, 11, 21, 20, 10, 11, tzinfo=UTC)
SECONDS = "1795291811"
KEY = "correct horse battery"
SHARED = "whsec_" + base64.b64encode(KEY.encode() + b" staple").decode()
PRIVATE = ec.derive_private_key(20261121, ec.SECP256R1())
PUBLIC = base64.b64encode(
    PRIVATE.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
).decode()
URL = "https://leads.example.com/hooks/crm"
BODY = b'[{"email":"kim@example.org"}]'


class Echo:
    """A mapping that gives back the payload it is shown."""

    def read(self, payload: Any, document: Document) -> Any:
        yield payload


@pytest.fixture
def load(monkeypatch):
    monkeypatch.setenv("KEY", KEY)
    monkeypatch.setenv("SHARED", SHARED)
    monkeypatch.setenv("PUBLIC", PUBLIC)
    return SettingsSchema().load


def source(settings: Any, mapping: Any = None) -> WebhookSource:
    return WebhookSource(settings, Context(system="crm", root=Path(), mapping=mapping or Echo(), now=lambda: NOW))


def document(body: bytes | str, content_type: str = "application/json", **headers: str) -> Document:
    return Document(
        id="1",
        system="crm",
        received_at=NOW,
        body=body.encode() if isinstance(body, str) else body,
        content_type=content_type,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def payload(settings: Any, body: bytes | str, content_type: str = "application/json", **headers: str) -> Any:
    return next(iter(source(settings).read(document(body, content_type, **headers))))


# -- presets -----------------------------------------------------------------------------------------------------------


def mac(message: bytes, algorithm: str = "sha256", key: str = KEY) -> bytes:
    return hmac.new(key.encode(), message, getattr(hashlib, algorithm)).digest()


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def standard(prefix: str) -> dict[str, str]:
    text = b64(mac(b"msg_1." + SECONDS.encode() + b"." + BODY, key=KEY + " staple"))
    return {f"{prefix}-id": "msg_1", f"{prefix}-timestamp": SECONDS, f"{prefix}-signature": f"v1,{text}"}


HUBSPOT_TIME = SECONDS + "000"
KLAVIYO_TIME = "Sat, 21 Nov 2026 20:10:11 GMT"
# What each sender puts into a call, written down from its documentation.
CALLS: dict[str, Callable[[], dict[str, str]]] = {
    "standard-webhooks": lambda: standard("webhook"),
    "svix": lambda: standard("svix"),
    "github": lambda: {"x-hub-signature-256": "sha256=" + mac(BODY).hex(), "x-github-delivery": "d-1"},
    "stripe": lambda: {"stripe-signature": f"t={SECONDS},v1={mac(SECONDS.encode() + b'.' + BODY).hex()}"},
    "shopify": lambda: {"x-shopify-hmac-sha256": b64(mac(BODY)), "x-shopify-webhook-id": "w-1"},
    "mautic": lambda: {"webhook-signature": b64(mac(BODY))},
    "espocrm": lambda: {"x-signature": b64(b"65f0:" + mac(BODY))},
    "espocrm-9": lambda: {"signature": b64(b"65f0:" + mac(BODY).hex().encode())},
    "segment": lambda: {"x-signature": mac(BODY, "sha1").hex()},
    "customer-io": lambda: {
        "x-cio-timestamp": SECONDS,
        "x-cio-signature": mac(b"v0:" + SECONDS.encode() + b":" + BODY).hex(),
    },
    "klaviyo": lambda: {
        "klaviyo-timestamp": KLAVIYO_TIME,
        "klaviyo-signature": mac(BODY + KLAVIYO_TIME.encode()).hex(),
    },
    "hubspot-v3": lambda: {
        "x-hubspot-request-timestamp": HUBSPOT_TIME,
        "x-hubspot-signature-v3": b64(mac(b"POST" + URL.encode() + BODY + HUBSPOT_TIME.encode())),
    },
    "sendgrid": lambda: {
        "x-twilio-email-event-webhook-timestamp": SECONDS,
        "x-twilio-email-event-webhook-signature": b64(PRIVATE.sign(SECONDS.encode() + BODY, ec.ECDSA(hashes.SHA256()))),
    },
    "cloudevents": lambda: {"authorization": f"Bearer {KEY}"},
    "braze": lambda: {"authorization": f"Bearer {KEY}"},
    "iterable": lambda: {"authorization": KEY},
    "marketo": lambda: {"x-gateway-token": KEY},
    "klaviyo-flow": lambda: {"x-gateway-token": KEY},
    "activecampaign": lambda: {"?token": KEY},
    "mailchimp": lambda: {"?token": KEY},
}
REFERENCES = {"standard-webhooks": "${SHARED}", "svix": "${SHARED}", "sendgrid": "${PUBLIC}"}


def called(rule: Verification, sent: dict[str, str], body: bytes = BODY, now: datetime = NOW) -> Any:
    query = {name[1:]: value for name, value in sent.items() if name.startswith("?")}
    return verify(rule, method="POST", url=URL, query=query, headers=sent, body=body, now=now)


@pytest.mark.parametrize("name", CALLS)
def test_a_preset_and_a_secret_are_all_a_known_sender_needs(load, name):
    """The call as documented is verified; without its proof, or with another body, it is not."""
    rule = load({"preset": name, "secrets": [REFERENCES.get(name, "${KEY}")]})["verification"]
    assert called(rule, CALLS[name]()).ok
    assert not called(rule, {}).ok
    if rule.scheme != "token":
        assert not called(rule, CALLS[name](), BODY + b" ").ok
    if rule.timestamp:
        assert not called(rule, CALLS[name](), now=NOW + timedelta(minutes=6)).ok


def test_mailgun_signs_inside_the_body(load):
    """The one preset whose proof is no header."""
    rule = load({"preset": "mailgun", "secrets": ["${KEY}"]})["verification"]
    proof = {"timestamp": SECONDS, "token": "tok", "signature": mac(SECONDS.encode() + b"tok").hex()}
    assert called(rule, {}, json.dumps({"signature": proof, "event-data": {}}).encode()).delivery_id == "tok"
    assert not called(rule, {}, json.dumps({"signature": proof | {"token": "t"}, "event-data": {}}).encode()).ok


def test_every_preset_is_called_here():
    """A preset without a call that proves it is a guess."""
    assert {*CALLS, "mailgun"} == set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_in_the_readme(name):
    """Users find the names there."""
    assert f"`{name}`" in (Path(__file__).parents[1] / "README.md").read_text()


def test_what_the_admin_writes_goes_over_the_preset(load):
    """One axis at a time; the rest stays the preset's."""
    given = {
        "preset": "stripe",
        "secrets": ["${KEY}"],
        "verify": {"timestamp": {"tolerance": "10m"}, "id_header": "X-Id"},
        "answer": {"status": 202, "body": "ok", "content_type": "text/plain", "busy": 429},
    }
    loaded = load(given)
    rule = loaded["verification"]
    assert rule.timestamp == Timestamp(header="t", tolerance=timedelta(minutes=10))
    assert (rule.format, rule.id_header) == ("kv", "X-Id")
    assert loaded["answer"] == Answer(status=202, body=b"ok", content_type="text/plain", busy=429)


def test_a_sender_that_is_not_known_is_described(load):
    """Every axis of the verifier can be written down."""
    loaded = load(
        {
            "verify": {
                "scheme": "hmac",
                "header": "X-Sign",
                "prefix": "v=",
                "algorithm": "sha512",
                "encoding": "base64",
                "signed": "{id}:{timestamp}:{body}",
                "timestamp": {"header": "X-Time", "unit": "iso8601", "tolerance": 90},
                "id_header": "X-Id",
                "secret_encoding": "base64",
            },
            "secrets": ["${PUBLIC}", "${PUBLIC}"],
        }
    )
    secret = Secret(PUBLIC, "${PUBLIC}")
    assert loaded["verification"] == Verification(
        scheme="hmac",
        header="X-Sign",
        prefix="v=",
        algorithm="sha512",
        encoding="base64",
        signed=("{id}:{timestamp}:{body}",),
        timestamp=Timestamp(header="X-Time", unit="iso8601", tolerance=timedelta(seconds=90)),
        id_header="X-Id",
        secret_encoding="base64",
        secrets=(secret, secret),
    )


def test_one_secret_per_webhook_id(load):
    """EspoCRM gives each of its webhooks a secret of its own."""
    rule = load({"preset": "espocrm", "secret_by_id": {"65f0": "${KEY}"}})["verification"]
    assert called(rule, CALLS["espocrm"]()).ok
    assert not called(replace(rule, secret_by_id={"65f1": rule.secret_by_id["65f0"]}), CALLS["espocrm"]()).ok


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("answer: {get: 200}", "1: preset: name a known sender here, or say under verify how the sender signs"),
        ("preset: githb", "1: preset: no preset of this name; did you mean 'github'"),
        ("preset: zzz", "1: preset: no preset of this name; known are standard-webhooks, svix"),
        ("preset: github", "1: secrets: at least one secret is needed"),
        ("preset: github\nsecrets: [hunter2]", r"2: secrets\[0\]: write \$\{NAME\} or file:PATH"),
        ("preset: github\nsecrets: ['${NOPE}']", r"2: secrets\[0\]: the environment variable NOPE is not set"),
        ("preset: svix\nsecrets:\n- '${SHARED}'\n- '${KEY}'", r"4: secrets\[1\]: \$\{KEY\} is not base64"),
        ("preset: github\nsecret_by_id: {a: '${KEY}'}", "2: secret_by_id: only the formats"),
        ("verify: {scheme: none}", "allow_insecure: without verification anybody can send leads"),
        ("verify: {scheme: hmc}", r"1: verify\.scheme: must be one of hmac, token"),
        ("verify:\n  scheme: hmac\n  heder: X", r"3: verify\.heder: unknown key; did you mean 'header'"),
        ("verify:\n  scheme: hmac\nsecrets: ['${KEY}']", r"1: verify\.header: name the header"),
        ("preset: stripe\nsecrets: ['${KEY}']\nverify: {timestamp: {tolerance: soon}}", "not a duration"),
        ("preset: stripe\nsecrets: ['${KEY}']\nverify: {timestamp: {tolerance: 30d}}", "at most a day"),
        ("preset: stripe\nsecrets: ['${KEY}']\nverify: {signed: [{timestamp: null}]}", "a list of texts"),
        ("preset: github\nsecrets: ['${KEY}']\nanswer: {busy: 410}", r"3: answer\.busy: 410 makes senders delete"),
        ("preset: github\nsecrets: ['${KEY}']\nanswer: {status: 302}", r"3: answer\.status"),
        ("preset: github\nsecrets: ['${KEY}']\nbody: yml", "3: body: must be one of auto, json"),
    ],
)
def test_what_is_wrong_with_settings_is_said_where_it_stands(load, lines, says):
    """With its line and key, and never with the secret."""
    file = ConfigFile("gateway.yaml", lines)
    problems = "\n".join(str(problem) for problem in file.check(SettingsSchema()))
    assert pytest.RaisesExc(AssertionError, match=says).matches(AssertionError(problems)), problems
    assert KEY not in problems
    assert "hunter2" not in problems


def test_no_verification_at_all_must_be_said_out_loud(load):
    """``allow_insecure: true`` alone is enough to say it."""
    assert load({"allow_insecure": True})["verification"] == Verification(scheme="none")


# -- bodies ------------------------------------------------------------------------------------------------------------

OPEN = SettingsSchema().load({"allow_insecure": True})


@pytest.mark.parametrize(
    ("body", "content_type", "data"),
    [
        ('{"a": 1}', "application/json; charset=utf-8", {"a": 1}),
        ('{"a": 1}', "application/vnd.example+json", {"a": 1}),
        ('[{"a": 1}]', "", [{"a": 1}]),
        (' {"a": 1}', "text/plain", {"a": 1}),  # senders that don't say what they send
        ("a[b]=1&a[c]=2", "application/x-www-form-urlencoded", {"a": {"b": "1", "c": "2"}}),
        (' {"a": 1}', "application/x-www-form-urlencoded", {"a": 1}),  # as `curl -d` calls it
        ("<a><b>1</b></a>", "application/soap+xml; charset=utf-8", {"a": {"b": "1"}}),
        ("a%5B%5D=%C3%A9", "application/X-WWW-Form-Urlencoded;charset=UTF-8", {"a": ["é"]}),
    ],
)
def test_the_content_type_says_how_a_body_is_read(body, content_type, data):
    """And where it does not, the first character."""
    assert payload(OPEN, body, content_type) == data


@pytest.mark.parametrize(
    ("body", "content_type", "says"),
    [
        ("<xml>", "application/xml", "not readable as XML"),
        ("x", "text/plain", "'text/plain' are not understood"),
        ("x", "x@y.example", "not readable as JSON"),  # no type at all, and maybe somebody's address
        ("a=1", "multipart/form-data; boundary=x", "'multipart/form-data' are not understood"),
        ('{"a": 1, "a": 2}', "application/json", r"\$\.a: the same key twice"),
        ("a=1&a[b]=2", "application/x-www-form-urlencoded", "sent both as a value"),
        ("", "application/json", "not readable as JSON"),
    ],
)
def test_what_cannot_be_read_is_quarantined_with_its_reason(body, content_type, says):
    """Authenticated, stored, and not lost: the admin sees why it went no further."""
    with pytest.raises(QuarantineDocument, match=says):
        payload(OPEN, body, content_type)


def test_the_kind_of_body_can_be_set(load):
    """For senders that call their forms JSON, or the other way round."""
    form = load({"preset": "mailchimp", "secrets": ["${KEY}"]})
    assert payload(form, "data[merges][FNAME]=Kim", "application/json") == {"data": {"merges": {"FNAME": "Kim"}}}
    as_json = load({"allow_insecure": True, "body": "json"})
    assert payload(as_json, '{"a": 1}', "application/x-www-form-urlencoded") == {"a": 1}


def test_limits_are_settings(load):
    """A sender with large bodies gets more room; by default ten thousand keys and 32 levels."""
    many = json.dumps([{"k": 1}] * 10_001)
    with pytest.raises(QuarantineDocument, match="more than 10000 keys"):
        payload(OPEN, many)
    mautic = load({"preset": "mautic", "secrets": ["${KEY}"]})
    assert len(payload(mautic, many)) == 10_001
    with pytest.raises(QuarantineDocument, match="deeper than 2 levels"):
        payload(load({"allow_insecure": True, "limits": {"depth": 2}}), "[[[]]]")


def test_cloudevents_read_the_same_in_both_modes(load):
    """Attributes in headers (binary) or around the data (structured): one mapping file serves both."""
    settings = load({"preset": "cloudevents", "secrets": ["${KEY}"]})
    event = {
        "specversion": "1.0",
        "id": "7",
        "source": "/crm",
        "type": "lead.changed",
        "subject": "Zoë",
        "datacontenttype": "application/json",
        "data": {"email": "kim@example.org"},
    }
    structured = payload(settings, json.dumps(event), "application/cloudevents+json")
    binary = payload(
        settings,
        '{"email": "kim@example.org"}',
        "application/json",
        ce_specversion="1.0",
        ce_id="7",
        ce_source="/crm",
        ce_type="lead.changed",
        ce_subject="Zo%C3%AB",
        authorization="Bearer x",
    )
    assert structured == binary == event
    assert payload(settings, json.dumps([event]), "application/cloudevents-batch+json") == [event]
    assert settings["answer"].echo_origin


def test_without_a_mapping_nothing_is_read():
    """The document is kept and named, not lost."""
    alone = WebhookSource(OPEN, Context(system="crm", root=Path(), mapping=None, now=lambda: NOW))
    with pytest.raises(QuarantineDocument, match="'crm' has no mapping file"):
        alone.read(document("{}"))


def test_there_is_nothing_to_pull():
    """A webhook only listens."""
    assert list(source(OPEN).streams()) == []
    assert list(source(OPEN).pull("contacts", None, None)) == []
    assert list(source(OPEN).fetch([])) == []


MAPPING = """
system: crm
timezone: UTC
items: "events[]"
objects:
  contact:
    kind: person
    id: contact.id
    time: at
    fields: {contact.email: email, contact.score: {to: points, type: integer}}
"""


def test_a_mapping_file_alone_makes_events_of_a_body():
    """The whole way of a body, with a mapping as an admin writes it."""
    mapping = compile_mapping(ConfigFile("mappings/crm.yaml", MAPPING), "ma", {})
    contact = {"id": "7", "email": "Kim@Example.org", "score": "12"}
    body = json.dumps({"events": [{"at": "2026-11-21T20:10:00Z", "contact": contact}]})
    (event,) = source(OPEN, mapping).read(document(body))
    assert isinstance(event, RecordChanged)
    assert (event.record, event.at) == ("7", datetime(2026, 11, 21, 20, 10, tzinfo=UTC))
    assert event.values == {"contact.email": "Kim@Example.org", "contact.score": "12"}


def test_the_host_finds_the_plugin():
    """Installed means offered."""
    host = Host()
    assert host.sources["webhook"].factory is WebhookSource
    assert host.sources["webhook"].settings is SettingsSchema
