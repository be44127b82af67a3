"""What ``read`` makes of a payload."""

from __future__ import annotations

import random
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.contracts import (
    PersonErased,
    Quarantined,
    RecordChanged,
    RecordConverted,
    RecordGone,
    RecordsLinked,
    RecordsMerged,
    Skipped,
)

MAPPING = """
system: website
timezone: Europe/Berlin
objects:
  contact:
    kind: person
    id: id
    time: at
    created: since
    event_id: event
    blank: [Select, 0]
    include: {email: {known: true}}
    exclude: [{reason: test address, when: {email: {ends_with: "@example.com"}}}]
    gone: {when: {deleted: true}, reason: deleted}
    merged: {losers: merged_ids}
    converted: {when: {converted: true}, to: customer, id: customer_id}
    erased: {when: {erased: true}}
    links: [{to: company, id: company_ids, role: works_at}]
    fields:
      email: email
      profile.title: title
      tags[0]: {to: first_tag}
      source: source
      age: {to: age, type: integer, on_error: quarantine}
      size: {to: size, type: integer}
      plan: {to: plan, values: {gold: premium}, values_default: quarantine}
      deal: {to: deal_size, type: money, currency: cur}
      score: {to: score, sync: out}
    activities:
      - {activity: page_view, when: {type: page}, on: each, at: viewed_at, asset: page.url}
  customer: {kind: person, only: {never: true}, id: id}
  company: {kind: company, only: {never: true}, id: id}
"""
ITEM = {"id": 7, "at": "2026-11-03T10:00:00Z", "email": "ann@b.de"}


def one(mapped: Any, item: dict[str, Any], text: str = MAPPING) -> Any:
    (read,) = mapped.read(text, {**ITEM, **item})
    return read


def test_an_item_becomes_a_change_of_its_record(mapped: Any) -> None:
    """The whole event, field by field."""
    read = one(
        mapped, {"since": "2026-11-01", "profile": {"title": "CEO"}, "tags": ["x", "y"], "type": "form", "other": 1}
    )
    assert asdict(read) == {
        "system": "website",
        "object": "contact",
        "kind": "person",
        "record": "7",
        "at": datetime(2026, 11, 3, 10, tzinfo=UTC),
        "precision": "instant",
        "key": read.key,
        "created": datetime(2026, 10, 31, 23, tzinfo=UTC),
        "values": {"email": "ann@b.de", "profile.title": "CEO", "tags[0]": "x", "type": "form"},
        "speaks_of": frozenset({"email", "profile.title", "tags[0]", "type"}),
    }
    assert read.key.startswith("website:contact:")


@pytest.mark.parametrize("blank", [None, "", "  ", "Select", 0, "0", [], {}])
def test_a_blank_is_spoken_of_without_a_value(mapped: Any, blank: Any) -> None:
    """Null, empty text and the markers of the mapping; ``False`` is a value."""
    read = one(mapped, {"source": blank})
    assert "source" in read.speaks_of
    assert "source" not in read.values
    assert one(mapped, {"source": False}).values["source"] is False


def test_what_is_not_there_is_not_spoken_of_unless_the_item_is_complete(mapped: Any) -> None:
    """``complete: true`` makes a missing inbound field blank; fields that are only sent are never said to be blank."""
    assert "source" not in one(mapped, {}).speaks_of
    complete = one(mapped, {}, MAPPING.replace("id: id\n    time", "complete: true\n    id: id\n    time", 1))
    assert {"source", "profile.title", "tags[0]", "type"} <= complete.speaks_of
    assert "score" not in complete.speaks_of


def test_a_field_that_is_only_sent_is_told_when_the_item_carries_it(mapped: Any) -> None:
    """So that an edit made over there is seen."""
    assert one(mapped, {"score": 12}).values["score"] == 12


def test_money_with_a_currency_of_its_own_carries_both(mapped: Any) -> None:
    """One raw value holds amount and currency, or the amount alone where the currency is missing."""
    assert one(mapped, {"deal": "1,500", "cur": "USD"}).values["deal"] == ["1,500", "USD"]
    assert one(mapped, {"deal": "1,500"}).values["deal"] == "1,500"


@pytest.mark.parametrize(
    ("item", "event", "extra"),
    [
        ({"deleted": True}, RecordGone, {"reason": "deleted"}),
        ({"erased": True}, PersonErased, {"reason": "erased"}),
        ({"erased": True, "email": "x@example.com"}, PersonErased, {}),  # exclusion does not keep a person
        ({"deleted": True, "email": None}, RecordGone, {}),  # nor does what is no longer included
    ],
)
def test_the_end_of_a_record_is_told_instead_of_a_change(mapped: Any, item: Any, event: type, extra: Any) -> None:
    """Gone and erased come alone."""
    read = one(mapped, item)
    assert type(read) is event
    assert {name: getattr(read, name) for name in extra} == extra


def test_a_merge_names_the_losers_beside_the_change(mapped: Any) -> None:
    """Ids in one text, in a list, without the winner, each once."""
    for ids in ("3; 5;7;3", [3, "5", 7]):
        changed, merged = mapped.read(MAPPING, {**ITEM, "merged_ids": ids})
        assert type(changed) is RecordChanged
        assert (type(merged), merged.record, merged.losers) == (RecordsMerged, "7", ("3", "5"))
        assert merged.key == f"{changed.key}:merged"


def test_a_merge_of_bare_ids_is_no_change(mapped: Any) -> None:
    """A webhook that names ids only says nothing of any field, included or not."""
    (merged,) = mapped.read(MAPPING, {"id": 7, "at": ITEM["at"], "merged_ids": [3]})
    assert merged.losers == ("3",)


def test_a_conversion_names_the_new_record(mapped: Any) -> None:
    """The last values come first, then the move."""
    changed, converted = mapped.read(MAPPING, {**ITEM, "converted": True, "customer_id": "c1"})
    assert type(changed) is RecordChanged
    assert (type(converted), converted.to_object, converted.to_record) == (RecordConverted, "customer", "c1")


def test_links_are_told_beside_the_change_with_keys_of_their_own(mapped: Any) -> None:
    """One per id."""
    changed, *links = mapped.read(MAPPING, {**ITEM, "company_ids": ["a", "b"]})
    assert [(type(link), link.to_object, link.to_kind, link.to_record, link.role) for link in links] == [
        (RecordsLinked, "company", "company", "a", "works_at"),
        (RecordsLinked, "company", "company", "b", "works_at"),
    ]
    assert len({changed.key, *(link.key for link in links)}) == 3
    assert changed.values["company_ids"] == ["a", "b"]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"email": "x@example.com"}, "test address"),
        ({"email": "Select"}, "not included"),  # a blank marker is not known
    ],
)
def test_what_is_left_out_is_told_with_its_reason(mapped: Any, item: Any, reason: str) -> None:
    """Excluded under its name, or not included."""
    assert one(mapped, item) == Skipped(object="contact", record="7", reason=reason)


DEEP: Any = "x"
for _ in range(40):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"id": None}, "contact without id: id: the record's id is missing"),
        ({"id": " "}, "contact without id: id: the record's id is missing"),
        ({"id": {"a": 1}}, "contact without id: id: the record's id is an object"),
        ({"id": 1.5}, "contact without id: id: the record's id is a number"),
        ({"id": True}, "contact without id: id: the record's id is true or false"),
        ({"id": "secret" * 50}, "contact without id: id: the record's id is text of 300 characters, which is no id"),
        ({"at": "secret"}, "contact 7: at: not an ISO 8601 time: text of 6 characters"),
        ({"at": None}, "contact 7: at: the time is missing"),
        ({"since": "secret"}, "contact 7: since: not an ISO 8601 time: text of 6 characters"),
        ({"viewed_at": ["secret"]}, "contact 7: viewed_at: not a time written as text: a list of 1"),
        ({"age": "secret"}, "contact 7: age: expected a whole number, got text of 6 characters"),
        ({"plan": "secret"}, "contact 7: plan: not in the value map: text of 6 characters"),
        ({"x": DEEP}, "contact 7: nested deeper than 32 levels"),
        ({"x": {str(number): 1 for number in range(10_001)}}, "contact 7: more than 10,000 values"),
        ({str(number): 1 for number in range(10_001)}, "contact 7: more than 10,000 values"),
        ({"x": float("nan")}, "contact 7: holds a number that is not finite"),
        ({"x": [float("inf")]}, "contact 7: holds a number that is not finite"),
        ({"x": 2**64}, "contact 7: holds a number of more than 64 bits"),
        ({"x": "secret\ud800"}, "contact 7: holds something that is not JSON"),
        ({"x": object()}, "contact 7: holds a value of type object, which JSON does not have"),
        ({"converted": True}, "contact 7: is converted, but names no new record"),
        ({"company_ids": [{"secret": 1}]}, "contact 7: the id of a linked company is an object"),
    ],
)
def test_an_unreadable_item_goes_to_quarantine_by_itself(mapped: Any, item: Any, why: str) -> None:
    """The reason names object, record, field and kind, never the value; the next item is read as if nothing was."""
    bad, good = mapped.read(MAPPING, [{**ITEM, **item}, {**ITEM, "id": 8}])
    assert type(bad) is Quarantined
    assert bad.reason == why
    assert "secret" not in bad.reason
    assert type(good) is RecordChanged


def test_a_bad_field_that_may_be_dropped_keeps_its_record(mapped: Any) -> None:
    """``on_error: drop``: the raw value stays in the snapshot, loading it refuses."""
    assert one(mapped, {"size": "many"}).values["size"] == "many"


def test_nul_characters_are_left_out_of_values(mapped: Any) -> None:
    """Some stores keep none."""
    read = one(mapped, {"source": "a\x00b", "type": "\\u0000"})
    assert (read.values["source"], read.values["type"]) == ("ab", "\\u0000")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("text", "an item is text of 4 characters, not fields with values"),
        ([5], "an item is a number, not fields with values"),
        ([["x"]], "an item is a list of 1, not fields with values"),
    ],
)
def test_what_is_no_item_goes_to_quarantine(mapped: Any, payload: Any, reason: str) -> None:
    """A payload may be anything that JSON can hold."""
    assert mapped.read(MAPPING, payload) == [Quarantined(object="", record="", reason=reason)]


ENVELOPE = """
system: website
items: "events[]"
objects:
  contact: {kind: person, only: {type: contact}, id: id}
  company: {kind: company, only: {type: company}, id: id}
  list: {kind: person, items: "people[*].person", id: nr}
"""


def test_items_are_found_by_jmespath_and_told_apart_by_only(mapped: Any) -> None:
    """The file's items, an object's own items, and what is of no object."""
    payload = {
        "events": [{"type": "contact", "id": 1}, {"type": "company", "id": 2}, {"type": "other", "id": 3}],
        "people": [{"person": {"nr": 4}}],
    }
    read = mapped.read(ENVELOPE, payload)
    assert [(one.object, one.record) for one in read] == [("contact", "1"), ("company", "2"), ("", ""), ("list", "4")]
    assert read[2] == Skipped(object="", record="", reason="of no mapped object")


def test_a_payload_without_items_is_told(mapped: Any) -> None:
    """Nothing disappears; an empty list is an empty page and says nothing."""
    reason = "nothing in the payload where items are expected"
    assert mapped.read(ENVELOPE, {"ping": True}) == [Skipped(object="", record="", reason=reason)]
    assert mapped.read(ENVELOPE, {"events": []}) == []
    assert mapped.read(MAPPING, []) == []


def test_an_item_may_be_of_several_objects(mapped: Any) -> None:
    """A call with a person and its company."""
    text = """
system: website
objects:
  contact: {kind: person, id: person.id, links: [{to: company, id: company.id}]}
  company: {kind: company, only: {company.id: {known: true}}, id: company.id, fields: {company.name: name}}
"""
    contact, link, company = mapped.read(text, {"person": {"id": 1}, "company": {"id": 2, "name": "B"}})
    assert (contact.record, link.to_record, company.values) == ("1", "2", {"company.name": "B"})
    assert len(mapped.read(text, {"person": {"id": 1}})) == 1


def test_the_vendors_event_id_is_the_key(mapped: Any) -> None:
    """Else the content is; an empty id is none."""
    assert one(mapped, {"event": "e1"}).key == "website:contact:e1"
    assert one(mapped, {"event": 12}).key == "website:contact:12"
    assert one(mapped, {"event": ""}).key == one(mapped, {"event": ""}).key != one(mapped, {"event": None}).key


def test_the_key_of_an_item_is_its_content_in_any_order_of_keys(mapped: Any) -> None:
    """The same item again has the same key; another value or time has another."""
    item = {**ITEM, "source": "x", "profile": {"title": "CEO", "b": 1}}
    keys = list(item)
    random.Random(1).shuffle(keys)
    (first,), (again,) = mapped.read(MAPPING, item), mapped.read(MAPPING, {key: item[key] for key in keys})
    assert first.key == again.key
    assert len({first.key, one(mapped, {"source": "y"}).key, one(mapped, {"at": "2026-11-04"}).key}) == 3


def test_the_time_of_receipt_has_no_part_in_the_key(mapped: Any) -> None:
    """Importing the same file again tomorrow changes nothing."""
    text = MAPPING.replace("time: at", "time: received")
    today = mapped.read(text, ITEM, datetime(2026, 11, 20, tzinfo=UTC))[0]
    tomorrow = mapped.read(text, ITEM, datetime(2026, 11, 21, tzinfo=UTC))[0]
    assert (today.precision, today.at.day, tomorrow.at.day) == ("unknown", 20, 21)
    assert today.key == tomorrow.key


def test_a_mapping_without_time_takes_the_receipt(mapped: Any) -> None:
    """``time:`` may be left out."""
    assert one(mapped, {}, MAPPING.replace("    time: at\n", "")).precision == "unknown"


@pytest.mark.parametrize(
    ("role", "text", "create"),
    [
        ("crm", "", "handoff"),
        ("ma", "", "never"),
        ("other", "", "never"),
        ("ma", "create: always", "always"),
        ("ma", "create: at handoff", "handoff"),
        ("crm", "create: stage mql", "stage mql"),
        ("crm", "create: from stage sales ready", "stage sales ready"),
    ],
)
def test_who_creates_records_follows_the_role(mapped: Any, role: str, text: str, create: str) -> None:
    """A CRM gets new records at handoff, an MA system never, unless the mapping says otherwise."""
    file = f"system: website\nobjects:\n  contact:\n    kind: person\n    id: id\n    {text}\n"
    assert mapped(file, role=role).objects["contact"].create == create


def test_the_hash_is_of_the_content_not_of_the_layout(mapped: Any) -> None:
    """Comments and quotes do not count; a changed field does."""
    base = mapped(MAPPING).hash
    assert len(base) == 16
    assert mapped("# hello\n" + MAPPING.replace("kind: person", 'kind: "person"')).hash == base
    assert mapped(MAPPING.replace("source: source", "source: origin")).hash != base


def test_the_schema_loads_to_lead_fields_and_dumps_to_system_fields(mapped: Any) -> None:
    """A real marshmallow schema: in what comes in, out what is sent, blanks left out, problems by system field."""
    text = """
system: website
objects:
  contact:
    kind: person
    id: id
    blank: [Select]
    fields:
      E-Mail: {to: email, sync: newest}
      Employees: {to: employees, type: integer}
      Source: source
      Score: {to: score, type: integer, sync: out}
"""
    schema = mapped(text).objects["contact"].schema()
    raw = {"E-Mail": " A@B.de ", "Employees": "1,000", "Source": "Select", "Score": "12", "other": 1}
    assert schema.load(raw) == {"email": "a@b.de", "employees": 1000}
    assert schema.dump({"email": "a@b.de", "score": 65.4, "employees": 5, "source": "x"}) == {
        "E-Mail": "a@b.de",
        "Score": 65,
    }
    assert schema.validate({"Employees": "many"}) == {
        "Employees": ["expected a whole number, got text of 4 characters"]
    }
