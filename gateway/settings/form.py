"""The form of gateway.yaml: every setting once, with type, default and help, for checks and for documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from gateway.durations import Duration
from gateway.governance.keys import APPROVALS
from gateway.settings.clock import Clock
from gateway.settings.secrets import SecretField
from gateway.store.place import FOLDER, Place, place_of
from gateway.zones import Zone

ROLES = ("ma", "crm", "other", "notify")
LOCAL, PROCRASTINATE = "local", "procrastinate"
SYSTEM_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


class Address(fields.Field[tuple[str, int]]):
    """``host:port``; an IPv6 host stands in brackets. Port 0 takes any free one."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, int]:
        host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
        plain = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not colon or not plain or (":" in plain) != (plain != host) or not re.fullmatch(r"[0-9]{1,5}", port):
            raise ValidationError("expected HOST:PORT, such as 127.0.0.1:8080")
        if int(port) > 65535:
            raise ValidationError("a port is at most 65535")
        return plain, int(port)


class Where(fields.Field[Place]):
    """A folder, or PostgreSQL's address."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Place:
        if not isinstance(value, str) or not value or len(value) > 1000:
            raise ValidationError("must name a folder, or be an address: postgresql://USER@HOST/DATABASE")
        return place_of(value)


def _one_of(*words: str) -> validate.Validator:
    return validate.OneOf(words, error=f"not one of {', '.join(words)}")


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ValidationError("expected a web address, such as https://leads.example.com")
    return value


def _system_name(value: str) -> str:
    if not SYSTEM_NAME.fullmatch(value):
        raise ValidationError("a system's name is written in small letters, digits, - and _")
    return value


class InstanceForm(Schema):
    name = fields.String(
        required=True,
        validate=validate.Length(1, 100, error="must have 1 to 100 characters"),
        metadata={"help": "the company, as pages and reports call it"},
    )
    zone = Zone(required=True, metadata={"help": "time zone of days, months and office hours, such as Europe/Berlin"})
    currency = fields.String(
        required=True,
        validate=validate.Regexp(r"[A-Z]{3}\Z", error="a currency's three capital letters, such as EUR"),
        metadata={"help": "currency of reports"},
    )
    fiscal_year_start = fields.Integer(
        strict=True,
        load_default=1,
        validate=validate.Range(1, 12, error="a month from 1 to 12"),
        metadata={"help": "month in which the fiscal year starts"},
    )


class ClockForm(Schema):
    since = fields.AwareDateTime(
        required=True, default_timezone=UTC, metadata={"help": "real time from which business time runs faster"}
    )
    speed = fields.Float(
        required=True,
        validate=validate.Range(1, 1_000_000, error="from 1 to 1000000"),
        metadata={"help": "seconds of business time in a second, for a demo or a rehearsal"},
    )

    @post_load
    def _made(self, data: dict[str, Any], **kwargs: Any) -> Clock:
        return Clock(**data)


class DealsForm(Schema):
    system_of_record = fields.String(required=True, metadata={"help": "the system whose word on a deal counts"})


class SystemForm(Schema):
    plugin = fields.String(required=True, metadata={"help": "name a plugin offers its source or sink under"})
    role = fields.String(
        load_default="other",
        validate=_one_of(*ROLES),
        metadata={"help": "ma, crm, notify (brings messages to people) or other"},
    )
    outbound = fields.Boolean(load_default=False, metadata={"help": "off: read, score and plan; never send"})
    pull = Duration(metadata={"help": "how often to ask the system for news, such as 15m; without it never"})
    settings = fields.Dict(load_default={}, metadata={"help": "the plugin's own settings"})


def _worker_memory(mebibytes: int) -> None:
    if mebibytes and mebibytes < 256:
        raise ValidationError("at least 256 MiB, or 0 for no limit")


class GatewayForm(Schema):
    instance = fields.Nested(InstanceForm, required=True)
    clock = fields.Nested(ClockForm, metadata={"help": "a business time of its own; without it the real one"})
    store = Where(
        load_default=Place(Path(FOLDER)),
        metadata={
            "help": "folder of inbox.db and gateway.db, relative to the instance; or postgresql://USER@HOST/DATABASE,"
            " with ${NAME} in the place of its password, or of all of it"
        },
    )
    engine = fields.String(
        load_default=LOCAL,
        validate=_one_of(LOCAL, PROCRASTINATE),
        metadata={
            "help": "how workers learn of work: `local`, they look for it; `procrastinate`, they are told, on all"
            " machines that share one PostgreSQL"
        },
    )
    pipeline_workers = fields.Integer(
        strict=True,
        load_default=1,
        validate=validate.Range(1, 8, error="a number from 1 to 8"),
        metadata={
            "help": "processes that `gateway run` and `gateway worker` start to work what comes in; a second one takes"
            " up to a quarter more from a backlog on SQLite, for twice the processor time, and 150 MB"
        },
    )
    public_url = fields.String(
        load_default=None,
        allow_none=True,
        validate=_web_address,
        metadata={"help": "what senders call, for those that sign the address"},
    )
    proxies = fields.Integer(
        strict=True,
        load_default=0,
        validate=validate.Range(0, 10, error="a number from 0 to 10"),
        metadata={
            "help": "how many proxies stand in front, each adding to X-Forwarded-For who called it: wrong logins are"
            " counted by where they come from"
        },
    )
    listen = Address(load_default=("127.0.0.1", 8080), metadata={"help": "address of the web server, HOST:PORT"})
    metrics_token = SecretField(
        load_default=None,
        allow_none=True,
        metadata={"help": "what a monitor sends to be told at /metrics; without it only this machine is told"},
    )
    deals = fields.Nested(DealsForm)
    approval = fields.String(
        load_default="off",
        validate=_one_of(*APPROVALS),
        metadata={
            "help": "how a changed model goes live: `off`, by editing the files; `one-key`, when somebody of marketing"
            " or sales has approved it; `two-key`, when one of each has"
        },
    )
    merge_on_email = fields.Boolean(
        load_default=False, metadata={"help": "true: an e-mail that meets another lead joins the two"}
    )
    send_score_step = fields.Integer(
        strict=True,
        load_default=5,
        validate=validate.Range(1, 100, error="points from 1 to 100"),
        metadata={"help": "points a score must move before it is sent out"},
    )
    keep_bodies = Duration(
        load_default=timedelta(days=90),
        metadata={"help": "how long documents that were read keep their bodies, to be read again"},
    )
    keep_writes = Duration(
        load_default=timedelta(days=90),
        metadata={"help": "how long the values of writes that are settled are kept, to be taken back"},
    )
    worker_memory = fields.Integer(
        strict=True,
        load_default=2048,
        validate=_worker_memory,
        metadata={"help": "MiB that one worker's data may take: a plugin that wants more fails alone; 0 = no limit"},
    )
    systems = fields.Dict(
        keys=fields.String(validate=_system_name),
        values=fields.Nested(SystemForm),
        load_default={},
        metadata={"help": "the systems by name; earlier ones win ties"},
    )

    @validates_schema(skip_on_field_errors=False)
    def _told(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("engine") != PROCRASTINATE:
            return
        store = data.get("store")
        if isinstance(store, Place) and store.url is None:
            raise ValidationError("procrastinate needs a store on PostgreSQL: store: postgresql://…", "engine")
        if find_spec("procrastinate") is None:
            raise ValidationError("procrastinate is not installed: pip install 'lead-gateway[postgresql]'", "engine")
