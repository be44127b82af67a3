"""Where a store is, as `store:` in gateway.yaml says it. Before: the file's text; after: ``database.open_store``.

A folder (SQLite), or ``postgresql://USER@HOST/DATABASE``. A password is a reference in its place, ``${NAME}``; or all
of the address is one, ``${NAME}`` or ``file:PATH``. No message holds more of an address than host and database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from marshmallow import ValidationError

from gateway.contracts import Secret
from gateway.settings.secrets import REFERENCE, SecretField

FOLDER = "var"
"""What `gateway run` keeps beside its database, and where SQLite's two files are if nothing else is said."""
SCHEMES = ("postgresql", "postgres")
_LITERAL = "write ${NAME} for the password, or for all of the address, never the password itself"


@dataclass(frozen=True, slots=True)
class Place:
    """``url``: PostgreSQL, password included; without it SQLite's files in ``folder``. ``str()`` tells no secret.

    ``bells``: there, who makes work wakes who does it.
    """

    folder: Path
    url: Secret | None = None
    bells: bool = field(default=False, compare=False)

    def within(self, root: Path) -> Place:
        return replace(self, folder=(root / self.folder).resolve())

    def __str__(self) -> str:
        return shown(self.url.reveal()) if self.url is not None else str(self.folder)


def place_of(text: str) -> Place:
    """The place that ``text`` names; its folder as it is written. Raises ``ValidationError`` with what is wrong.

    ``file:`` references start where ``secrets_of`` says.
    """
    scheme = text.partition("://")[0] if "://" in text else ""
    if REFERENCE.fullmatch(text) or text.startswith("file:"):
        secret: Secret = SecretField().deserialize(text)
        if secret.reveal().partition("://")[0] not in SCHEMES:
            raise ValidationError(f"{text} must hold an address, postgresql://USER:PASSWORD@HOST/DATABASE")
        return Place(Path(FOLDER), _checked(secret))
    if not scheme:
        return Place(Path(text))
    if scheme not in SCHEMES:
        raise ValidationError("expected a folder, or postgresql://USER@HOST/DATABASE")
    before, _, rest = text.rpartition("@")
    user, colon, password = before.partition("://")[2].partition(":")
    if not colon:
        return Place(Path(FOLDER), _checked(Secret(text, text)))
    if not REFERENCE.fullmatch(password):
        raise ValidationError(_LITERAL)
    found: Secret = SecretField().deserialize(password)
    return Place(Path(FOLDER), _checked(Secret(f"{scheme}://{user}:{quote(found.reveal(), safe='')}@{rest}", text)))


def shown(url: str) -> str:
    """Host and database of an address."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2] or next(iter(parse_qs(parts.query).get("host", [])), "")
    return f"postgresql://{host}{parts.path}"


def _checked(url: Secret) -> Secret:
    try:
        parts = urlsplit(url.reveal())
        query = parse_qs(parts.query)
        _ = parts.port
    except ValueError:
        raise ValidationError("expected postgresql://USER@HOST:PORT/DATABASE") from None
    if "password" in query:
        raise ValidationError(_LITERAL)
    if not re.fullmatch(r"/[^/]+", parts.path):
        raise ValidationError("names no database: postgresql://USER@HOST/DATABASE")
    return url
