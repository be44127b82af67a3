"""The bare limit of ``events``: the same job by hand, with SQLAlchemy Core and marshmallow and nothing else.

No inbox, no provenance, no stamps, no de-duplication, no identity, no journey, no outbox: decode, validate, load the
leads and their activities, change, score 12 rules, store. One transaction a document, in the same durable database.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from marshmallow import EXCLUDE, Schema, fields
from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, bindparam, select, update

from gateway.store.database import open_store, write
from gateway.store.place import Place

TEXTS = ("email", "title", "country", "city", "industry", "source", "department", "company_name", "phone")
NUMBERS = ("employees", "visits", "revenue")
metadata = MetaData()
leads = Table(
    "bare_leads",
    metadata,
    Column("id", String, primary_key=True),
    *(Column(name, String) for name in TEXTS),
    *(Column(name, Integer) for name in NUMBERS),
    Column("score", BigInteger),
)
activities = Table(
    "bare_activities",
    metadata,
    Column("lead", String, primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("kind", String, nullable=False),
)


class Row(Schema):
    class Meta:
        unknown = EXCLUDE

    id = fields.String(required=True)
    email = fields.Email()
    at = fields.AwareDateTime()
    for _name in TEXTS[1:]:
        locals()[_name] = fields.String()
    for _name in NUMBERS:
        locals()[_name] = fields.Integer()


def score(lead: dict[str, Any], done: Sequence[tuple[int, str]], now: int) -> int:
    """The arithmetic of bench/events.py's scoring.yaml, for these leads."""
    fit = 20 * ("chief" in (lead["title"] or "")) - 10 * ("intern" in (lead["title"] or ""))
    fit += 15 * (lead["industry"] in ("software", "finance")) + 10 * (lead["country"] == "Germany")
    fit += 5 * ((lead["employees"] or 0) >= 50) + 5 * ((lead["visits"] or 0) >= 5) + 5 * (lead["source"] == "referral")
    points = {"page_view": 2, "download": 5, "email_click": 3, "webinar": 8, "demo_request": 20}
    total = 0.0
    for at, kind in done:
        total += points[kind] * 0.5 ** ((now - at) // (30 * 86_400_000_000))
    return int(60 * max(0, min(fit, 60)) + 40 * max(0.0, min(total, 40.0)))


def prepare(place: Path | Place, people: Sequence[dict[str, Any]], done: dict[str, list[tuple[int, str]]]) -> Any:
    """A store of its own with these leads, and the activities of each (microseconds, kind)."""
    store = open_store(place)
    metadata.create_all(store.main)
    add(store, people, done)
    return store


def add(store: Any, people: Sequence[dict[str, Any]], done: dict[str, list[tuple[int, str]]]) -> None:
    if not people:
        return
    with write(store.main) as connection:
        connection.execute(leads.insert(), [{name: p.get(name) for name in ("id", *TEXTS, *NUMBERS)} for p in people])
        if acts := [{"lead": lead, "at": at, "kind": kind} for lead, list_ in done.items() for at, kind in list_]:
            connection.execute(activities.insert(), acts)


def run(store: Any, documents: Sequence[bytes], now: int) -> float:
    """Work the documents; returns events per second."""
    schema = Row(many=True)
    change = (
        update(leads)
        .where(leads.c.id == bindparam("b_id"))
        .values(**{name: bindparam(f"b_{name}") for name in (*TEXTS, *NUMBERS, "score")})
    )
    count, began = 0, time.perf_counter()
    for body in documents:
        rows = schema.load(json.loads(body))
        ids = {row["id"] for row in rows}
        with write(store.main) as connection:
            known = {row.id: dict(row._mapping) for row in connection.execute(select(leads).where(leads.c.id.in_(ids)))}
            history: dict[str, list[tuple[int, str]]] = {id_: [] for id_ in ids}
            for lead, at, kind in connection.execute(select(activities).where(activities.c.lead.in_(ids))):
                history[lead].append((at, kind))
            for row in rows:
                known[row["id"]].update({k: v for k, v in row.items() if not isinstance(v, datetime)})
            for lead in known.values():
                lead["score"] = score(lead, history[lead["id"]], now)
            connection.execute(change, [{f"b_{k}": v for k, v in lead.items()} for lead in known.values()])
        count += len(rows)
    return count / (time.perf_counter() - began)
