"""What the gateway asks of every source, asked of the one for any sender's webhooks: JSON, forms and XML."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from gateway_webhook import SettingsSchema, WebhookSource

from gateway.contracts import Context, Document, Source
from gateway.testing import SourceContract

SECRET = "correct horse battery"
MAPPING = """
system: shop
timezone: UTC
objects:
  member:
    kind: person
    items: "[@.members, @.member, @][?@] | [0]"
    id: id
    time: at
    fields: {email: email, name: last_name, age: {to: employees, type: integer}}
    activities: [{activity: subscribed, on: each, channel: "=email"}]
"""
FORM = "application/x-www-form-urlencoded"


class TestWebhook(SourceContract):
    schema, secrets, mapping, role = SettingsSchema, (SECRET,), MAPPING, "ma"

    @pytest.fixture(autouse=True)
    def _secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SHOP_SECRET", SECRET)

    def build(self, context: Context) -> Source:
        verify = {"scheme": "hmac", "header": "X-Shop-Signature"}
        return WebhookSource(SettingsSchema().load({"verify": verify, "secrets": ["${SHOP_SECRET}"]}), context)

    def documents(self) -> Sequence[Document]:
        one = '{"id": "1", "at": "2026-05-01T10:00:00Z", "email": "a@example.org", "name": "Zoë", "age": 7}'
        two = '{"id": "2", "at": "2026-05-02T10:00:00Z", "email": null}'
        return [
            self.document(f"[{one}, {two}]"),
            self.document(f'{{"members": [{one}, {two}]}}'),
            self.document("id=3&at=2026-05-03T10:00:00Z&email=a%40example.org&name=Zo%C3%AB", FORM),
            self.document("<member><id>4</id><at>2026-05-04T10:00:00Z</at><name>Zoë</name></member>", "text/xml"),
        ]
