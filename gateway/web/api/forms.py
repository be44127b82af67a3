"""What calls may say: texts, pages of long lists, and where the page before ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from gateway.web.desk.page import place_of, storable


class Text(fields.String):
    """A text of ``most`` characters."""

    def __init__(self, most: int = 200, least: int = 0, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(least, most), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not storable(text):
            raise ValidationError("a text has no NUL and no half characters")
        return text


class OfScore(Schema):
    score = Text(load_default="", metadata={"description": "which score; empty: the main one"})


class Paged(Schema):
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 1000))
    after = fields.String(
        load_default="",
        validate=validate.Regexp(r"^((-1|[0-9]{1,19}):[0-9a-f]{32})?$", error="not a `next` of ours"),
        metadata={"description": "`next` of the page before"},
    )


class Page(Schema):
    """What every long list ends with."""

    next = fields.String(allow_none=True, metadata={"description": "say it as `after`; null: that was all"})


def after(asked: dict[str, Any]) -> tuple[int, str] | None:
    """Where the page before ended: the number and the id of its last row."""
    return place_of(asked["after"])


def cut(rows: Sequence[Any], limit: int, number: Callable[[Any], int]) -> tuple[Sequence[Any], str | None]:
    """A page of rows, one more than ``limit`` where there are more: (the rows to show, what the next page asks for)."""
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], f"{number(last)}:{last['id']}"


class Which(Schema):
    """Things by id, or all that fit."""

    ids = fields.List(Text(40), load_default=list, validate=validate.Length(max=1000))
    system = Text(100, load_default=None, allow_none=True)
    since = fields.AwareDateTime(load_default=None, allow_none=True, metadata={"description": "from then on"})
    until = fields.AwareDateTime(load_default=None, allow_none=True, metadata={"description": "before then"})
    dry_run = fields.Boolean(load_default=False, metadata={"description": "only say which"})
