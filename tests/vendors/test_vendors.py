"""Each ready mapping file, used as it is: its samples come in at the web intake, signed as its sender signs."""

from __future__ import annotations

import base64
import hmac
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from gateway.opening import open_gateway
from gateway.runtime import Gateway
from gateway.settings.files import ConfigFile
from gateway.store import tables as t
from gateway.web.app import create_app
from gateway.web.intake import Intake

VENDORS = Path(str(files("gateway_mappings") / "vendors"))
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
SECONDS = str(int(NOW.timestamp()))
HTTP_DATE = "Sun, 22 Nov 2026 09:00:00 GMT"
KEY = "0123456789abcdef0123456789abcdef"
WHSEC = "whsec_" + base64.b64encode(KEY.encode()).decode()
PRIVATE = ec.derive_private_key(20261122, ec.SECP256R1())
PUBLIC = base64.b64encode(
    PRIVATE.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
).decode()
MEDIA = {".json": "application/json", ".form": "application/x-www-form-urlencoded", ".xml": "text/xml; charset=utf-8"}


# -- how each sender calls ---------------------------------------------------------------------------------------------


def mac(content: bytes, algorithm: str = "sha256", key: str = KEY) -> bytes:
    return hmac.new(key.encode(), content, algorithm).digest()


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@dataclass
class Call:
    """One call: ``headers`` and ``query`` prove it. ``body`` may hold the proof, too."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)


def standard(body: bytes, number: int) -> Call:
    signature = b64(mac(f"msg_{number}.{SECONDS}.".encode() + body))
    named = {"webhook-id": f"msg_{number}", "webhook-timestamp": SECONDS, "webhook-signature": f"v1,{signature}"}
    return Call(body, named)


def sendgrid(body: bytes, number: int) -> Call:
    signature = b64(PRIVATE.sign(SECONDS.encode() + body, ec.ECDSA(hashes.SHA256())))
    prefix = "X-Twilio-Email-Event-Webhook"
    return Call(body, {f"{prefix}-Timestamp": SECONDS, f"{prefix}-Signature": signature})


def mailgun(body: bytes, number: int) -> Call:
    token = f"token-{number}"
    proof = {"timestamp": SECONDS, "token": token, "signature": mac(f"{SECONDS}{token}".encode()).hex()}
    return Call(json.dumps({**json.loads(body), "signature": proof}).encode())


def customer_io(body: bytes, number: int) -> Call:
    signature = mac(b"v0:" + SECONDS.encode() + b":" + body).hex()
    return Call(body, {"X-CIO-Timestamp": SECONDS, "X-CIO-Signature": signature})


def espocrm(body: bytes, number: int) -> Call:
    return Call(body, {"X-Signature": b64(b"65f0c:" + mac(body))})


def in_query(body: bytes, number: int) -> Call:
    return Call(body, query={"token": KEY})


SIGNED: dict[str, Callable[[bytes, int], Call]] = {
    "standard-webhooks": standard,
    "cloudevents": lambda body, number: Call(body, {"Authorization": f"Bearer {KEY}"}),
    "mautic": lambda body, number: Call(body, {"Webhook-Signature": b64(mac(body))}),
    "espocrm": espocrm,
    "segment": lambda body, number: Call(body, {"X-Signature": mac(body, "sha1").hex()}),
    "customer-io": customer_io,
    "marketo": lambda body, number: Call(body, {"X-Gateway-Token": KEY}),
    "activecampaign": in_query,
    "mailchimp": in_query,
    "sendgrid": sendgrid,
    "mailgun": mailgun,
    "salesforce-outbound": in_query,
}
BINARY = {"ce-specversion": "1.0", "ce-id": "e-9", "ce-source": "https://portal.example/webinars",
          "ce-type": "example.portal.webinar.attended", "ce-time": "2026-11-20T15:00:00Z"}  # fmt: skip
"""The attributes of a CloudEvent whose body is its data alone."""


# -- what comes out ----------------------------------------------------------------------------------------------------


@dataclass
class Out:
    """``samples`` in the order they are sent; ``leads`` by the last of them; ``skipped`` with the reason, counted."""

    samples: Sequence[str]
    leads: Sequence[dict[str, Any]]
    activities: Sequence[tuple[str, str]] = ()
    outcomes: Sequence[tuple[str, str | None]] = ()
    skipped: Sequence[str] = ()


MAX = {"email": "max@larch.example", "first_name": "Max", "last_name": "Müller & Söhne", "company_name": "Larch AG"}
INES = {"email": "ines@iris.example", "first_name": "Inés", "last_name": "Vidal Roca", "company_name": "Iris SL"}
OUT: dict[str, Out] = {
    "standard-webhooks": Out(
        ["demo_requested.json", "order_paid.json"],
        [
            {
                "email": "noor@acorn.example", "first_name": "Noor", "last_name": "Haddad",
                "company_name": "Acorn Tools", "title": "Head of Operations", "country": "Netherlands",
            }
        ],
        [("demo_request", "/demo")],
        [("won", "1890.50")],
    ),
    "cloudevents": Out(
        ["form_submitted.json", "batch.json", "binary.json"],
        [
            {"email": "ida@birch.example", "name": "Ida Berg", "company_name": "Birch AS"},
            {"email": "liv@birch.example"},
            {"email": "odd@birch.example"},
        ],
        [("form_submitted", "contact"), *[("webinar_attended", "Planning 2027")] * 3],
        skipped=["of no mapped object"],
    ),
    "mautic": Out(
        ["points_and_page.json", "form_and_mail.json", "unsubscribed.json"],
        [
            {
                "email": "kim@cedar.example", "first_name": "Kim", "title": "Buyer", "mautic_points": 65,
                "opted_out_email": True, "opted_in_email": False,
            }
        ],
        [
            ("page_view", "https://cedar.example/pricing"), ("form_submitted", "Request a quote"), ("email_open", ""),
            ("unsubscribed", ""),
        ],
        skipped=["of no mapped object"],
    ),
    "espocrm": Out(
        ["lead_create.json", "lead_update.json", "stage_update.json"],
        [
            {
                "email": "ana@dogwood.example", "first_name": "Ana", "last_name": "Silva", "title": "CFO",
                "company_name": "Dogwood Lda", "country": "Portugal", "source": "web site", "opted_out_call": True,
            }
        ],
        outcomes=[("accepted", None), ("qualified", None), ("won", None)],
    ),
    "segment": Out(
        ["identify.json", "track.json", "page.json", "group.json"],
        [
            {
                "email": "theo@elm.example", "first_name": "Theo", "last_name": "Marchand", "title": "CTO",
                "company_name": "Elm SA",
            }
        ],
        [("demo_request", ""), ("page_view", "https://elm.example/pricing")],
        skipped=["of no mapped object"],
    ),
    "customer-io": Out(
        ["email_clicked.json", "email_opened.json", "customer_unsubscribed.json"],
        [{"email": "rosa@fir.example", "customer_id": "c-8", "opted_out_email": True, "opted_in_email": False}],
        [("email_open", "dlv-1"), ("email_click", "dlv-1"), ("unsubscribed", "")],
    ),
    "marketo": Out(
        ["form.json", "click.form"],
        [
            {
                "email": "lena@grove.example", "first_name": "Lena", "last_name": "Koch", "company_name": "Grove GmbH",
                "marketo_score": 70,
            }
        ],
        [("email_click", "Autumn"), ("form_submitted", "Pricing page")],
    ),
    "activecampaign": Out(
        ["contact_tag_added.form", "unsubscribe.form"],
        [
            {
                "email": "pat@hazel.example", "first_name": "Pat", "last_name": "O'Neill",
                "opted_out_email": True, "opted_in_email": False,
            }
        ],
        [("tag_added", "webinar"), ("unsubscribed", "")],
    ),
    "mailchimp": Out(
        ["subscribe.form", "profile.form", "unsubscribe.form", "campaign.form"],
        [INES | {"opted_out_email": True, "opted_in_email": False}],
        [("subscribed", "aud1"), ("unsubscribed", "aud1")],
        skipped=["of no mapped object"],
    ),
    "sendgrid": Out(
        ["events.json", "unsubscribe.json"],
        [{"email": "jo@juniper.example", "opted_out_email": True}],
        [("email_open", "msg-1"), ("email_click", "https://juniper.example/pricing"), ("unsubscribed", "")],
        skipped=["not included"],
    ),
    "mailgun": Out(
        ["clicked.json", "unsubscribed.json", "delivered.json"],
        [{"email": "uma@katsura.example", "opted_out_email": True}],
        [("email_click", "https://katsura.example/pricing"), ("unsubscribed", "")],
        skipped=["not included"],
    ),
    "salesforce-outbound": Out(
        ["lead.xml", "two_leads.xml"],
        [MAX | {"source": "web"}, {"email": "ulla@larch.example", "last_name": "Berg"}],
        outcomes=[("accepted", None), ("rejected", None)],
    ),
}  # fmt: skip


def with_ids(text: str) -> str:
    """EspoCRM's ids, as somebody puts them in; the first is that of the samples."""
    ids = count(0x65F0C)
    return re.sub(r"put-the-[a-z-]+-id-here", lambda _: f"{next(ids):x}", text)


@pytest.fixture
def opened(tmp_path, monkeypatch) -> Iterator[Callable[[str], Gateway]]:
    """A vendor's folder as an instance, with the secrets that it names."""
    gateways: list[Gateway] = []

    def open_(vendor: str) -> Gateway:
        shutil.copytree(VENDORS / vendor, tmp_path / vendor)
        path = tmp_path / vendor / "gateway.yaml"
        settings = ConfigFile("gateway.yaml", path.read_text()).data["systems"][vendor]["settings"]
        for reference in [*settings.get("secrets", ()), *settings.get("secret_by_id", {}).values()]:
            given = PUBLIC if "PUBLIC" in reference else WHSEC if vendor == "standard-webhooks" else KEY
            monkeypatch.setenv(reference.strip("${}"), given)
        path.write_text(with_ids(path.read_text()))
        seconds = count()  # calls come one after the other: what comes last is the latest
        gateways.append(open_gateway(tmp_path / vendor, now=lambda: NOW + timedelta(seconds=next(seconds))))
        return gateways[-1]

    yield open_
    for gateway in gateways:
        gateway.close()


def client(gateway: Gateway) -> Any:
    append = lambda arrival: gateway.inbox.append([arrival])[0]  # noqa: E731
    return create_app(Intake(gateway.intake_sources(), append, gateway.now, watch=lambda: NOW)).test_client()


def calls(vendor: str, samples: Sequence[str]) -> Iterator[tuple[Call, str]]:
    for number, name in enumerate(samples):
        path = VENDORS / vendor / "samples" / name
        call = SIGNED[vendor](path.read_bytes(), number)
        if name == "binary.json":
            call.headers |= BINARY
        yield call, MEDIA[path.suffix]


def send(http: Any, vendor: str, call: Call, media: str) -> int:
    answer = http.post(
        f"/hooks/{vendor}", data=call.body, headers=call.headers, query_string=call.query, content_type=media
    )
    return int(answer.status_code)


def wrong(call: Call) -> Call:
    """The same call of somebody who does not know the secret: every proof is off by its last characters."""
    body = call.body
    if not call.headers and not call.query:
        data = json.loads(body)
        data["signature"]["signature"] = mac(b"guess").hex()
        body = json.dumps(data).encode()
    keys = [name for name in call.headers if "ignature" in name or name in ("Authorization", "X-Gateway-Token")]
    bad = {name: b64(mac(b"guess")) for name in keys}
    return Call(body, call.headers | bad, dict.fromkeys(call.query, "guess"))


def rows(gateway: Gateway, *columns: Any) -> list[tuple[Any, ...]]:
    with gateway.store.main.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*columns))]


@pytest.mark.parametrize("vendor", OUT)
def test_samples_of_a_vendor_become_leads_activities_and_outcomes(vendor, opened):
    """Signed as the sender signs they are taken and worked; nothing of them is quarantined, nothing left over."""
    gateway, out = opened(vendor), OUT[vendor]
    http, skipped = client(gateway), []
    for call, media in calls(vendor, out.samples):
        assert send(http, vendor, call, media) == 200
        [row] = [one for one in gateway.inbox.listing() if one["state"] == "waiting"]
        reading = gateway.read(gateway.inbox.documents([row["id"]])[0])
        assert (reading.failure, reading.quarantined) == ("", [])
        skipped += [one.reason for one in reading.skipped]
        assert gateway.run_pipeline_once("vendors") == 1
    assert {one["state"] for one in gateway.inbox.listing()} == {"read"}
    leads = [row[0] for row in rows(gateway, t.leads.c.attributes) if row[0].get("email")]
    assert sorted(leads, key=lambda one: one["email"]) == out.leads
    happened = sorted(rows(gateway, t.activities.c.at, t.activities.c.kind, t.activities.c.asset))
    assert sorted(one[1:] for one in happened) == sorted(out.activities)
    assert sorted(rows(gateway, t.outcomes.c.outcome, t.outcomes.c.amount)) == sorted(out.outcomes)
    assert skipped == list(out.skipped)


@pytest.mark.parametrize("vendor", OUT)
def test_a_vendors_samples_are_refused_from_anybody_else(vendor, opened):
    """Without the secret, and without any proof, nothing is stored."""
    gateway = opened(vendor)
    http = client(gateway)
    for call, media in calls(vendor, OUT[vendor].samples):
        bare = json.dumps({"a": 1}).encode() if vendor == "mailgun" else call.body
        assert send(http, vendor, wrong(call), media) == 401
        assert send(http, vendor, Call(bare), media) == 401
    assert gateway.inbox.listing() == []


LEFT = [
    ("standard-webhooks", "person_deleted.json", "PersonErased"),
    ("segment", "delete.json", "PersonErased"),
    ("mautic", "deleted.json", "RecordGone"),
]


@pytest.mark.parametrize(("vendor", "sample", "event"), LEFT)
def test_who_is_deleted_over_there_goes(vendor, sample, event, opened):
    """The sender's word for it is read as what it means: forgotten for good, or gone from there."""
    gateway = opened(vendor)
    [(call, media)] = calls(vendor, [sample])
    assert send(client(gateway), vendor, call, media) == 200
    [document] = gateway.inbox.documents([gateway.inbox.listing()[0]["id"]])
    assert [type(one).__name__ for one in gateway.read(document).events] == [event]


def test_a_sample_is_sent_of_each_kind():
    """No sample lies there unused, and no vendor without a test."""
    used = {(vendor, name) for vendor, out in OUT.items() for name in out.samples}
    used |= {(vendor, name) for vendor, name, _ in LEFT}
    assert used == {(path.parts[-3], path.name) for path in VENDORS.glob("*/samples/*")}
    assert set(OUT) == set(SIGNED) == {path.name for path in VENDORS.iterdir() if path.is_dir()}


@pytest.mark.parametrize("vendor", OUT)
def test_a_vendors_folder_tells_how_to_take_it(vendor):
    """The first lines of its gateway.yaml say what the sender is and name the command."""
    text = (VENDORS / vendor / "gateway.yaml").read_text()
    assert f"gateway systems add webhook --vendor {vendor} " in text
    assert ConfigFile("gateway.yaml", text).data["systems"].keys() == {vendor}


def test_outbound_messages_are_acknowledged_as_salesforce_wants_it(opened):
    """The answer is the SOAP text that counts as received."""
    [(call, media)] = calls("salesforce-outbound", ["lead.xml"])
    http = client(opened("salesforce-outbound"))
    answer = http.post("/hooks/salesforce-outbound", data=call.body, query_string=call.query, content_type=media)
    assert answer.content_type == "text/xml; charset=utf-8"
    assert '<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack>' in answer.text


def form(kind: str, minute: int) -> bytes:
    return f"type={kind}&fired_at=2026-11-20+10:{minute:02}:00&data[id]=8f&data[email]=a@iris.example".encode()


@pytest.mark.parametrize(
    ("kinds", "out"),
    [
        (["subscribe"], False),
        (["subscribe", "unsubscribe"], True),
        (["unsubscribe", "subscribe"], False),
        (["unsubscribe", "subscribe", "profile", "unsubscribe"], True),
    ],
)
def test_the_last_word_on_mails_counts(kinds, out, opened):
    """Who left, came back and left again has left."""
    gateway = opened("mailchimp")
    http = client(gateway)
    for minute, kind in enumerate(kinds):
        assert send(http, "mailchimp", in_query(form(kind, minute), minute), MEDIA[".form"]) == 200
    gateway.run_pipeline_once("vendors")
    [[attributes]] = rows(gateway, t.leads.c.attributes)
    assert attributes.get("opted_out_email", False) is out


def test_mailchimp_may_look_whether_the_address_is_there(opened):
    """It calls with GET before it saves a webhook."""
    assert client(opened("mailchimp")).get("/hooks/mailchimp").status_code == 200
