"""A plugin that says everything it knows wherever it may say something: secrets and people in errors, receipts, texts.

``fault`` of its settings says how its CRM answers; ``FAULTS`` are all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from marshmallow import Schema, fields

from gateway.contracts import Call, Context, Cursor, Document, Page, Receipt, Sink, Source
from gateway.errors import AccessRefused, QuarantineDocument, TryLater
from gateway.hookspecs import hookimpl
from gateway.settings.secrets import SecretField

FAULTS = ("rejects", "raises", "refuses", "waits", "duplicates", "garbage", "leaves")


class Settings(Schema):
    tokens = fields.List(SecretField(), required=True)
    fault = fields.String(load_default="rejects")


def everything(settings: Mapping[str, Any], *more: object) -> str:
    secrets = " ".join(secret.reveal() for secret in settings["tokens"])
    return f"Authorization: Bearer {secrets} for {more}"


class LeakySource(Source):
    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self.settings, self.context = settings, context

    def streams(self) -> Sequence[str]:
        return ["people"]

    def read(self, document: Document) -> Iterable[Any]:
        text = everything(self.settings, document.body)
        if self.settings["fault"] in ("raises", "garbage"):
            raise RuntimeError(text) from ValueError(text)
        if self.settings["fault"] == "leaves":
            raise SystemExit(text)
        raise QuarantineDocument("its own words, without values")

    def pull(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        text = everything(self.settings, stream)
        if self.settings["fault"] == "refuses":
            raise AccessRefused("${TOKEN} was refused")
        raise TryLater(1, "busy") if self.settings["fault"] == "waits" else RuntimeError(text)


class LeakySink(Sink):
    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self.settings, self.context = settings, context

    def describe(self, object: str) -> Mapping[str, Any]:
        raise ConnectionError(everything(self.settings, object))

    def calls(self, writes: Sequence[Any]) -> Sequence[Call]:
        return [Call(title=f"write {len(writes)}", writes=tuple(writes), request=everything(self.settings, writes))]

    def find(self, object: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        raise ConnectionError(everything(self.settings, keys))

    def deliver(self, call: Call) -> Iterable[Receipt]:
        answers = {"rejects": "rejected", "duplicates": "duplicate", "refuses": "auth", "waits": "retry"}
        for write in call.writes:
            text = everything(self.settings, dict(write.fields))
            if self.settings["fault"] == "raises":
                raise ConnectionError(text) from ValueError(text)
            if self.settings["fault"] == "leaves":
                raise SystemExit(text)
            if self.settings["fault"] == "garbage":
                yield text  # type: ignore[misc]
                continue
            yield Receipt(
                key=write.key, result=answers[self.settings["fault"]], code="INVALID", message=text,
                candidates=("1", "2") if self.settings["fault"] == "duplicates" else (),
            )  # type: ignore[arg-type]  # fmt: skip


@hookimpl
def register_sources(register: Any) -> None:
    register("leaky", LeakySource, Settings)


@hookimpl
def register_sinks(register: Any) -> None:
    register("leaky", LeakySink, Settings)
