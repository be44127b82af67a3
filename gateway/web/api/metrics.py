"""The numbers both teams look at, each with its definition, as the commands tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from flask import request
from marshmallow import EXCLUDE, Schema, fields

from gateway.answers.metrics.asked import COUNTS, stated
from gateway.answers.metrics.asking import METRICS, Question, question
from gateway.metrics.definitions import DEFINITIONS
from gateway.store.database import read
from gateway.web.api.caller import NotAllowed, caller
from gateway.web.api.forms import Text
from gateway.web.api.resource import Resource
from gateway.web.desk import apart
from gateway.web.desk.page import desk

if TYPE_CHECKING:
    from gateway.runtime import Gateway

blueprint = Resource("metrics", "The numbers both teams look at")


class Asked(Schema):
    """A metric has options of its own beside these; ``/metrics`` lists them."""

    class Meta:
        unknown = EXCLUDE

    period = Text(load_default="", metadata={"description": "such as 2026-Q3; instead of since and until"})
    since = Text(load_default="", metadata={"description": "a day such as 2026-10-01"})
    until = Text(load_default="", metadata={"description": "the day after the last one"})


class Option(Schema):
    name = fields.String()
    words = fields.String()
    default = fields.String()
    choices = fields.List(fields.String())


class Metric(Schema):
    name = fields.String()
    title = fields.String()
    words = fields.String()
    counts = fields.String(metadata={"description": "what a period means there; empty: it takes none"})
    options = fields.List(fields.Nested(Option))


class MetricsPage(Schema):
    metrics = fields.List(fields.Nested(Metric))


@blueprint.looks("/metrics", MetricsPage)
def listed() -> Any:
    """List the metrics, and what may be asked of each."""
    return {
        "metrics": [
            {"name": name, "title": one.title, "words": one.words, "counts": COUNTS[name], "options": one.options}
            for name, one in METRICS.items()
        ]
    }


@blueprint.looks("/metrics/<name>", None, asks=Asked)
def one(asked: dict[str, Any], name: str) -> Any:
    """One metric with the definitions of its numbers; `reconcile` asks the systems, and so for the right `decide`."""
    gateway = desk().gateway
    wanted = question(name, request.args | asked, gateway)
    if METRICS[name].live and "decide" not in caller().rights:
        raise NotAllowed(403, "this token may not decide, and this asks the systems")
    if METRICS[name].live:
        return _told(gateway, wanted)
    return apart.worked(gateway, _told, wanted)


def _told(gateway: Gateway, wanted: Question) -> Any:
    with read(gateway.store.main) as connection:
        about, answer = wanted.answer(gateway, connection)
        said = {word: DEFINITIONS[word] for word in answer.definitions}
        told = stated(about, answer.counts or COUNTS[wanted.name]) | dict(answer.data) | {"definitions": said}
        return orjson.loads(orjson.dumps(told, option=orjson.OPT_NON_STR_KEYS))
