"""What every source keeps to. The gateway reads again, resumes and repeats on the strength of it."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import combinations, product
from typing import Any

import orjson
import pytest

from gateway.contracts import (
    Context,
    Count,
    Cursor,
    Document,
    Estimate,
    Event,
    Lookup,
    Page,
    Quarantined,
    ReadItem,
    RecordChanged,
    Skipped,
    Source,
    Verification,
)
from gateway.engine.slots import PLUGIN_CALL
from gateway.errors import AccessRefused, ConfigError, GatewayError, NotFound, QuarantineDocument, Refused, TryLater
from gateway.testing.altered import broken_ways, turned_round
from gateway.testing.contract import NOW, SystemContract
from gateway.testing.hostile import BODIES
from gateway.testing.sound import sound
from gateway.testing.still import still
from gateway.testing.system import Fault
from gateway.web.signatures import flaws

PAGE_BYTES, PAGE_RECORDS, CURSOR_BYTES = 1024 * 1024, 1000, 4096


PAGES = 200
"""A pull of more pages than this does not end."""


WAIT = 17.0
"""Seconds that the system asks for when there were too many calls."""


ROUNDS = 6


class SourceContract(SystemContract):
    """Every check reads ``documents``, or asks the fake system. Subclass it and say at least ``build``, ``documents``,
    ``schema`` and ``secrets``; and ``system`` where the source pulls or fetches: with so many records in it that a
    pull of at least one stream takes two pages."""

    contract = "source"

    def build(self, context: Context) -> Source:
        """A source of yours, as its factory makes it. Called often: each stands for another process."""
        raise NotImplementedError(
            "say how yours is built: def build(self, context): return MySource(settings, context)"
        )

    def documents(self) -> Sequence[Document]:
        """What really comes, such as a webhook's bodies: each with at least one event or lookup in it."""
        raise NotImplementedError("say what comes: def documents(self): return [self.document(b'{\"id\": 1}')]")

    def document(self, body: bytes | str, content_type: str = "application/json", **more: Any) -> Document:
        """A document as intake makes one. ``more``: any other part of a ``Document``, such as ``headers``."""
        raw = body.encode() if isinstance(body, str) else body
        given = {"id": f"{abs(hash(raw)):032x}"[:32], "system": self.name, "received_at": NOW, **more}
        return Document(body=raw, content_type=content_type, **given)

    def lookups(self) -> Sequence[Lookup]:
        """Records of one object that the fake holds, to be fetched; by default what ``documents`` name."""
        source = self._source()
        items = [item for document in self.documents() for item in self._read(source, document)]
        return [item for item in items if isinstance(item, Lookup)]

    def counts(self) -> Sequence[tuple[Count, Mapping[str, datetime]]]:
        """Of a source that can be ``counted``: what to count, and which of the fake's records count (id → time), at
        least two of them, of different times."""
        return ()

    def streams(self, source: Source) -> Sequence[str]:
        """What is pulled in the checks: what the source names, or what else ``pull`` takes, such as a file's path."""
        return source.streams()

    # -- reading ------------------------------------------------------------------------------------------------------

    def test_it_reads_something(self) -> None:
        """Else every other check proves nothing: each of ``documents`` gives an event or a lookup."""
        for number, document in enumerate(self.documents(), 1):
            items = self._read(self._source(), document)
            why = [item.reason for item in items if isinstance(item, Quarantined | Skipped)]
            assert any(isinstance(item, Event | Lookup) for item in items), f"document {number} says nothing: {why}"
        assert self.documents(), "name a document, at least"

    def test_reading_is_pure(self) -> None:
        """The same bytes give the same items: twice, from another source, in another delivery; the network and the
        clock are not asked."""
        for document in self.documents():
            source, first = self._source(), list[ReadItem]()
            with still(self._context) as asked:
                try:
                    first = self._read(source, document)
                except OSError:
                    assert asked, "`read` raised OSError"
            assert not asked, f"`read` asks {asked[0]}"
            assert self._read(source, document) == first, "read twice, the same bytes give other items"
            other = self._source(now=NOW + timedelta(days=3))
            assert self._read(other, document) == first, "another source reads the same bytes otherwise"
            again = self._read(source, replace(document, id="f" * 32))
            assert _dated(again) == _dated(first), "delivered again, the same bytes give other items"

    def test_events_are_well_formed(self) -> None:
        """Kinds and outcomes of the closed lists, times in UTC, ids and keys that are texts, values that JSON holds."""
        for document in self.documents():
            for item in self._read(self._source(), document):
                sound(item, self.name)

    def test_a_key_is_of_one_fact(self) -> None:
        """Two facts never share a key, and a fact keeps its key wherever in the document it stands."""
        known: dict[str, Event] = {}
        for document in self.documents():
            for event in self._events(document):
                assert known.setdefault(event.key, event) == event, f"{_named(event)}: its key is another fact's, too"
            for turned in turned_round(document):
                keys = {(event.key, event.record) for event in self._events(document)}
                found = {(event.key, event.record) for event in self._events(turned)}
                assert found == keys, "keys hang on the place in the document"

    def test_order_and_repeats_change_nothing(self) -> None:
        """Documents come late, twice and in any order: a source remembers nothing of those before."""
        documents = list(self.documents())
        alone = [self._read(self._source(), document) for document in documents]
        source, mixed = self._source(), random.Random(1)
        for _ in range(3):
            for number in mixed.sample(range(len(documents)), len(documents)) * 2:
                assert self._read(source, documents[number]) == alone[number], "what was read before changes it"

    def test_times_ahead_of_ours_are_read(self) -> None:
        """A sender's clock may be wrong by days: the fact counts, and the gateway sees to its time."""
        for document in self.documents():
            early = replace(document, received_at=document.received_at - timedelta(days=400))
            now = {event.key: event.at for event in self._events(document)}
            then = {event.key: event.at for event in self._events(early)}
            assert len(then) == len(now), "facts are lost when their times are ahead of the receipt"
            for key, at in then.items():
                if key in now:
                    assert at in (now[key], early.received_at), "a time is neither what was said nor that of receipt"

    @pytest.mark.parametrize("body", BODIES)
    def test_hostile_bytes_are_quarantined(self, body: str) -> None:
        """Whatever comes is read, or refused with ``QuarantineDocument``; reasons name places, never values."""
        types = {document.content_type for document in self.documents()} | {"application/json"}
        for content_type in types:
            self._withstands(self._source(), self.document(BODIES[body], content_type))

    def test_hostile_values_are_told_apart(self) -> None:
        """One bad value in an otherwise good document is a ``Quarantined`` item, or no matter: never an exception."""
        for document in self.documents():
            source = self._source()
            for broken in broken_ways(document):
                self._withstands(source, broken)

    def test_who_calls_is_verified(self) -> None:
        """Who may send documents is data: a ``Verification`` that the gateway can evaluate, with a secret. A source
        that takes no webhooks skips this."""
        rule = self._source().verification
        assert isinstance(rule, Verification), "no verification: anybody could send leads; skip this if nobody calls it"
        assert rule.scheme != "none", "verification: scheme none lets everybody in"
        wrong = [f"{'.'.join(map(str, path))}: {message}" for path, message in flaws(rule)]
        assert not wrong, f"verification: {'; '.join(wrong)}"

    # -- pulling ------------------------------------------------------------------------------------------------------

    def test_streams_have_names(self) -> None:
        """Each its own, for each has a cursor of its own; asked twice they are the same."""
        streams = self._streams()
        assert all(isinstance(name, str) and name for name in streams), "a stream without a name"
        assert len(set(streams)) == len(streams), "two streams of one name share a cursor"
        assert list(self.streams(self._source())) == streams, "asked again, the streams are others"

    def test_it_pulls_pages(self) -> None:
        """Else what follows proves nothing: one of the streams takes two pages, and something is read in them."""
        assert max(len(self._pages(name)) for name in self._streams()) > 1, "no stream takes two pages; hold more"
        assert any(self._facts(name, self._pages(name)) for name in self._streams()), "nothing is read in any page"

    def test_pages_keep_to_their_size(self) -> None:
        """1 MiB and 1,000 records at most, a cursor of plain JSON up to 4 KiB, and ``more`` until the last page."""
        for name in self._streams():
            pages = self._pages(name)
            for page in pages:
                assert isinstance(page, Page), f"{name}: a {type(page).__name__} is no page"
                assert len(page.document) <= PAGE_BYTES, f"{name}: a page of {len(page.document)} bytes"
                assert 0 <= page.records <= PAGE_RECORDS, f"{name}: a page of {page.records} records"
                assert page.document or not page.records, f"{name}: a page of {page.records} records without a byte"
                read = self._changed(name, page)
                assert read <= page.records, f"{name}: a page says {page.records} records, and {read} are read in it"
                if page.cursor is not None:
                    kept = orjson.dumps(page.cursor)
                    assert len(kept) <= CURSOR_BYTES, f"{name}: a cursor of {len(kept)} bytes"
                    assert orjson.loads(kept) == page.cursor, f"{name}: a cursor that JSON does not give back"
            if pages:
                assert [page.more for page in pages[:-1]] == [True] * (len(pages) - 1), f"{name}: more=False, and more"
                assert not pages[-1].more, f"{name}: the last page says that more follows"

    def test_pages_are_read_without_trouble(self) -> None:
        """What a pull brings is what ``read`` understands; each event is well formed."""
        for name in self._streams():
            for page in self._pages(name):
                for item in self._items(name, page):
                    sound(item, self.name)
                    assert not isinstance(item, Quarantined), f"{name}: {getattr(item, 'reason', '')}"

    def test_a_pull_resumes_from_every_page(self) -> None:
        """A pull may stop anywhere: from any cursor another process brings the rest, and nothing is lost."""
        for name in self._streams():
            pages = self._pages(name)
            whole, had = self._facts(name, pages), set[Any]()
            for page in pages:
                had |= self._facts(name, [page])
                if page.cursor is not None:
                    kept = orjson.loads(orjson.dumps(page.cursor))
                    rest = self._facts(name, self._pages(name, kept))
                    assert had | rest == whole, f"{name}: resumed from {_place(kept)}, {len(whole - had - rest)} lost"

    def test_what_comes_twice_is_the_same_fact(self) -> None:
        """Pulled again from the beginning, and from the end on: no fact under another key."""
        for name in self._streams():
            pages = self._pages(name)
            whole = self._facts(name, pages)
            assert self._facts(name, self._pages(name)) == whole, f"{name}: pulled again, the same facts have new keys"
            last = next((page.cursor for page in reversed(pages) if page.cursor is not None), None)
            if last is not None:
                assert self._facts(name, self._pages(name, last)) <= whole, f"{name}: after the end there is more"

    def test_history_ends_and_resumes(self) -> None:
        """The past is read once, page by page; what it takes is told beforehand, or not at all."""
        for name in self._streams():
            source = self._source()
            told = source.estimate(name, None)
            assert told is None or (isinstance(told, Estimate) and told.records >= 0 and told.calls >= 0), told
            pages = self._taken(source.history(name, None, None), name)
            whole, had = self._facts(name, pages, history=True), set[Any]()
            for page in pages:
                had |= self._facts(name, [page], history=True)
                if page.cursor is not None:
                    rest = self._taken(self._source().history(name, page.cursor, None), name)
                    lost = whole - had - self._facts(name, rest, history=True)
                    assert not lost, f"history of {name}: resumed from {_place(page.cursor)}, {len(lost)} lost"

    # -- what goes wrong ----------------------------------------------------------------------------------------------

    def test_too_many_calls_cost_no_try(self) -> None:
        """429 is ``TryLater``: the gateway waits, and asks again."""
        for ask in self._asked():
            self._fail("limit")
            exc = self._raised(ask)
            assert isinstance(exc, TryLater), f"too many calls: {_of(exc)} instead of TryLater"

    def test_it_waits_as_long_as_the_system_says(self) -> None:
        """``Retry-After`` is taken at its word."""
        for ask in self._asked():
            self._fail("limit")
            seconds = getattr(self._raised(ask), "seconds", 0.0)
            assert abs(seconds - WAIT) <= 1, f"the system said {WAIT:.0f} s, TryLater says {seconds:.0f} s"

    def test_refused_credentials_are_told(self) -> None:
        """``AccessRefused``, and everything with the system pauses until a person has put it right."""
        for ask in self._asked():
            self._fail("auth")
            exc = self._raised(ask)
            assert isinstance(exc, AccessRefused), f"credentials refused: {_of(exc)} instead of AccessRefused"

    def test_a_busy_system_loses_nothing(self) -> None:
        """5xx is an error that is tried again later, from the last cursor on."""
        self._comes_through("busy")

    def test_a_cut_line_loses_nothing(self) -> None:
        """Before the call or after it: the page comes again."""
        self._comes_through("cut before")
        self._comes_through("cut after")

    def test_an_answer_that_is_none_loses_nothing(self) -> None:
        """Half an answer must not pass for an empty page that moves the cursor on."""
        self._comes_through("garbage")

    def test_a_call_that_hangs_ends_by_itself(self) -> None:
        """Every request has a deadline within that of a page."""
        self._comes_through("hang")

    def test_no_request_without_budget(self) -> None:
        """Each request is paid before it is sent; with nothing left there is ``TryLater``."""
        self._streams(or_fetch=True)
        for left in range(4):
            for ask in self._asked(left):
                before = self.fake.calls
                exc = self._raised(ask)
                heard = self.fake.calls - before
                assert heard <= left, f"the budget gave {left} requests and the system heard {heard}"
                assert left or isinstance(exc, TryLater), f"no budget left: {_of(exc)} instead of TryLater"

    # -- fetching -----------------------------------------------------------------------------------------------------

    def test_what_is_looked_up_is_answered(self) -> None:
        """Every record that is there comes back; one that is not stops none of the others."""
        lookups = self._lookups()
        for more in ([], [replace(lookups[0], record="999999999")]):
            seen = {
                (event.object, event.record)
                for page in self._source().fetch([*more, *lookups])
                for event in self._items("lookup", page)
                if isinstance(event, Event)
            }
            missing = [one for one in lookups if (one.object, one.record) not in seen]
            assert not missing, f"{len(missing)} of {len(lookups)} looked up were not answered"
        assert not list(self._source().fetch([])), "nothing was looked up, and pages came"

    def test_lookups_go_in_batches(self) -> None:
        """``per_fetch`` records of one object take no more calls than one of them."""
        lookups = self._lookups()
        most = self._source().per_fetch(lookups[0].object)
        assert most > 0, f"per_fetch({lookups[0].object!r}) is {most}, but they can be fetched"
        if most == 1 or len(lookups) == 1:
            self.not_here("it fetches one record per call" if most == 1 else "`lookups` gives one record only")
        took = []
        for some in (lookups[:1], lookups[:most]):
            source = self._source()
            list(source.fetch(some))  # what is asked for once, such as a token
            before = self.fake.calls
            list(source.fetch(some))
            took.append(self.fake.calls - before)
        assert took[1] <= took[0], f"one record takes {took[0]} calls, {len(lookups[:most])} take {took[1]}"

    # -- counting -----------------------------------------------------------------------------------------------------

    def test_each_record_of_a_period_is_counted_once(self) -> None:
        """With its time in UTC, from the period's first moment until before its last: neighbours never share one."""
        for count, records in self._counts():
            times = sorted(set(records.values()))
            ends = [times[0], times[len(times) // 2], times[-1], times[-1] + timedelta(seconds=1)]
            for since, until in combinations(sorted(set(ends)), 2):
                found = list(self._source().counted(count, since, until))
                twice = len(found) - len({record for record, _ in found})
                assert not twice, f"{count.object}: {twice} counted twice"
                assert all(at.utcoffset() == timedelta(0) for _, at in found), f"{count.object}: a time is not in UTC"
                expected = {record: at for record, at in records.items() if since <= at < until}
                ids, wanted = {record for record, _ in found}, set(expected)
                wrong = f"{len(ids - wanted)} too many, {len(wanted - ids)} too few"
                assert ids == wanted, f"{count.object} from {since} until before {until}: {wrong}"
                assert dict(found) == expected, f"{count.object}: counted by another time than {count.at}"

    def test_half_a_count_is_none(self) -> None:
        """What goes wrong on the way is an error: fewer records would pass for what the system counts."""
        for count, records in self._counts():
            since, until = min(records.values()), max(records.values()) + timedelta(seconds=1)
            faults: tuple[Fault, ...] = ("busy", "cut before", "cut after", "garbage")
            for fault, after in product(faults, range(3)):
                self._fail(fault, after)
                found = len(records)
                with suppress(Exception):
                    found = len(list(self._source().counted(count, since, until)))
                self.fake.calm()
                assert found == len(records), f"{count.object}: {fault}: {found} of {len(records)} counted"

    # -- how it is done -----------------------------------------------------------------------------------------------

    def _exercised(self) -> Iterator[Any]:
        source = self._source()
        yield source
        for document in [*self.documents(), self.document(BODIES["cut"])]:
            try:
                yield from self._read(source, document)
            except Exception as exc:  # noqa: BLE001 - what it should have raised, other checks say
                yield exc
        if not self.streams(source) and type(source).fetch is Source.fetch:
            return
        for fault in self._told_apart():
            for ask in self._asked():
                if fault is not None:
                    self._fail(fault)
                yield self._raised(ask)
                self.fake.calm()

    def _source(self, left: int | None = None, now: datetime = NOW) -> Source:
        source: Source = self._part(left, now)
        return source

    def _streams(self, or_fetch: bool = False) -> list[str]:
        source = self._source()
        streams = list(self.streams(source))
        if not streams and not (or_fetch and type(source).fetch is not Source.fetch):
            assert type(source).streams is Source.streams, "no streams with these settings: give settings with some"
            self.not_here("it has no streams: nothing is pulled")
        return streams

    def _lookups(self) -> list[Lookup]:
        if type(self._source()).fetch is Source.fetch:
            self.not_here("it fetches nothing")
        found = list(dict.fromkeys(self.lookups()))
        assert found, "say which records the fake holds: def lookups(self): return [Lookup(…), …]"
        return [one for one in found if one.object == found[0].object]

    def _counts(self) -> Sequence[tuple[Count, Mapping[str, datetime]]]:
        if type(self._source()).counted is Source.counted:
            self.not_here("it cannot be counted")
        found = self.counts()
        enough = found and all(len(set(records.values())) > 1 for _, records in found)
        assert enough, "say what of the fake counts: def counts(self): return [(Count(…), {id: time, …})]"
        return found

    def _asked(self, left: int | None = None) -> Iterator[Callable[[], Any]]:
        """Each way in which the system is asked for something, by a new source."""
        self._streams(or_fetch=True)
        source = self._source(left)
        if streams := list(self.streams(source)):
            yield lambda: list(self._source(left).pull(streams[0], None, None))
        if type(source).fetch is not Source.fetch:
            lookups = self._lookups()
            yield lambda: list(self._source(left).fetch(lookups))
        if type(source).counted is not Source.counted:
            count, records = self._counts()[0]
            within = min(records.values()), max(records.values())
            yield lambda: list(self._source(left).counted(count, *within))

    def _fail(self, fault: Fault, after: int = 0) -> None:
        self.fake.calm()
        self.fake.fail(fault, seconds=WAIT if fault == "limit" else 0, after=after)

    def _comes_through(self, fault: Fault) -> None:
        """Each stream, with each of its first calls going wrong: in the end all of it is there."""
        for name in self._streams():
            whole = self._facts(name, self._pages(name))
            for after in range(3):
                self._fail(fault, after)
                had, cursor = set[Any](), None
                for number in range(ROUNDS):
                    try:
                        with self._deadlines() if fault == "hang" and not number else nullcontext():
                            for page in self._source().pull(name, cursor, None):
                                had |= self._facts(name, [page])
                                cursor = page.cursor if page.cursor is not None else cursor
                        break
                    except AssertionError:
                        raise
                    except (AccessRefused, ConfigError, QuarantineDocument, NotFound, Refused) as exc:
                        raise AssertionError(f"{name}: {fault}: {_of(exc)}: it would do to come again") from exc
                    except Exception:  # noqa: BLE001 - any other error is tried again
                        continue
                self.fake.calm()
                assert whole <= had, f"{name}: {fault} at call {after + 1}: {len(whole - had)} facts were lost"

    def _pages(self, stream: str, cursor: Cursor | None = None) -> list[Page]:
        return self._taken(self._source().pull(stream, cursor, None), stream)

    def _taken(self, given: Iterator[Page], stream: str) -> list[Page]:
        pages = []
        for page in given:
            pages.append(page)
            assert len(pages) < PAGES, f"{stream}: {PAGES} pages, and no end"
        return pages

    def _items(self, stream: str, page: Page, history: bool = False) -> list[ReadItem]:
        """A page as the gateway reads it: no document, where there are no bytes."""
        if not page.document:
            return []
        origin: Any = "lookup" if stream == "lookup" else "pull"
        more = {"headers": page.headers, "origin": origin, "stream": stream, "history": history}
        return self._read(self._source(), self.document(page.document, page.content_type, **more))

    def _changed(self, stream: str, page: Page) -> int:
        """How many records of one object a page tells of, at least."""
        with suppress(QuarantineDocument):
            found = {(one.object, one.record) for one in self._items(stream, page) if isinstance(one, RecordChanged)}
            return max(Counter(object_ for object_, _ in found).values(), default=0)
        return 0

    def _facts(self, stream: str, pages: Sequence[Page], history: bool = False) -> set[Any]:
        found: set[Any] = set()
        for page in pages:
            try:
                for item in self._items(stream, page, history):
                    if isinstance(item, Event):
                        found.add(item.key)
                    elif isinstance(item, Lookup):
                        found.add((item.object, item.record))
            except QuarantineDocument:
                continue
        return found

    def _read(self, source: Source, document: Document) -> list[ReadItem]:
        items = list(source.read(document))
        odd = [type(item).__name__ for item in items if not isinstance(item, Event | Lookup | Quarantined | Skipped)]
        assert not odd, f"`read` gives what is no read item: {', '.join(odd)}"
        return items

    def _events(self, document: Document) -> list[Event]:
        return [item for item in self._read(self._source(), document) if isinstance(item, Event)]

    def _withstands(self, source: Source, document: Document) -> None:
        items: list[ReadItem] = []
        began = time.process_time()
        try:
            items = self._read(source, document)
        except QuarantineDocument as exc:
            items = [Quarantined(object="", record="", reason=exc.reason)]
        except AssertionError:
            raise
        except (Exception, SystemExit) as exc:
            raise AssertionError(f"`read` raised {_of(exc)} instead of QuarantineDocument") from exc
        took = time.process_time() - began
        assert took < PLUGIN_CALL, f"`read` took {took:.0f} s; the gateway ends the worker at {PLUGIN_CALL:.0f}"
        for item in items:
            sound(item, self.name)


def _of(exc: BaseException | None) -> str:
    """What was raised. Of an error of ours also what it says: no other is known to tell no value."""
    if exc is None:
        return "no error"
    return f"{type(exc).__name__}: {exc}" if isinstance(exc, GatewayError) else type(exc).__name__


def _dated(items: Sequence[ReadItem]) -> list[ReadItem]:
    """Items without the keys of what nobody dated: its time is the receipt's, and so its key may be."""
    return [
        replace(item, key="") if isinstance(item, Event) and item.precision == "unknown" else item for item in items
    ]


def _named(event: Event) -> str:
    return f"{type(event).__name__} of {event.object!r}"


def _place(cursor: Mapping[str, Any]) -> str:
    text = orjson.dumps(cursor).decode()
    return text if len(text) <= 120 else f"{text[:120]}…"
