"""A few weeks at Tallyfin, made up: who visits the web site, what they do there, and what sales says to those it gets.

Pure: the same start gives the same weeks, byte for byte. In: the moment the weeks end. Out: the calls the web site
makes, oldest first, and the CRM's answers to the leads that reached it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

SEED = 11
WEEKS = 4

Visit = tuple[float, tuple[tuple[str, str], ...]]
"""(days before the end, what was done in it: (type of event, page or file))"""

_PRICING = ("page", "/pricing")
_HOME = ("page", "/")
_PRODUCT = ("page", "/product")
_GUIDE = ("download", "closing-faster.pdf")
_CASES = ("download", "case-studies.pdf")
_WEBINAR = ("webinar", "reporting-without-spreadsheets")

HABITS: Mapping[str, tuple[Visit, ...]] = {
    "buyer": (
        (16, (_HOME, _PRODUCT)),
        (9, (_GUIDE, _PRICING)),
        (4, (_WEBINAR,)),
        (1, (_PRICING, ("demo", ""))),
    ),
    "evaluator": (
        (12, (_HOME, _PRODUCT, _PRICING)),
        (6, (_GUIDE, _CASES)),
        (3, (_WEBINAR, _PRICING)),
        (1, (_PRICING,)),
    ),
    "reader": ((20, (_HOME, _PRODUCT)), (8, (_GUIDE,))),
    "passer-by": ((11, (_HOME,)),),
    "lapsed": ((27, (_PRICING, _GUIDE)),),
    "job seeker": ((5, (_HOME, ("page", "/careers"))), (2, (("page", "/careers/analyst"), _PRODUCT))),
    "leaver": ((14, (_PRICING, _GUIDE)), (7, (("unsubscribe", "newsletter"),))),
}

# (habit, title, department, verdict of sales; "" = sales is not expected to get this lead)
_CAST = (
    ("buyer", "CFO", "Finance", "won"),
    ("buyer", "VP Finance", "Finance", "qualified"),
    ("buyer", "Head of Accounting", "Accounting", "qualified"),
    ("evaluator", "Finance Director", "Finance", "rejected"),
    ("evaluator", "CIO", "IT", "accepted"),
    ("evaluator", "Chief Data Officer", "Data", "recycled"),
    ("buyer", "Controller", "Controlling", "qualified"),
    ("reader", "CFO", "Finance", ""),
    ("reader", "IT Manager", "IT", ""),
    ("reader", "Accountant", "Accounting", ""),
    ("passer-by", "Managing Director", "Management", ""),
    ("passer-by", "Head of Sales", "Sales", ""),
    ("lapsed", "Finance Manager", "Finance", ""),
    ("job seeker", "Junior Analyst", "Finance", ""),
    ("leaver", "Controller", "Controlling", ""),
    ("buyer", "Assistant to the CFO", "Finance", "rejected"),
)
_FIRST = ("Ada", "Bruno", "Clara", "David", "Elif", "Franz", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Leo", "Mina")
_LAST = ("Adler", "Berg", "Conrad", "Dorn", "Engel", "Frank", "Gruber", "Huber", "Imhof", "Jung", "Keller")
_COMPANIES = (
    ("Werkgut", "Manufacturing", 850),
    ("Lagerhaus Nord", "Logistics", 240),
    ("Kaufmann & Sohn", "Retail", 120),
    ("Blechwerk Sued", "Manufacturing", 60),
    ("Frachtlinie", "Logistics", 420),
    ("Atelier Sieben", "Design", 8),
    ("Stadtladen", "Retail", 35),
    ("Praxis am Park", "Health", 15),
)
_SOURCES = ("Google Ads", "referral", "event", "newsletter", "organic")
PEOPLE = 40
HANDED_OVER = 17
"""How many of them the demo's scoring.yaml and journey.yaml find worth a call."""
KINDS = {
    "visit": "visits, one or more events each",
    "again": "the last one once more: its answer was lost",
    "forged": "signed by somebody who does not know the secret",
    "unreadable": "signed, but cut off in the middle",
}
"""What a call is, in words."""

_REASONS = {"rejected": "wrong person", "recycled": "not now"}
_STATUS = {
    "accepted": ("Accepted",),
    "qualified": ("Accepted", "Qualified"),
    "won": ("Accepted", "Qualified", "Won"),
    "rejected": ("Accepted", "Rejected"),
    "recycled": ("Accepted", "Nurture"),
}
_OUTCOME = {
    "Accepted": "accepted",
    "Qualified": "qualified",
    "Won": "won",
    "Rejected": "rejected",
    "Nurture": "recycled",
}


@dataclass(frozen=True, slots=True)
class Person:
    """One visitor. ``form`` is filled in at the first visit; ``verdict`` is what sales would say, "" = nothing."""

    visitor: str
    form: Mapping[str, Any]
    habit: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Hook:
    """One call of the web site. ``status`` is what the gateway must answer; ``kind`` says why it is worth telling."""

    kind: str  # one of KINDS
    body: bytes
    status: int = 200


def people() -> list[Person]:
    """The whole cast: forty people, of whom a customer and a competitor must never reach sales."""
    random = Random(SEED)
    found = []
    for number in range(PEOPLE):
        habit, title, department, verdict = _CAST[number % len(_CAST)]
        first, last = _FIRST[number % len(_FIRST)], _LAST[number % len(_LAST)]
        company, industry, employees = _COMPANIES[(number * 3 + number // len(_CAST)) % len(_COMPANIES)]
        domain = company.lower().replace(" ", "-").replace("&", "und") + ".example"
        form: dict[str, Any] = {
            "email": f"{first}.{last}@{domain}".lower(),
            "first_name": first,
            "last_name": last,
            "title": title,
            "department": department,
            "company": company,
            "industry": industry,
            "employees": employees,
            "country": random.choice(("Germany", "Austria", "Switzerland")),
            "utm_source": random.choice(_SOURCES),
        }
        found.append(Person(f"v-{number + 1:03}", form, habit, verdict))
    customer, rival, vague = found[17], found[32], found[9]
    found[17] = Person(customer.visitor, {**customer.form, "customer": "yes"}, "buyer", "")
    found[32] = Person(rival.visitor, {**rival.form, "email": "kim.lind@rivalsoft.example"}, "buyer", "")
    found[9] = Person(vague.visitor, {**vague.form, "employees": "about forty"}, vague.habit, vague.verdict)
    return found


def hooks(end: datetime) -> list[Hook]:
    """Every call of the weeks before ``end``, oldest first; then the three that a gateway must bear."""
    visits: list[tuple[datetime, str, list[dict[str, Any]]]] = []
    for person in people():
        random = Random(f"{SEED}:{person.visitor}")
        for number, (days, done) in enumerate(HABITS[person.habit]):
            began = end - timedelta(days=days, hours=random.randint(1, 10), minutes=random.randint(0, 59))
            visits.append((began, person.visitor, list(_events(person, number, began, done))))
    calls = [Hook("visit", json.dumps(events).encode()) for _, _, events in sorted(visits, key=lambda one: one[:2])]
    forged = json.dumps([{"event": "x-1", "visitor": "v-999", "at": _iso(end), "email": "ceo@forged.example"}])
    return [
        *calls,
        Hook("again", calls[-1].body),
        Hook("forged", forged.encode(), status=401),
        Hook("unreadable", b'[{"event": "x-2", "visitor": "v-00'),
    ]


def _events(person: Person, number: int, began: datetime, done: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    for position, (what, which) in enumerate(done):
        event: dict[str, Any] = {
            "event": f"{person.visitor}-{number}-{position}",
            "visitor": person.visitor,
            "at": _iso(began + timedelta(minutes=3 * position)),
            "type": what,
        }
        if which:
            event[{"page": "page", "download": "file", "webinar": "webinar"}.get(what, "list")] = which
        if number == 0 and position == 0:  # the form comes with the first event
            event |= person.form
        yield event


def answers(rows: Iterable[Mapping[str, str]], at: datetime) -> list[dict[str, str]]:
    """What sales makes of the leads in its CRM, as rows of the CRM's next export: one row per change of status.

    :param rows: the CRM's records, with ``key`` and ``Email``. :param at: when sales starts; each next status comes a
        second later, since all of the demo's sales happen while one looks.
    """
    verdicts = {person.form["email"]: person.verdict for person in people()}
    found = []
    for row in rows:
        verdict = verdicts.get(row["Email"], "") or "accepted"
        for step, status in enumerate(_STATUS[verdict]):
            when = _iso(at + timedelta(seconds=step))
            final = step == len(_STATUS[verdict]) - 1
            found.append(
                {
                    "key": row["key"],
                    "Modified": when,
                    "Status": status,
                    "StatusAt": when,
                    "Reason": _REASONS.get(verdict, "") if final else "",
                    "Amount": "48000.00" if status == "Won" else "",
                    "Owner": "sam",
                }
            )
    return sorted(found, key=lambda one: (one["Modified"], one["key"]))


def outcomes(rows: Iterable[Mapping[str, str]]) -> dict[str, int]:
    """How many leads had each outcome, by what sales answered."""
    count: dict[str, int] = {}
    for row in rows:
        word = _OUTCOME[row["Status"]]
        count[word] = count.get(word, 0) + 1
    return count


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
