"""Did this call come from whom it claims? One verifier, driven by ``contracts.Verification``, for every vendor.

Intake asks before anything is stored; the answer rests on the raw bytes alone. Signatures are decoded and compared as
bytes in constant time, every secret against every signature, so that neither the place of a secret nor a malformed
neighbour shows in the time taken. Pure: the clock is a parameter.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.contracts import Secret, Timestamp, Verification
from gateway.errors import QuarantineDocument
from gateway.payloads import decode_form, decode_json

Values = Mapping[str, str | Sequence[str]]
"""Lower-case name → value, or the list of values where a name arrived more than once (which is refused)."""

_SHARED = ("hmac", "digest")
"""Schemes whose secret both sides know."""
MAX_SIGNATURE = 4096
MAX_SIGNATURES = 32
MAX_VALUE = 256

_TOKEN = re.compile(r"\{(\w+)\}")
_TOKENS = ("body", "timestamp", "id", "method", "url", "decoded_url")
# HubSpot signs its URL after decoding exactly these escapes.
_DECODED = {f"%{ord(char):02X}": char for char in ":/?@!$'()*,;"}
_ESCAPE = re.compile("|".join(_DECODED), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` is one of a few fixed texts, fit for counters and logs; ``delivery_id`` is "" when none was sent."""

    ok: bool
    reason: str
    delivery_id: str = ""


def verify(
    verification: Verification,
    *,
    method: str,
    url: str,
    query: Values,
    headers: Values,
    body: bytes,
    now: datetime,
) -> Verdict:
    """Check one call. ``url`` is the public one, with its query as it was sent; ``headers`` have lower-case names.

    A repeated header that the server already joined with commas fails as malformed. Never raises on what was sent.
    """
    try:
        return _Call(verification, method, url, query, headers, body).verdict(now)
    except _Refused as refused:
        return Verdict(False, refused.reason)


def flaws(verification: Verification) -> list[tuple[tuple[str | int, ...], str]]:
    """What would make ``verification`` refuse every call, or trust too much: (path of the field, what is wrong)."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    if verification.scheme == "none":
        return found
    if verification.scheme == "token":
        if not verification.header and not verification.query:
            found.append((("header",), "name the header (or the query parameter) that holds the token"))
        if verification.timestamp:
            found.append((("timestamp",), "a token signs nothing, so a time beside it proves nothing"))
    else:
        found += _flaws_of_signed(verification)
    if verification.secret_by_id and not verification.format.startswith("id-colon"):
        found.append((("secret_by_id",), "only the formats id-colon-raw and id-colon-hex name the secret they used"))
    if not verification.secrets and not verification.secret_by_id:
        found.append((("secrets",), "at least one secret is needed"))
    named: list[tuple[tuple[str | int, ...], Secret]] = [
        (("secrets", index), secret) for index, secret in enumerate(verification.secrets)
    ]
    named += [(("secret_by_id", name), secret) for name, secret in verification.secret_by_id.items()]
    found += [
        (("secret_by_id", name), "put the sender's id here; it has only letters and digits")
        for name in verification.secret_by_id
        if not (name.isascii() and name.isalnum())
    ]
    for path, secret in named:
        wrong = _flaw_of_secret(verification, secret)
        if wrong:
            found.append((path, wrong))
    return found


# -- one call ----------------------------------------------------------------------------------------------------------


class _Refused(Exception):
    def __init__(self, reason: str) -> None:
        self.reason = reason


class _Call:
    """What one call says of itself. Where ``format`` is ``body-field``, names are dotted paths into the body."""

    def __init__(
        self, verification: Verification, method: str, url: str, query: Values, headers: Values, body: bytes
    ) -> None:
        self.rule = verification
        self.method = method
        self.url = url
        self.query = query
        self.headers = headers
        self.body = body
        self.fields = _decoded(body) if verification.format == "body-field" else None

    def verdict(self, now: datetime) -> Verdict:
        rule = self.rule
        delivery_id = self._value(rule.id_header, "id", MAX_VALUE) if rule.id_header else ""
        if "," in delivery_id or not (delivery_id.isascii() and delivery_id.isprintable()):
            raise _Refused("malformed id")
        if rule.scheme == "none":
            return Verdict(True, "not verified", delivery_id)
        if rule.scheme == "token":
            self._check_token()
        else:
            self._check_signatures(delivery_id, now)
        if rule.batches == "refuse" and _is_batch(self.body):
            raise _Refused("several items under a signature of one")
        return Verdict(True, "verified", delivery_id)

    def _check_token(self) -> None:
        rule = self.rule
        given = self._value(rule.header, "token", MAX_SIGNATURE) if rule.header else ""
        if given:
            # The word before a token ("Bearer") is case-insensitive (RFC 9110, 11.1).
            if given[: len(rule.prefix)].lower() != rule.prefix.lower():
                raise _Refused("malformed token")
            token = _bytes(given[len(rule.prefix) :], "token")
        else:
            token = _one(self.query, rule.query, "token", MAX_SIGNATURE).encode(errors="replace") if rule.query else b""
        if not token:
            raise _Refused("no token")
        matched = False
        for secret in rule.secrets:
            key = secret.reveal().encode()
            matched |= bool(key) and hmac.compare_digest(token, key)
        if not matched:
            raise _Refused("wrong token")

    def _check_signatures(self, delivery_id: str, now: datetime) -> None:
        rule = self.rule
        header = self._value(rule.header, "signature", MAX_SIGNATURE)
        if not header:
            raise _Refused("no signature")
        public = rule.scheme not in _SHARED
        secrets = list(rule.secrets)
        sent_at = ""
        given: list[tuple[bool, str]]  # (made with a private key?, encoded signature)
        if rule.format == "kv":
            texts, sent_at = _pairs(header, rule.prefix or "v1", (rule.timestamp and rule.timestamp.header) or "t")
            given = [(public, text) for text in texts]
        elif rule.format == "versioned-list":
            kinds = {"v1a": True} | {rule.prefix or ("v1a" if public else "v1"): public}
            versions = [part.partition(",")[::2] for part in header.split(" ")]
            given = [(kinds[version], text) for version, text in versions if version in kinds]
        elif rule.format in ("id-colon-raw", "id-colon-hex"):
            name, text = _named(header, hex_inside=rule.format == "id-colon-hex")
            given = [(public, text)]
            if name in rule.secret_by_id:
                secrets.append(rule.secret_by_id[name])
        else:
            if not header.startswith(rule.prefix):
                raise _Refused("malformed signature")
            given = [(public, header[len(rule.prefix) :])]
        if not given:
            raise _Refused("no signature of a known version")
        if len(given) > MAX_SIGNATURES:
            raise _Refused("too many signatures")
        encoding = "hex" if rule.format.startswith("id-colon") else rule.encoding
        signatures = [(kind, raw) for kind, text in given if (raw := _decode(text, encoding)) is not None]
        if not signatures:
            raise _Refused("malformed signature")

        if rule.timestamp:
            if rule.format != "kv":
                sent_at = self._value(rule.timestamp.header, "timestamp", MAX_VALUE)
            _check_time(rule.timestamp, sent_at, now)
        content = self._signed(sent_at, delivery_id)
        matched = False
        for secret in secrets:
            with_public = _is_public(rule, secret)
            holds = _public_check(rule, secret, content) if with_public else _mac_check(rule, secret, content)
            for kind, signature in signatures:
                matched |= kind is with_public and holds(signature)
        if not matched:
            raise _Refused("wrong signature")

    def _signed(self, sent_at: str, delivery_id: str) -> bytes:
        """The bytes that the sender signed."""
        content = []
        for index, part in enumerate(_parts(self.rule.signed)):
            if index % 2 == 0:
                content.append(part.encode())
            elif part == "body":
                content.append(self.body)
            elif part == "timestamp":
                content.append(_bytes(sent_at, "timestamp"))
            elif part == "id":
                if not delivery_id:
                    raise _Refused("no id")
                content.append(delivery_id.encode())
            elif part == "method":
                content.append(self.method.upper().encode(errors="replace"))
            elif part == "url":
                content.append(self.url.encode(errors="replace"))
            elif part == "decoded_url":
                content.append(_ESCAPE.sub(lambda found: _DECODED[found[0].upper()], self.url).encode(errors="replace"))
            else:
                raise _Refused("unknown part of the signed content")
        return b"".join(content)

    def _value(self, name: str, what: str, limit: int) -> str:
        if self.rule.format != "body-field":
            return _one(self.headers, name.lower(), what, limit)
        node = self.fields
        for part in name.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, int) and not isinstance(node, bool):
            node = str(node)
        if node is not None and not isinstance(node, str):
            raise _Refused(f"malformed {what}")
        if node and len(node) > limit:
            raise _Refused(f"{what} too long")
        return node or ""


# -- what was sent -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _parts(signed: tuple[str, ...]) -> list[str]:
    """Literal, token, literal, token, … literal."""
    return _TOKEN.split("".join(signed))


def _one(values: Values, name: str, what: str, limit: int) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        if len(value) != 1:
            raise _Refused(f"{what} sent more than once")
        value = value[0]
    if len(value) > limit:
        raise _Refused(f"{what} too long")
    return value


def _bytes(text: str, what: str) -> bytes:
    """Header text as it was on the wire: servers hand it over as latin-1."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise _Refused(f"malformed {what}") from None


def _decode(text: str, encoding: str) -> bytes | None:
    """None when malformed. One text per value: no white space, no mixed case, no stray bits, padding all or none."""
    try:
        if encoding == "hex":
            return bytes.fromhex(text) if text.isalnum() and text in (text.lower(), text.upper()) else None
        bare = text.rstrip("=")
        raw = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
        canonical = base64.b64encode(raw).decode()
        return raw if text in (canonical, canonical.rstrip("=")) else None
    except (ValueError, binascii.Error):
        return None


def _decoded(body: bytes) -> Any:
    try:
        return decode_json(body) if body.lstrip()[:1] == b"{" else decode_form(body)
    except QuarantineDocument:
        raise _Refused("malformed body") from None


def _pairs(header: str, label: str, time_label: str) -> tuple[list[str], str]:
    """``t=1,v1=ab,v1=cd`` as its signatures and its time; other labels (``v0``) are ignored."""
    pairs = [part.strip().partition("=")[::2] for part in re.split("[,;]", header)]
    times = [value for name, value in pairs if name == time_label]
    if len(times) > 1:
        raise _Refused("timestamp sent more than once")
    return [value for name, value in pairs if name == label], times[0] if times else ""


def _named(header: str, *, hex_inside: bool) -> tuple[str, str]:
    """base64 of ``id:`` + digest (raw, or in hex) as the id and the digest in hex."""
    raw = _decode(header, "base64")
    name, colon, digest = (raw or b"").partition(b":")
    if not colon or not name.isalnum() or len(name) > MAX_VALUE:
        raise _Refused("malformed signature")
    return name.decode(), digest.decode("latin-1") if hex_inside else digest.hex()


def _check_time(rule: Timestamp, text: str, now: datetime) -> None:
    if not text:
        raise _Refused("no timestamp")
    sent = _time(rule.unit, text)
    if sent is None:
        raise _Refused("malformed timestamp")
    if sent < now - rule.tolerance:
        raise _Refused("timestamp too old")
    if sent > now + rule.tolerance:
        raise _Refused("timestamp in the future")


def _time(unit: str, text: str) -> datetime | None:
    try:
        if unit in ("s", "ms"):
            if not re.fullmatch("[0-9]{1,15}", text):
                return None
            return datetime.fromtimestamp(int(text) / (1000 if unit == "ms" else 1), UTC)
        if unit == "http-date":
            sent = parsedate_to_datetime(text)
            return sent if sent.tzinfo and format_datetime(sent, usegmt=True) == text else None
        sent = datetime.fromisoformat(text)
        return sent if sent.tzinfo else None
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        return None


def _is_batch(body: bytes) -> bool:
    """Whether the body is a list of more than one item, or may be one to a more lenient reader."""
    if body.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] != b"[":
        return False
    try:
        return len(orjson.loads(body)) > 1
    except orjson.JSONDecodeError:
        return True


# -- secrets -----------------------------------------------------------------------------------------------------------


def _is_public(rule: Verification, secret: Secret) -> bool:
    """Standard Webhooks tells its public keys from its shared secrets by their first letters."""
    return rule.scheme not in _SHARED or (rule.format == "versioned-list" and secret.reveal().startswith("whpk_"))


def _mac_key(rule: Verification, secret: Secret) -> bytes:
    """The HMAC key; b"" when the secret is not of its kind (an empty key would let everybody in)."""
    text = secret.reveal()
    if rule.secret_encoding == "utf8":
        return text.encode()
    key = _decode(text.removeprefix("whsec_") if rule.secret_encoding == "whsec" else text, "base64")
    if key is None or (rule.secret_encoding == "whsec" and not 24 <= len(key) <= 64):
        return b""
    return key


def _mac_check(rule: Verification, secret: Secret, content: bytes) -> Callable[[bytes], bool]:
    key = _mac_key(rule, secret)
    if not key:
        return _never
    if rule.scheme == "digest":
        digest = hashlib.new(rule.algorithm, key + content).digest()
    else:
        digest = hmac.digest(key, content, rule.algorithm)
    return lambda signature: hmac.compare_digest(digest, signature)


def _public_check(rule: Verification, secret: Secret, content: bytes) -> Callable[[bytes], bool]:
    key = _public_key(secret.reveal())
    if rule.scheme == "ecdsa-p256":
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            return lambda signature: _holds(lambda: key.verify(signature, content, ec.ECDSA(hashes.SHA256())))
    elif isinstance(key, Ed25519PublicKey):
        return lambda signature: _holds(lambda: key.verify(signature, content))
    return _never


def _never(signature: bytes) -> bool:
    """The check of a secret that is none; ``flaws`` has named it at the start."""
    return False


def _holds(check: Callable[[], None]) -> bool:
    try:
        check()
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=64)
def _public_key(text: str) -> object | None:
    """A public key as PEM, as base64 of DER, or as the 32 bytes of ed25519 in base64 or hex. None when it is none."""
    try:
        if text.lstrip().startswith("-----BEGIN"):
            return serialization.load_pem_public_key(text.encode())
        bare = "".join(text.removeprefix("whpk_").split())
        raw = _decode(bare, "hex") if len(bare) == 64 else None
        raw = raw or _decode(bare, "base64")
        if raw is None:
            return None
        return Ed25519PublicKey.from_public_bytes(raw) if len(raw) == 32 else serialization.load_der_public_key(raw)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


# -- flaws -------------------------------------------------------------------------------------------------------------


def _names(signed: Sequence[str]) -> list[str]:
    return _TOKEN.findall("".join(signed))


def _flaws_of_signed(rule: Verification) -> list[tuple[tuple[str | int, ...], str]]:
    found: list[tuple[tuple[str | int, ...], str]] = []
    names = _names(rule.signed)
    unknown = sorted(set(names) - set(_TOKENS))
    if not rule.header:
        found.append((("header",), "name the header that holds the signature"))
    if rule.query:
        found.append((("query",), "only a token may come in the query"))
    if unknown:
        found.append((("signed",), f"unknown part {{{unknown[0]}}}; known are {', '.join(_TOKENS)}"))
    if "body" not in names and rule.format != "body-field":
        found.append((("signed",), "without {body} anybody could change what was sent"))
    if ("timestamp" in names) != (rule.timestamp is not None):
        wrong = (
            "says {timestamp}, so say where it is"
            if "timestamp" in names
            else "has no {timestamp}, so it is not proved"
        )
        found.append((("timestamp",), f"`signed` {wrong}"))
    if rule.timestamp and not rule.timestamp.header and rule.format != "kv":
        found.append((("timestamp", "header"), "name the header that holds the time"))
    if "id" in names and not rule.id_header:
        found.append((("id_header",), "`signed` says {id}, so name the header that holds it"))
    return found


def _flaw_of_secret(rule: Verification, secret: Secret) -> str:
    if not secret.reveal():
        return f"{secret.reference} is empty"
    if rule.scheme == "token":
        return ""
    if _is_public(rule, secret):
        kind = "P-256" if rule.scheme == "ecdsa-p256" else "ed25519"
        return (
            ""
            if _public_check(rule, secret, b"") is not _never
            else f"{secret.reference} is no public key of kind {kind}"
        )
    if _mac_key(rule, secret):
        return ""
    what = "base64 of 24 to 64 bytes" if rule.secret_encoding == "whsec" else "base64"
    return f"{secret.reference} is not {what}"
