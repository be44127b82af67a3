"""The contract suite for sources: good ones pass, and each check catches a source that breaks what it promises."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from small_crm import HOOK, MAPPING, PAGE, TOKEN, CrmSource, Endless, FakeCrm, Settings, run, settings

from gateway.contracts import (
    Context,
    Count,
    Cursor,
    Document,
    Estimate,
    Lookup,
    Page,
    ReadItem,
    RecordChanged,
    Source,
    Verification,
)
from gateway.errors import AccessRefused, GatewayError, QuarantineDocument, TryLater
from gateway.testing import FakeSystem, SourceContract

FOUND, RULE = "test_the_gateway_finds_it", "test_what_is_skipped_has_a_reason"  # of every suite: tried elsewhere
CHECKS = [name for name in dir(SourceContract) if name.startswith("test_") and name not in (FOUND, RULE)]
PEOPLE = 5


class TestCrm(SourceContract):
    schema, secrets, mapping = Settings, (TOKEN, HOOK), MAPPING

    def build(self, context: Context) -> Source:
        return CrmSource(settings(self.fake), context)

    def system(self) -> FakeSystem:
        return FakeCrm(PEOPLE)

    def documents(self) -> Sequence[Document]:
        people = [
            {"id": str(number), "changed": f"2026-05-0{number}T10:00:00Z", "name": "Ä", "email": "a@example.org"}
            for number in (1, 2)
        ]
        return [self.document(json.dumps(people)), self.document('{"changed_ids": [1, 2, 3]}')]

    def counts(self) -> Sequence[tuple[Count, Mapping[str, datetime]]]:
        people = [one for one in self.fake.held["person"].values() if one["name"] != "N2"]
        count = Count(object="person", at="changed", where={"name": ("N1", "N3", "N4", "N5")})
        return [(count, {one["id"]: datetime.fromisoformat(one["changed"]) for one in people})]


def test_what_asks_nobody_is_excused_from_what_is_about_asking() -> None:
    """And it says so by itself."""

    class OnlyReads(Source):
        def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
            self.good = CrmSource(settings, context)

        def read(self, document: Document) -> Iterable[ReadItem]:
            return self.good.read(document)

    one = suite(OnlyReads)
    run(one, "test_it_reads_something")
    for check, why in {
        "test_it_pulls_pages": "it has no streams",
        "test_what_is_looked_up_is_answered": "it fetches nothing",
    }.items():
        with pytest.raises(pytest.skip.Exception, match=why):
            run(one, check)


# -- sources that keep no promise --------------------------------------------------------------------------------------


class Bad(CrmSource):
    """The good one, with one thing wrong: ``wrong`` gets what it reads of a document."""

    def read(self, document: Document) -> Iterable[ReadItem]:
        return self.wrong(list(super().read(document)), document)

    def wrong(self, items: list[ReadItem], document: Document) -> list[ReadItem]:
        return items


def edited(**parts: Any) -> type[Source]:
    """Events with other parts; a part may be made of the event."""

    class Edited(Bad):
        def wrong(self, items: list[ReadItem], document: Document) -> list[ReadItem]:
            return [
                replace(one, **{name: made(one) if callable(made) else made for name, made in parts.items()})
                if isinstance(one, RecordChanged)
                else one
                for one in items
            ]

    return Edited


class ReadsNothing(Bad):
    def wrong(self, items: list[ReadItem], document: Document) -> list[ReadItem]:
        return []


class LooksAtTheClock(Bad):
    def wrong(self, items: list[ReadItem], document: Document) -> list[ReadItem]:
        self.context.now()
        return items


class AsksOnReading(Bad):
    def wrong(self, items: list[ReadItem], document: Document) -> list[ReadItem]:
        with contextlib.suppress(GatewayError):
            self.client.ask("GET", "/account", "id")
        return items


class CountsDeliveries(Bad):
    def wrong(self, items: list[ReadItem], document: Document) -> list[ReadItem]:
        return [replace(one, key=f"{document.id}{one.key}") if isinstance(one, RecordChanged) else one for one in items]


class CountsItems(Bad):
    def wrong(self, items: list[ReadItem], document: Document) -> list[ReadItem]:
        return [
            replace(one, key=f"{place}") if isinstance(one, RecordChanged) else one for place, one in enumerate(items)
        ]


class Remembers(Bad):  # what it has read before, it leaves out
    def wrong(self, items: list[ReadItem], document: Document) -> list[ReadItem]:
        seen = self.__dict__.setdefault("seen", set())
        new = [one for one in items if repr(one) not in seen]
        seen |= {repr(one) for one in items if document.body.startswith(b"{")}
        return new


class DropsTheFuture(Bad):
    def wrong(self, items: list[ReadItem], document: Document) -> list[ReadItem]:
        return [one for one in items if not isinstance(one, RecordChanged) or one.at <= document.received_at]


class Raises(CrmSource):
    def read(self, document: Document) -> Iterable[ReadItem]:
        return self.context.mapping.read(json.loads(document.body), document)


class Quotes(Bad):
    def read(self, document: Document) -> Iterable[ReadItem]:
        try:
            return list(super().read(document))
        except QuarantineDocument:
            raise QuarantineDocument(f"cannot read {document.body!r}") from None


class Trusts(Bad):  # that names are texts
    def wrong(self, items: list[ReadItem], document: Document) -> list[ReadItem]:
        for one in json.loads(document.body) if document.body.startswith(b"[{") else ():
            one["name"].strip()
        return items


class LetsEverybodyIn(CrmSource):
    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        self.verification = Verification(scheme="hmac")  # without header and secret


class TwoOfOneName(CrmSource):
    def streams(self) -> Sequence[str]:
        return ["people", "people"]


class Pulls(CrmSource):
    """Pages with one thing wrong."""

    def wrong(self, page: Page, number: int) -> Page | None:
        return page

    def pull(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        for number, page in enumerate(super().pull(stream, cursor, since)):
            if (made := self.wrong(page, number)) is not None:
                yield made


class OnePageOnly(CrmSource):
    def pull(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        yield next(super().pull(stream, cursor, since))


class LongCursors(Pulls):
    def wrong(self, page: Page, number: int) -> Page:
        return replace(page, cursor={**(page.cursor or {}), "seen": "x" * 5000})


class CountsNoRecords(Pulls):
    def wrong(self, page: Page, number: int) -> Page:
        return replace(page, records=1)


class CountsWhatIsNotThere(Pulls):
    def wrong(self, page: Page, number: int) -> Page:
        return replace(page, document=b"")


class NoEnd(Pulls):
    def wrong(self, page: Page, number: int) -> Page:
        return replace(page, more=True)


class Unreadable(Pulls):
    def wrong(self, page: Page, number: int) -> Page:
        return replace(page, document=page.document.replace(b'"id"', b'"nr"'))


class CursorsAhead(Pulls):  # a page too far
    def wrong(self, page: Page, number: int) -> Page:
        after = (page.cursor or {})["after"]
        return replace(page, cursor={"after": str(int(after) + PAGE)})


class NewKeys(Bad):
    def wrong(self, items: list[ReadItem], document: Document) -> list[ReadItem]:
        if document.origin == "webhook":
            return items
        return [
            replace(one, key=f"{datetime.now(UTC)}{one.key}") if isinstance(one, RecordChanged) else one
            for one in items
        ]


class EstimatesLess(CrmSource):
    def estimate(self, stream: str, since: datetime | None) -> Estimate | None:
        return Estimate(records=-1, calls=0)


class Translates(CrmSource):
    """Other errors than the good one's."""

    into: Callable[[GatewayError], Exception] = staticmethod(lambda exc: exc)

    def pull(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        try:
            yield from super().pull(stream, cursor, since)
        except GatewayError as exc:
            raise self.into(exc) from None


class LimitsAreErrors(Translates):
    into = staticmethod(lambda exc: GatewayError("too many"))


class WaitsAsItLikes(Translates):
    into = staticmethod(lambda exc: TryLater(1, "too many"))


class AllIsRefusal(Translates):
    into = staticmethod(lambda exc: AccessRefused("no"))


class SwallowsErrors(CrmSource):  # and goes on with what comes after
    def pull(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        after = (cursor or {}).get("after", "0")
        while True:
            try:
                found = self.client.ask("GET", f"/people?after={after}", "people")
            except (TryLater, AccessRefused):
                raise
            except GatewayError:
                found = {"people": [], "next": str(int(after) + PAGE), "last": str(int(after) + PAGE)}
            after = found["last"] or after
            yield Page(document=json.dumps(found["people"]).encode(), cursor={"after": after}, more=bool(found["next"]))
            if not found["next"]:
                return


class WaitsForEver(CrmSource):
    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        self.client = Endless(settings, context)


class PaysNothing(CrmSource):
    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, replace(context, budget=None))


class FetchesSome(CrmSource):
    def fetch(self, lookups: Sequence[Lookup]) -> Iterator[Page]:
        return super().fetch(lookups[:2])


class OneByOne(CrmSource):
    def fetch(self, lookups: Sequence[Lookup]) -> Iterator[Page]:
        for one in lookups:
            yield from super().fetch([one])


class CountsTheEnd(CrmSource):
    def counted(self, count: Count, since: datetime, until: datetime) -> Iterator[tuple[str, datetime]]:
        return super().counted(count, since, until + timedelta(microseconds=1))


class CountsEverybody(CrmSource):
    def counted(self, count: Count, since: datetime, until: datetime) -> Iterator[tuple[str, datetime]]:
        return super().counted(replace(count, where={}), since, until)


class CountsTwice(CrmSource):
    def counted(self, count: Count, since: datetime, until: datetime) -> Iterator[tuple[str, datetime]]:
        for _ in range(2):
            yield from super().counted(count, since, until)


class CountsByItsOwnTime(CrmSource):
    def counted(self, count: Count, since: datetime, until: datetime) -> Iterator[tuple[str, datetime]]:
        return ((record, at + timedelta(minutes=1)) for record, at in super().counted(count, since, until))


class Shows(CrmSource):
    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        context.log.info("built", hook=settings["hook"].reveal())


class ShowsInWhatItRaises(CrmSource):  # and another check says that it may not raise it
    def read(self, document: Document) -> Iterable[ReadItem]:
        raise KeyError(HOOK)


HOUR = timedelta(hours=1)
Make = Callable[[Mapping[str, Any], Context], Source]
BAD: Sequence[tuple[Make, str, str]] = [
    (ReadsNothing, "test_it_reads_something", "document 1 says nothing: []"),
    (LooksAtTheClock, "test_reading_is_pure", "`read` asks the clock"),
    (AsksOnReading, "test_reading_is_pure", "`read` asks the network"),
    (CountsDeliveries, "test_reading_is_pure", "delivered again, the same bytes give other items"),
    (edited(at=lambda one: datetime.now(UTC)), "test_reading_is_pure", "read twice, the same bytes give other items"),
    (edited(at=lambda one: one.at.replace(tzinfo=None)), "test_events_are_well_formed", "at is not in UTC"),
    (
        edited(kind="lead"),
        "test_events_are_well_formed",
        "'lead' is none of person, company, deal, task, list, campaign",
    ),
    (edited(system="other"), "test_events_are_well_formed", "of the system 'other'"),
    (edited(record=7), "test_events_are_well_formed", "a record's id is a text, not int"),
    (
        edited(speaks_of=frozenset()),
        "test_events_are_well_formed",
        "values of fields it does not speak of: email, name",
    ),
    (
        edited(values={"at": HOUR}, speaks_of=frozenset({"at"})),
        "test_events_are_well_formed",
        "values that JSON cannot hold",
    ),
    (edited(key="the same"), "test_a_key_is_of_one_fact", "its key is another fact's, too"),
    (CountsItems, "test_a_key_is_of_one_fact", "keys hang on the place in the document"),
    (Remembers, "test_order_and_repeats_change_nothing", "what was read before changes it"),
    (DropsTheFuture, "test_times_ahead_of_ours_are_read", "facts are lost when their times are ahead of the receipt"),
    (Trusts, "test_hostile_values_are_told_apart", "`read` raised AttributeError instead of QuarantineDocument"),
    (LetsEverybodyIn, "test_who_calls_is_verified", "verification: header: name the header that holds the signatu"),
    (TwoOfOneName, "test_streams_have_names", "two streams of one name share a cursor"),
    (OnePageOnly, "test_it_pulls_pages", "no stream takes two pages; hold more"),
    (LongCursors, "test_pages_keep_to_their_size", "people: a cursor of 5023 bytes"),
    (CountsNoRecords, "test_pages_keep_to_their_size", "people: a page says 1 records, and 2 are read in it"),
    (CountsWhatIsNotThere, "test_pages_keep_to_their_size", "people: a page of 2 records without a byte"),
    (NoEnd, "test_pages_keep_to_their_size", "people: the last page says that more follows"),
    (Unreadable, "test_pages_are_read_without_trouble", "people: person without id: id: the record's id is missing"),
    (CursorsAhead, "test_a_pull_resumes_from_every_page", 'people: resumed from {"after":"4"}, 2 lost'),
    (NewKeys, "test_what_comes_twice_is_the_same_fact", "people: pulled again, the same facts have new keys"),
    (EstimatesLess, "test_history_ends_and_resumes", "Estimate(records=-1, calls=0)"),
    (CursorsAhead, "test_history_ends_and_resumes", 'history of people: resumed from {"after":"4"}, 2 lost'),
    (LimitsAreErrors, "test_too_many_calls_cost_no_try", "too many calls: GatewayError: too many instead of TryLater"),
    (WaitsAsItLikes, "test_it_waits_as_long_as_the_system_says", "the system said 17 s, TryLater says 1 s"),
    (
        LimitsAreErrors,
        "test_refused_credentials_are_told",
        "credentials refused: GatewayError: too many instead of",
    ),
    (AllIsRefusal, "test_a_busy_system_loses_nothing", "people: busy: AccessRefused: no: it would do to come again"),
    (SwallowsErrors, "test_a_cut_line_loses_nothing", "people: cut before at call 1: 2 facts were lost"),
    (SwallowsErrors, "test_an_answer_that_is_none_loses_nothing", "people: garbage at call 1: 2 facts were lost"),
    (
        WaitsForEver,
        "test_a_call_that_hangs_ends_by_itself",
        "a request without a deadline waits for ever where a system",
    ),
    (PaysNothing, "test_no_request_without_budget", "the budget gave 0 requests and the system heard 3"),
    (FetchesSome, "test_what_is_looked_up_is_answered", "1 of 3 looked up were not answered"),
    (OneByOne, "test_lookups_go_in_batches", "one record takes 1 calls, 3 take 3"),
    (CountsTheEnd, "test_each_record_of_a_period_is_counted_once", "1 too many, 0 too few"),
    (CountsEverybody, "test_each_record_of_a_period_is_counted_once", "1 too many, 0 too few"),
    (CountsTwice, "test_each_record_of_a_period_is_counted_once", "person: 2 counted twice"),
    (CountsByItsOwnTime, "test_each_record_of_a_period_is_counted_once", "counted by another time than changed"),
    (SwallowsErrors, "test_half_a_count_is_none", "person: busy: 3 of 4 counted"),
    (Shows, "test_secrets_appear_nowhere", "a secret shows"),
    (ShowsInWhatItRaises, "test_secrets_appear_nowhere", "a secret shows"),
]
HOSTILE = "test_hostile_bytes_are_quarantined"


def suite(make: Make, **parts: Any) -> SourceContract:
    return type("Suite", (TestCrm,), {"build": lambda self, context: make(settings(self.fake), context), **parts})()


@pytest.mark.parametrize(("make", "check", "said"), BAD, ids=lambda one: getattr(one, "__name__", one))
def test_a_source_that_breaks_a_promise_fails_its_check(make: Make, check: str, said: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(said)):
        run(suite(make), check)


@pytest.mark.parametrize(
    ("make", "body"),
    [(Raises, "empty"), (Raises, "nested deep"), (Raises, "broken UTF-8"), (Quotes, "cut"), (Quotes, "a text")],
)
def test_a_source_that_does_not_withstand_fails_its_check(make: Make, body: str) -> None:
    with pytest.raises(AssertionError):
        run(suite(make), HOSTILE, body)


def test_a_schema_is_named() -> None:
    with pytest.raises(AssertionError, match="name the settings schema"):
        run(suite(CrmSource, schema=None), "test_settings_are_documented")


def test_every_check_can_fail() -> None:
    assert set(CHECKS) == {check for _, check, _ in BAD} | {HOSTILE, "test_settings_are_documented"}
