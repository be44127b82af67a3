"""HubSpot's webhooks over a real socket: what is sent, how it is signed, and what happens when nobody answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hubspot.utils.signature import Signature
from werkzeug.wrappers import Request, Response

from gateway_sandbox import HubSpotSandbox
from gateway_sandbox.hubspot.webhooks import sign
from gateway_sandbox.serving import Serving


class Receiver:
    """Keeps what it was sent and answers as it is told to."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[dict[str, str], bytes]] = []

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        request = Request(environ)
        self.got.append(({name.lower(): value for name, value in request.headers}, request.get_data()))
        return Response("{}", self.status)(environ, start)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for _, body in self.got for event in json.loads(body)]


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    app = Receiver()
    serving = Serving(app)  # type: ignore[arg-type]
    yield app, f"{serving.url}/hooks/hubspot"
    serving.close()


def types(receiver: Receiver) -> list[str]:
    return [event["subscriptionType"] for event in receiver.events]


def test_a_delivery_is_signed_as_the_client_library_checks_it(hubspot: HubSpotSandbox, receiver):
    """v3 over method, address, body and time; v1 beside it."""
    app, url = receiver
    hubspot.webhooks.subscribe(url, "secret")
    hubspot.add("contacts", {"email": "kim@example.org"})
    assert [one.status for one in hubspot.webhooks.flush()] == [200]
    headers, body = app.got[0]
    assert Signature.is_valid(
        headers["x-hubspot-signature-v3"],
        "secret",
        body.decode(),
        url,
        signature_version="v3",
        timestamp=headers["x-hubspot-request-timestamp"],
    )
    assert Signature.is_valid(headers["x-hubspot-signature"], "secret", body.decode(), signature_version="v1")


def test_signatures_equal_the_published_vector():
    """Fixed secret, time and body: a fixed signature."""
    body = b'[{"eventId":100,"subscriptionType":"contact.creation","objectId":501}]'
    signed = sign("gw-test-secret", "POST", "https://gw.example.org/hooks/hubspot", body, 1767225600000)
    assert signed["X-HubSpot-Signature-v3"] == "MTgjlD/v758WC5g6pHYeGtZWGPWrEPVmf8Anxz4YDlg="


def test_each_change_is_an_event_of_its_kind(hubspot: HubSpotSandbox, receiver):
    """Creation, one change per property, merge, deletion, privacy deletion with its deletion."""
    app, url = receiver
    kim, lou, max_ = (hubspot.add("contacts", {"email": f"{name}@example.org"}).id for name in ("kim", "lou", "max"))
    hubspot.webhooks.subscribe(url, "secret", properties={"jobtitle"})
    hubspot.edit("contacts", kim, {"jobtitle": "Chief", "city": "Bremen"})
    survivor = hubspot.merge("contacts", kim, lou)
    hubspot.erase(max_)
    hubspot.webhooks.flush()
    assert types(app) == [
        "contact.propertyChange",
        "contact.merge",
        "contact.deletion",
        "contact.privacyDeletion",
    ]
    merge = app.events[1]
    assert (merge["primaryObjectId"], merge["mergedObjectIds"], merge["newObjectId"]) == (
        int(kim),
        [int(lou)],
        int(survivor.id),
    )


def test_generic_events_name_their_object_type(hubspot: HubSpotSandbox, receiver):
    """``object.*`` with ``objectTypeId``."""
    app, url = receiver
    hubspot.webhooks.subscribe(url, "secret", generic=True)
    hubspot.add("deals", {"dealname": "D"})
    hubspot.webhooks.flush()
    assert {(event["subscriptionType"], event["objectTypeId"]) for event in app.events} == {
        ("object.creation", "0-3"),
        ("object.propertyChange", "0-3"),
    }


def test_a_refused_batch_comes_again_with_its_attempt(hubspot: HubSpotSandbox, receiver):
    """Any answer but 2xx, 4xx too, is tried again; the events are the same."""
    app, url = receiver
    hubspot.webhooks.subscribe(url, "secret", properties=set())
    hubspot.add("contacts", {"email": "kim@example.org"})
    app.status = 404
    hubspot.webhooks.flush()
    app.status = 200
    hubspot.webhooks.flush()
    assert hubspot.webhooks.flush() == []
    assert [event["attemptNumber"] for event in app.events] == [0, 1]
    assert len({event["eventId"] for event in app.events}) == 1


def test_a_batch_has_at_most_a_hundred_events(hubspot: HubSpotSandbox, receiver):
    """250 creations are three deliveries."""
    app, url = receiver
    hubspot.webhooks.subscribe(url, "secret", properties=set())
    for number in range(250):
        hubspot.add("contacts", {"email": f"a{number}@example.org"})
    hubspot.webhooks.flush()
    assert [len(json.loads(body)) for _, body in app.got] == [100, 100, 50]


def test_order_and_uniqueness_are_broken_on_demand(hubspot: HubSpotSandbox, receiver):
    """Shuffled and repeated, by the seed: the same events every time."""
    app, url = receiver
    hubspot.webhooks.subscribe(url, "secret", properties=set(), shuffle=True, repeats=2)
    made = [int(hubspot.add("contacts", {"email": f"a{number}@example.org"}).id) for number in range(9)]
    hubspot.webhooks.flush()
    got = [event["objectId"] for event in app.events]
    assert len(got) == 11
    assert sorted(set(got)) == made
    assert got[:9] != made
