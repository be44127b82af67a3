"""The form of a mapping file as marshmallow schemas: every key once, with its type, default and help.

This says what a file may hold; ``checks`` says what must fit together. Documentation is made from the same help texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from gateway.contracts import OUTCOMES
from gateway.mapping.times import UNITS, format_problem
from gateway.mapping.types import COMMA, POINT, TYPES
from gateway.settings.files import suggest

COMPUTED: dict[str, str] = {
    "lead_id": "string", "score": "number", "fit": "number", "behaviour": "number", "band": "string",
    "stage": "string", "persona": "string", "bucket": "string", "bucket_reason": "string", "handoff_id": "string",
    "handoff_opened_at": "datetime", "score_reasons": "text", "generation": "integer", "handoff_owner": "string",
    "handoff_summary": "text", "handoff_campaign": "string", "next_step": "text", "last_activities": "text",
    "response_due": "datetime", "follow_up_ends": "datetime",
}  # fmt: skip
"""Lead fields that the gateway works out itself, with their types: systems may be sent them, never set them."""
SCORED = ("score", "fit", "behaviour", "band")
"""Of these each score beside the main one has its own: ``score.NAME``."""
OF_COMPANY = "company."
KINDS = ("person", "company", "deal", "user")
SYNC = ("in", "out", "newest", "prefer", "only if blank")
ON_ERROR = ("drop", "quarantine")
ONCE = ("key", "lookup", "at_least", "at_most")
SIDES = ("passed", "received")
_LEAD_FIELD = re.compile(r"[a-z][a-z0-9_]{0,62}|(score|fit|behaviour|band|company)\.[a-z][a-z0-9_-]{0,62}")
_CODE = re.compile(r"[A-Z]{3}")


def is_computed(to: str) -> bool:
    """Whether the gateway itself works a lead field out."""
    return to in COMPUTED or ("." in to and (score_named(to) != "" or rollup_named(to) != ""))


def score_named(to: str) -> str:
    """``"expansion"`` of the lead field ``score.expansion``, its band and its axes; of others nothing."""
    what, _, name = to.partition(".")
    return name if name and what in SCORED else ""


def rollup_named(to: str) -> str:
    """``"engaged_leads"`` of ``company.engaged_leads``, a number of the lead's company; of others nothing."""
    return to.removeprefix(OF_COMPANY) if to.startswith(OF_COMPANY) else ""


def of_score(to: str) -> bool:
    """Whether a lead field moves with a score."""
    return to == "band" or to.startswith("band.") or of_points(to)


def of_points(to: str) -> bool:
    """Whether a lead field moves with every point of a score."""
    return to in ("score", "fit", "behaviour", "score_reasons") or to.startswith(("score.", "fit.", "behaviour."))


class Choice(validate.Validator):
    """One of a few words; the message lists them, or suggests the one that was meant."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(words)

    def __call__(self, value: Any) -> Any:
        if value not in self.words:
            raise ValidationError("not one of " + ", ".join(self.words) + suggest(value, self.words))
        return value


class Name(fields.String):
    """Text that is not empty. YAML may have made a number of it (a column called 2024)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text.strip():
            raise ValidationError("must not be empty")
        return text


class Short(fields.Nested):
    """A nested schema that may be written as one word: ``email: email`` is ``email: {to: email}``."""

    def __init__(self, nested: type[Schema], word: str, **kwargs: Any) -> None:
        super().__init__(nested, **kwargs)
        self.word = word

    def _deserialize(self, value: Any, attr: Any, data: Any, partial: Any = None, **kwargs: Any) -> Any:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            value = {self.word: value}
        return super()._deserialize(value, attr, data, partial=partial, **kwargs)


class Condition(fields.Raw):
    """A condition; its content is checked by ``gateway.conditions``, which knows the lines."""


def when(required: bool = False, data_key: str | None = None) -> Condition:
    return Condition(required=required, data_key=data_key, metadata={"help": "condition on the system's own fields"})


def _known_format(value: str) -> None:
    if why := format_problem(value):
        raise ValidationError(why)


def lead_field(value: str) -> str:
    if not _LEAD_FIELD.fullmatch(value):
        raise ValidationError("a lead field is written in small letters, digits and _")
    return value


class TimeForm(Schema):
    field = Name(required=True, metadata={"help": "field path of the time, or the word received"})
    format = fields.String(validate=_known_format, metadata={"help": "strptime format, such as %d.%m.%Y"})
    unit = fields.String(validate=Choice(UNITS), metadata={"help": "a number of seconds (s) or milliseconds (ms)"})


class FieldForm(Schema):
    to = Name(required=True, validate=lead_field, metadata={"help": "the lead field"})
    type = fields.String(validate=Choice(TYPES), metadata={"help": "type of the lead field; default by its name"})
    transforms = fields.List(Name(), load_default=[], metadata={"help": "functions applied to the raw value, in order"})
    values = fields.Dict(
        keys=fields.Raw(),
        values=fields.Raw(),
        metadata={"help": "raw value: lead value, both ways; with sync: out also a list"},
    )
    values_default = fields.String(
        load_default="keep",
        validate=Choice(("keep", *ON_ERROR)),
        metadata={"help": "what happens to a value that is not in `values`"},
    )
    sync = fields.String(load_default="in", metadata={"help": "in, out, newest, prefer (with prefer:), only if blank"})
    prefer = Name(metadata={"help": "the system whose value wins, for sync: prefer"})
    blank = fields.String(
        load_default="ignore", validate=Choice(("ignore", "clear")), metadata={"help": "what a blank does to the lead"}
    )
    otherwise = Name(
        metadata={
            "help": "what the system is sent where the lead has no value and a record must; read back, it is a blank"
        }
    )
    on_error = fields.String(
        load_default="drop", validate=Choice(ON_ERROR), metadata={"help": "an unreadable value: drop it, or the record"}
    )
    currency = Name(metadata={"help": "for money: a code such as EUR, or the field path of one"})
    format = Name(metadata={"help": "of dates: strptime; of numbers: 1,234.5 or 1.234,5; of lists: the separator"})
    unit = fields.String(validate=Choice(UNITS), metadata={"help": "for dates and times written as numbers: s or ms"})
    region = fields.String(
        validate=validate.Regexp(r"[A-Z]{2}\Z", error="a country as two capital letters, such as DE"),
        metadata={"help": "for phone: country of numbers without a country code"},
    )
    guard = fields.Boolean(
        load_default=False, metadata={"help": "both ways: look again just before writing what somebody may have edited"}
    )
    length = fields.Integer(
        strict=True, validate=validate.Range(1, 1_000_000), metadata={"help": "for texts: cut to so many characters"}
    )

    @validates_schema
    def _fits(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        kind = data.get("type") or default_type(data["to"])
        wrong: dict[str, list[str]] = {}

        def refuse(key: str, why: str) -> None:
            wrong.setdefault(key, []).append(why)

        sync, prefer = split_sync(data["sync"], data.get("prefer"))
        if sync not in SYNC:
            refuse("sync", "not one of " + ", ".join(SYNC) + suggest(sync, SYNC))
        elif (sync == "prefer") != (prefer is not None):
            refuse("prefer", "sync: prefer and prefer: SYSTEM belong together")
        if kind == "money" and not data.get("currency"):
            refuse("currency", "money needs a currency: a code such as EUR, or the field path of one")
        if kind == "money" and sync in ("out", "newest", "prefer") and not is_code(data.get("currency", "")):
            refuse("currency", "an amount that is sent out needs a fixed currency, such as EUR")
        if kind in ("money", "date", "datetime") and data.get("values"):
            refuse("values", f"type {kind} has no value map")
        if "otherwise" in data and sync not in ("out", "newest", "prefer"):
            refuse("otherwise", "is only sent; let sync be out, newest or prefer")
        form = data.get("format")
        if form is not None and (why := _FORMATS.get(kind, _no_format)(form)):
            refuse("format", why)
        if form is not None and data.get("unit"):
            refuse("unit", "a time is written in a format or as a number, not both")
        for key, types in _ONLY_FOR.items():
            if data.get(key) is not None and kind not in types:
                refuse(key, f"only for type {' or '.join(types)}")
        if data["guard"] and sync not in ("newest", "prefer"):
            refuse("guard", "only for fields that go both ways (newest, prefer)")
        if data["values_default"] != "keep" and not data.get("values"):
            refuse("values_default", "has no effect without values")
        if wrong:
            raise ValidationError(wrong)


def _no_format(form: str) -> str:
    return "only for dates, times, numbers, money and lists"


def _number_format(form: str) -> str:
    return "" if form in (POINT, COMMA) else f"write {POINT} or {COMMA}"


_FORMATS: dict[str, Callable[[str], str]] = {
    "date": format_problem,
    "datetime": format_problem,
    "integer": _number_format,
    "number": _number_format,
    "money": _number_format,
    "list": lambda form: "" if len(form) == 1 and form != " " else "the separator is one character, not a space",
}
_ONLY_FOR = {
    "unit": ("date", "datetime"), "currency": ("money",), "region": ("phone",), "length": ("string", "text"),
}  # fmt: skip


def default_type(to: str) -> str:
    if rollup_named(to):
        return "number"
    return COMPUTED.get(to.split(".")[0] if score_named(to) else to) or (to if to in ("email", "phone") else "string")


def split_sync(sync: str, prefer: str | None) -> tuple[str, str | None]:
    """``prefer crm`` in one is ``prefer`` and ``crm``."""
    if prefer is None and sync.startswith("prefer "):
        return "prefer", sync.removeprefix("prefer ").strip() or None
    return sync, prefer


def is_code(text: str) -> bool:
    """An ISO 4217 currency code as a constant, not a field path."""
    return bool(_CODE.fullmatch(text))


class RuleForm(Schema):
    name = Name(metadata={"help": "keeps the rule's identity when it is edited"})
    when = when()
    on = fields.String(load_default="change", validate=Choice(("change", "each")), metadata={"help": "change or each"})
    at = Short(TimeForm, "field", metadata={"help": "when it happened; default: the time of the record's change"})
    id = Name(metadata={"help": "field path of the system's own id of it"})


class ActivityForm(RuleForm):
    activity = Name(required=True, metadata={"help": "the gateway's word for it, such as page_view"})
    counter = Name(metadata={"help": "field path of a count; each step up is one activity"})
    first = fields.String(
        load_default="baseline",
        validate=Choice(("baseline", "count")),
        metadata={"help": "what a counter's first value means"},
    )
    asset = Name(metadata={"help": "field path, or =text: the page, form or mail"})
    channel = Name(metadata={"help": "field path, or =text"})
    campaign = Name(metadata={"help": "field path, or =text"})


class OutcomeForm(RuleForm):
    outcome = fields.String(
        required=True, validate=Choice(OUTCOMES), metadata={"help": "one of: " + ", ".join(OUTCOMES)}
    )
    reason = Name(metadata={"help": "field path, or =text"})
    reasons = fields.Dict(
        keys=fields.Raw(),
        values=Name(),
        load_default={},
        metadata={"help": "the system's reason: the journey's reason"},
    )
    amount = Name(metadata={"help": "field path of the amount"})
    currency = Name(metadata={"help": "a code such as EUR, a field path, or =text"})
    format = fields.String(validate=Choice((POINT, COMMA)), metadata={"help": "how the amount is written in text"})
    by = Name(metadata={"help": "field path, or =text: who reported it"})
    wake = Short(TimeForm, "field", metadata={"help": "of recycled: when sales want the lead again, whatever it does"})


class ExcludeForm(Schema):
    reason = Name(required=True, metadata={"help": "counted and shown under this name"})
    when = when(required=True)


class GoneForm(Schema):
    when = when(required=True)
    reason = Name(load_default="deleted")


class MergedForm(Schema):
    when = when()
    losers = Name(required=True, metadata={"help": "field path of the ids that were merged into this record"})


class ConvertedForm(Schema):
    when = when()
    to = Name(required=True, metadata={"help": "object the record became"})
    id = Name(required=True, metadata={"help": "field path of its new id"})


class ErasedForm(Schema):
    when = when(required=True)


class LinkForm(Schema):
    to = Name(required=True, metadata={"help": "object of the same system"})
    id = Name(required=True, metadata={"help": "field path of the other record's id, or of a list of ids"})
    role = Name(load_default="", metadata={"help": "what the other is to this record, such as works_at"})


class ObjectForm(Schema):  # only, exclude and fields are marshmallow's own names for something else
    kind = fields.String(
        required=True, validate=Choice(KINDS), metadata={"help": "person, company, deal, or user (one of theirs)"}
    )
    only_ = when(data_key="only")
    items = Name(metadata={"help": "JMESPath from the payload to this object's items"})
    id = Name(required=True, metadata={"help": "field path of the record's id"})
    time = Short(TimeForm, "field", metadata={"help": "field path of the record's time, or received (the default)"})
    created = Short(TimeForm, "field", metadata={"help": "when the record began over there"})
    event_id = Name(metadata={"help": "field path of the system's own id of this piece of news"})
    complete = fields.Boolean(load_default=False, metadata={"help": "true: a mapped field that is not there is blank"})
    blank = fields.List(fields.Raw(), load_default=[], metadata={"help": "raw values that mean missing"})
    include = when()
    exclude_ = fields.List(fields.Nested(ExcludeForm), data_key="exclude", load_default=[])
    gone = fields.Nested(GoneForm)
    merged = fields.Nested(MergedForm)
    converted = fields.Nested(ConvertedForm)
    erased = fields.Nested(ErasedForm)
    links = fields.List(fields.Nested(LinkForm), load_default=[])
    identify_by = fields.List(Name(), load_default=[], metadata={"help": "lead fields that are identity keys"})
    create = fields.String(metadata={"help": "always, never, handoff, or stage NAME"})
    update = fields.String(load_default="linked", validate=Choice(("linked", "never")))
    once = fields.String(load_default="lookup", validate=Choice(ONCE))
    fields_ = fields.Dict(
        keys=Name(), values=Short(FieldForm, "to"), data_key="fields", load_default={}, metadata={"help": "the fields"}
    )
    activities = fields.List(fields.Nested(ActivityForm), load_default=[])
    outcomes = fields.List(fields.Nested(OutcomeForm), load_default=[])
    no_outcome = fields.Dict(
        keys=Name(),
        values=fields.List(fields.Raw()),
        load_default={},
        metadata={"help": "field path: the statuses in it that mean no outcome"},
    )


class CountForm(Schema):
    side = fields.String(
        required=True,
        validate=Choice(SIDES),
        metadata={"help": "passed: what marketing says it gave to sales; received: what sales says it got"},
    )
    object = Name(required=True, metadata={"help": "object of this file; a person"})
    at = Name(required=True, metadata={"help": "the system's field with the time by which it counts"})
    where = fields.Dict(
        keys=Name(), values=fields.Raw(), load_default={}, metadata={"help": "field: the raw value, or a list of them"}
    )


class MappingForm(Schema):
    system = Name(required=True, metadata={"help": "the file's name, and a system in gateway.yaml"})
    timezone = fields.String(metadata={"help": "zone of times that do not name one, such as Europe/Berlin"})
    items = Name(metadata={"help": "JMESPath from the payload to its items"})
    objects = fields.Dict(
        keys=Name(),
        values=fields.Nested(ObjectForm),
        required=True,
        validate=validate.Length(min=1, error="a mapping needs at least one object"),
        metadata={"help": "the system's own object names"},
    )
    counts = fields.List(
        fields.Nested(CountForm), load_default=[], metadata={"help": "the system's own count, for metrics reconcile"}
    )
