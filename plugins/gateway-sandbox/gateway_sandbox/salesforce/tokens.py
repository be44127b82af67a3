"""The token endpoint: client credentials and JWT bearer, and sessions that end."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import jwt

from gateway_sandbox.calls import Call
from gateway_sandbox.clock import Clock
from gateway_sandbox.salesforce.org import Org
from gateway_sandbox.sandbox import Refusal, Reply, Route

CONSUMER_KEY = "sandbox-consumer-key"
CONSUMER_SECRET = "sandbox-consumer-secret"
USERNAME = "gateway@sandbox.example"
AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")
LONGEST_ASSERTION = 300
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Tokens:
    """``public_key`` (PEM) makes the signature of assertions count; without it only their claims do."""

    def __init__(
        self, clock: Clock, org: Org, consumer_key: str, consumer_secret: str, username: str, public_key: str | None
    ) -> None:
        self.clock = clock
        self.org = org
        self.consumer_key = consumer_key
        self._secret = consumer_secret
        self.username = username
        self.public_key = public_key
        self.lives = timedelta(hours=2)
        self.issued = 0
        self.refused: dict[str, str] = {}
        """What the admin has forbidden: error → description, said to everyone (``invalid_grant`` …)."""
        self.basic = ""
        """The Basic credentials of the call being served."""
        self._sessions: dict[str, datetime] = {}

    def routes(self) -> list[Route]:
        return [("POST", "/services/oauth2/token", self.token)]

    def valid(self, token: str) -> bool:
        ends = self._sessions.get(token)
        return ends is not None and ends > self.clock.now()

    def expire(self) -> None:
        self._sessions.clear()

    def token(self, call: Call) -> Reply:
        given = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        for error, description in self.refused.items():
            raise _refuse(error, description)
        grant = given.get("grant_type")
        if grant == "client_credentials":
            self._check_client(call, given)
        elif grant == JWT_BEARER:
            self._check_assertion(given.get("assertion", ""))
        else:
            raise _refuse("unsupported_grant_type", "grant type not supported")
        self.issued += 1
        token = f"{self.org.id[:15]}!AQEAQ.sandbox.{self.issued:06d}"
        self._sessions[token] = self.clock.now() + self.lives
        host = call.headers.get("host", "127.0.0.1")
        return Reply(
            body={
                "access_token": token,
                "scope": "api",
                "instance_url": f"http://{host}",
                "id": f"https://login.salesforce.com/id/{self.org.id}/{self.org.user}",
                "token_type": "Bearer",
                "issued_at": str(int(self.clock.now().timestamp() * 1000)),
                "signature": "c2FuZGJveA==",
            }
        )

    def _check_client(self, call: Call, given: dict[str, str]) -> None:
        key, secret = given.get("client_id", ""), given.get("client_secret", "")
        if self.basic:
            try:
                key, _, secret = base64.b64decode(self.basic).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise _refuse("invalid_client", "invalid client credentials") from None
        if key != self.consumer_key:
            raise _refuse("invalid_client_id", "client identifier invalid")
        if secret != self._secret:
            raise _refuse("invalid_client", "invalid client credentials")

    def _check_assertion(self, assertion: str) -> None:
        options: Any = {"verify_signature": self.public_key is not None, "verify_exp": False, "verify_aud": False}
        try:
            claims = jwt.decode(assertion, self.public_key or "", algorithms=["RS256"], options=options)
            if jwt.get_unverified_header(assertion).get("alg") != "RS256":
                raise _refuse("invalid_grant", "invalid assertion")
            # the client library sends exp as text
            left = float(claims["exp"]) - Clock().now().timestamp()
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise _refuse("invalid_grant", "invalid assertion") from None
        if left <= 0 or left > LONGEST_ASSERTION:
            raise _refuse("invalid_grant", "expired authorization code" if left <= 0 else "assertion lives too long")
        if claims.get("iss") != self.consumer_key:
            raise _refuse("invalid_client_id", "client identifier invalid")
        if claims.get("aud") not in AUDIENCES:
            raise _refuse("invalid_grant", "audience is invalid")
        if claims.get("sub") != self.username:
            raise _refuse("invalid_grant", "user hasn't approved this consumer")


def _refuse(error: str, description: str) -> Refusal:
    """The token endpoint's errors are objects, not lists."""
    return Refusal(400, {"error": error, "error_description": description})
