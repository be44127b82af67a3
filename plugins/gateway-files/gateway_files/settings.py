"""The ``settings:`` block of a files system."""

from __future__ import annotations

import codecs

from marshmallow import Schema, ValidationError, fields, validate

from gateway.contracts import COMPANIONS


def _usable(encoding: str) -> None:
    """Files are cut at bytes, so a byte of a delimiter must never be a part of another character."""
    try:
        name = codecs.lookup(encoding).name
        ascii_only = bytes(range(128)).decode(encoding)
    except (LookupError, UnicodeError, ValueError):
        raise ValidationError("no known encoding; utf-8, cp1252 and iso-8859-15 are common") from None
    if name != "utf-8" and (
        ascii_only != bytes(range(128)).decode() or len(bytes(range(256)).decode(encoding, "replace")) != 256
    ):
        raise ValidationError("files must be in UTF-8 or in an encoding of one byte per character, such as cp1252")


class SettingsSchema(Schema):
    path = fields.String(
        metadata={"help": "folder of the files it writes, relative to the instance; out/<system> when not given"}
    )
    format = fields.String(
        load_default="csv",
        validate=validate.OneOf(["csv", "jsonl"], error="must be csv or jsonl"),
        metadata={"help": "csv or jsonl: what it writes; what comes in says itself what it is"},
    )
    delimiter = fields.String(
        validate=validate.OneOf([",", ";", "\t", "|"], error="must be a comma, a semicolon, a tab or a bar"),
        metadata={"help": "between columns; a comma when not given, a tab in files named .tsv"},
    )
    encoding = fields.String(
        load_default="utf-8", validate=_usable, metadata={"help": "of the files, such as utf-8 or cp1252"}
    )
    beside = fields.List(
        fields.String(validate=validate.OneOf(list(COMPANIONS), error=f"must be one of {', '.join(COMPANIONS)}")),
        load_default=list,
        metadata={
            "help": "files of their own beside the leads' rows: follow-up tasks, places on lists and in campaigns"
        },
    )
