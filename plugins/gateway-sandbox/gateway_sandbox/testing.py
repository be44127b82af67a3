"""For tests of clients: clients that insist on https reach a sandbox, and a session is opened."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter

from gateway_sandbox.salesforce.tokens import CONSUMER_KEY, CONSUMER_SECRET


class PlainAdapter(HTTPAdapter):
    """Sends over plain http what a client addresses to https.

    ``session.mount("https://127.0.0.1", PlainAdapter())``
    """

    def send(self, request: requests.PreparedRequest, *arguments: Any, **more: Any) -> requests.Response:
        request.url = str(request.url).replace("https://", "http://", 1)
        return super().send(request, *arguments, **more)


def log_in(url: str, key: str = CONSUMER_KEY, secret: str = CONSUMER_SECRET) -> dict[str, Any]:
    """The token endpoint's answer for client credentials. Raises ``requests.HTTPError``."""
    answer = requests.post(
        f"{url}/services/oauth2/token", data={"grant_type": "client_credentials"}, auth=(key, secret), timeout=5
    )
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told
