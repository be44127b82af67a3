"""What every sink keeps to. The gateway previews, delivers, retries and undoes on the strength of it."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from gateway.contracts import CAMPAIGN, COMPANIONS, LIST, NOTICE, TASK, Call, Context, Receipt, Sink, Write
from gateway.mapping.types import TYPES
from gateway.testing.contract import SystemContract
from gateway.testing.hostile import TEXTS
from gateway.testing.system import Fault

WAIT = 17.0
"""Seconds that the system asks for when there were too many calls."""
ROUNDS = 6
"""So often the gateway's way is gone until a write must be done."""
MEANINGS = {*TYPES, "choice", "list", "reference", "relation", "other"}


class SinkContract(SystemContract):
    """Every check writes records of ``object`` to the fake system. Subclass it and say at least ``build``, ``system``
    (whose ``records`` show what is held), ``object``, ``text``, ``schema`` and ``secrets``."""

    contract = "sink"

    object: str = "contact"
    """What your sink writes, by the name a mapping file gives it."""
    text: str = "name"
    """A field of it that takes any text and may be cleared."""
    longest: int = 255
    """Characters that the field takes."""
    many: int = 250
    """Writes of a large delivery: more than the system takes in one request."""
    once: bool = False
    """Its records are said once and never changed, as messages are."""

    def build(self, context: Context) -> Sink:
        """A sink of yours, as its factory makes it. Called often: each stands for another process."""
        raise NotImplementedError("say how yours is built: def build(self, context): return MySink(settings, context)")

    def fields(self, number: int) -> Mapping[str, Any]:
        """The fields of a new record: what the system asks for and ``text``, another one for each number."""
        return {self.text: f"Name {number}"}

    def refused(self) -> Mapping[str, Any]:
        """Fields of a new record that the system refuses because of the value of ``text``."""
        return {**self.fields(99), self.text: "x" * (self.longest + 1)}

    def beside(self, name: str, under: str) -> Mapping[str, Any]:
        """The fields of what stands beside a record, as the gateway writes them. ``under``: a name of ``carries``."""
        named = "Nurture" if under == "*" else under
        task = {
            "handoff": f"{1:032x}",
            "subject": "Call Ann",
            "description": "She asked for a call.",
            "priority": "high",
        }
        made: Mapping[str, Mapping[str, Any]] = {
            TASK: {**task, "due_at": "2026-06-02T12:00:00Z", "zone": "UTC"},
            LIST: {"list": named, "member": True},
            CAMPAIGN: {"campaign": named},
        }
        return made[name]

    def write(self, number: int, record: str | None = None, fields: Mapping[str, Any] | None = None) -> Write:
        """A write as the gateway makes them. :param record: the id of a record that is known."""
        said = dict(self.fields(number) if fields is None else fields)
        return Write(key=f"{number:032x}", object=self.object, record=record, fields=said, create=record is None)

    # -- records ------------------------------------------------------------------------------------------------------

    def test_a_new_record_is_made_as_wanted(self) -> None:
        """Else every other check proves nothing: three writes are three records, and each receipt names its own."""
        writes = [self.write(number) for number in range(1, 4)]
        receipts = self._deliver(self._sink(), writes)
        assert self._results(receipts) == {"done"}, self._told(receipts)
        assert len({receipts[one.key].record for one in writes}) == 3, "receipts of three writes name fewer records"
        assert len(self._held()) == 3, f"three writes, and the system holds {len(self._held())} records"
        for one in writes:
            self._stands(receipts[one.key].record, one.fields)

    def test_the_same_write_twice_has_one_effect(self) -> None:
        """The gateway may die between the system's answer and its own commit, and another process says it again."""
        first = self._deliver(self._sink(), [self.write(1), self.write(2)])
        again = self._deliver(self._sink(), [self.write(1), self.write(2)])
        assert len(self._held()) == 2, f"two writes, said twice, made {len(self._held())} records"
        for key, receipt in again.items():
            assert (receipt.result, receipt.record) == ("done", first[key].record), self._told(again)

    def test_an_update_keeps_its_record(self) -> None:
        """A write that names its record changes that one and makes none, also when it is said twice."""
        self._can_change()
        ids = self._made(2)
        update = self.write(7, ids[0], {self.text: "Another"})
        for _ in range(2):
            receipts = self._deliver(self._sink(), [update])
            assert receipts[update.key].result == "done", self._told(receipts)
            assert receipts[update.key].record in (ids[0], ""), "the receipt names another record than was written to"
        assert set(self._held()) == set(ids), "an update made a record, or lost one"
        self._stands(ids[0], {**self.fields(1), self.text: "Another"})
        self._stands(ids[1], self.fields(2))

    def test_none_clears_and_absent_does_not(self) -> None:
        """A value of None empties the field; a field that is not named stays as it is."""
        self._can_change()
        [id_] = self._made(1)
        others = {name: value for name, value in self.fields(1).items() if name != self.text}
        if others:
            receipts = self._deliver(self._sink(), [self.write(1, id_, others)])
            assert self._results(receipts) == {"done"}, self._told(receipts)
            self._stands(id_, self.fields(1))
        receipts = self._deliver(self._sink(), [self.write(1, id_, {self.text: None})])
        assert self._results(receipts) == {"done"}, self._told(receipts)
        self._stands(id_, {**self.fields(1), self.text: None})

    def test_text_arrives_as_it_is(self) -> None:
        """Quotes, other alphabets, markup, what a spreadsheet would compute: the system holds what was written."""
        writes = [
            self.write(number, fields={**self.fields(number), self.text: text}) for number, text in enumerate(TEXTS, 1)
        ]
        receipts = self._deliver(self._sink(), writes)
        assert self._results(receipts) == {"done"}, self._told(receipts)
        for one in writes:
            self._stands(receipts[one.key].record, one.fields)

    def test_the_longest_value_is_kept_whole(self) -> None:
        """What fits is held to its last character."""
        whole = {**self.fields(1), self.text: "ü" * self.longest}
        receipts = self._deliver(self._sink(), [self.write(1, fields=whole)])
        assert self._results(receipts) == {"done"}, self._told(receipts)
        self._stands(next(iter(receipts.values())).record, whole)

    def test_a_value_too_long_is_refused_by_name(self) -> None:
        """Rejected for this row alone, the field named, and nothing of it cut off to make it fit."""
        receipt = self._deliver(self._sink(), [self.write(1, fields=self.refused())])[f"{1:032x}"]
        assert receipt.result == "rejected", f"a value too long: {receipt.result}, not rejected"
        assert self.text in receipt.fields, f"the receipt names {receipt.fields or 'no field'}, not {self.text!r}"
        assert receipt.scope == "row", "one bad value is no reason to stop every record's write of the field"
        assert not self._held(), "a record was made of a write that was rejected"

    def test_a_bad_write_harms_no_other(self) -> None:
        """Half a batch fails: each write is judged by itself."""
        bad = self.write(2, fields=self.refused())
        receipts = self._deliver(self._sink(), [self.write(1), bad, self.write(3)])
        assert receipts[bad.key].result == "rejected", self._told(receipts)
        good = [receipts[f"{number:032x}"] for number in (1, 3)]
        assert self._results(good) == {"done"}, self._told(receipts)
        assert set(self._held()) == {one.record for one in good}, "the good ones are not what the system holds"

    def test_many_writes_are_all_delivered(self) -> None:
        """However many: cut into requests that the system takes, none left out."""
        receipts = self._deliver(self._sink(), [self.write(number) for number in range(1, self.many + 1)])
        assert self._results(receipts) == {"done"}, self._told(receipts)
        assert len(self._held()) == self.many, f"{self.many} writes made {len(self._held())} records"

    # -- calls --------------------------------------------------------------------------------------------------------

    def test_calls_only_batches(self) -> None:
        """``gateway plan`` asks for it: nothing is sent, nothing is changed, and asked twice it says the same."""
        writes = [self.write(number) for number in range(1, 8)] + [self.write(9, "1", {self.text: None})]
        kept, before = copy.deepcopy(writes), self.fake.calls
        sink = self._sink()
        told = [self._shown(one.calls(writes)) for one in (sink, sink, self._sink())]
        assert self.fake.calls == before, "`calls` has asked the system"
        assert not self._budget.spent, "`calls` has spent of the budget"
        assert writes == kept, "`calls` changed the writes it was given"
        assert told[0] == told[1] == told[2], "`calls` batches the same writes in another way each time"
        assert all(isinstance(title, str) and title for title, _, _ in told[0]), "a call without a title"

    def test_every_write_is_in_one_call(self) -> None:
        """None left out, none twice, none changed; the most urgent go first."""
        writes = [self.write(number) for number in range(1, 8)]
        calls = self._sink().calls(writes)
        named = sorted((one for call in calls for one in call.writes), key=lambda one: one.key)
        assert named == writes, "what is in the calls is not what was to be written"
        assert list(self._sink().calls([])) == [], "a call with nothing to write"

    def test_a_title_tells_no_value(self) -> None:
        """Titles are printed and logged; who the people are is not for everybody."""
        writes = [self.write(number, fields={**self.fields(number), self.text: "Zoë Quist"}) for number in (1, 2)]
        for call in self._sink().calls(writes):
            assert "Zoë" not in call.title, f"the title of a call tells a value of {self.text!r}"

    def test_what_was_previewed_is_what_is_sent(self) -> None:
        """``deliver`` sends the writes of its call and no other, whichever sink made the call."""
        for number in (1, 2):
            before = set(self._held())
            [*calls] = self._sink().calls([self.write(number)])
            assert len(calls) == 1, f"one write in {len(calls)} calls"
            self._receipts(self._sink(), calls[0])
            new = set(self._held()) - before
            assert len(new) == 1, f"a call of one write made {len(new)} records"
            self._stands(new.pop(), self.fields(number))

    def test_a_call_takes_the_requests_it_says(self) -> None:
        """``Call.cost`` requests at most: the preview says how much of a quota a push takes."""
        sink = self._sink()
        self._deliver(sink, [self.write(1)])  # what is asked for once, such as a token
        for call in sink.calls([self.write(number) for number in range(2, 6)]):
            before = self.fake.calls
            self._receipts(sink, call)
            took = self.fake.calls - before
            assert took <= call.cost, f"{call.title!r} says {call.cost} and took {took} requests"

    # -- limits and refusals ------------------------------------------------------------------------------------------

    def test_no_request_without_budget(self) -> None:
        """Each request is paid before it is sent; with nothing left the write waits, and costs no try."""
        for left in range(4):
            sink, before = self._sink(left), self.fake.calls
            receipts = self._deliver(sink, [self.write(left + 1)])
            heard = self.fake.calls - before
            assert heard <= left, f"the budget gave {left} requests and the system heard {heard}"
            if not left:
                assert self._results(receipts) == {"limit"}, self._told(receipts)
                assert all(one.seconds > 60 for one in receipts.values()), "the budget said how long to wait"

    def test_too_many_calls_cost_no_try(self) -> None:
        """The system refuses for now (429): ``limit``, and when it is asked again the record is made."""
        writes = [self.write(1), self.write(2)]
        receipts = self._refused_once("limit", writes)
        assert self._results(receipts) == {"limit"}, self._told(receipts)
        self._goes_on(writes, receipts)

    def test_it_waits_as_long_as_the_system_says(self) -> None:
        """``Retry-After`` is taken at its word."""
        receipts = self._refused_once("limit", [self.write(1)])
        [told] = receipts.values()
        assert abs(told.seconds - WAIT) <= 1, f"the system said {WAIT:.0f} s, the receipt {told.seconds:.0f} s"

    def test_refused_credentials_pause_the_system(self) -> None:
        """``auth`` for every write of the call: no try is spent, a person is asked."""
        writes = [self.write(1), self.write(2)]
        receipts = self._refused_once("auth", writes)
        assert self._results(receipts) == {"auth"}, self._told(receipts)
        self._goes_on(writes, receipts)

    def test_a_busy_system_is_asked_again(self) -> None:
        """5xx is nobody's mistake: not rejected, and done when the trouble is over."""
        self._comes_through("busy")

    def test_a_line_cut_before_the_call_loses_nothing(self) -> None:
        """The call was never heard: said again, it makes one record."""
        self._comes_through("cut before")

    def test_a_line_cut_after_the_call_doubles_nothing(self) -> None:
        """The effect is there, the answer is not: found by its key or said again, it is one record."""
        self._comes_through("cut after")

    def test_an_answer_that_is_none_doubles_nothing(self) -> None:
        """A proxy's page or half an answer is no success and no refusal."""
        self._comes_through("garbage")

    def test_a_call_that_hangs_ends_by_itself(self) -> None:
        """Every request has a deadline within that of a delivery; what became of it is unknown."""
        self._comes_through("hang")

    # -- what may be asked --------------------------------------------------------------------------------------------

    def test_find_tells_whose_key_it_is(self) -> None:
        """After ``unknown`` the gateway asks before it sends again; keys that nobody carries lead nowhere."""
        sink = self._sink()
        if type(sink).find is Sink.find:
            self.not_here("it cannot be asked for our keys")
        receipts = self._deliver(sink, [self.write(1), self.write(2)])
        keys, nobody = list(receipts), f"{77:032x}"
        found = self._sink().find(self.object, [*keys, nobody])
        for key in keys:
            assert list(found.get(key, ())) == [receipts[key].record], "`find` does not name the record of a key"
        assert not found.get(nobody), "`find` names a record for a key that nobody carries"
        assert not self._sink().find(self.object, [])

    def test_find_tells_of_every_record(self) -> None:
        """Of two records with one key it names both: the gateway asks a person, instead of writing to one of them."""
        if type(self._sink()).find is Sink.find:
            self.not_here("it cannot be asked for our keys")
        [first] = self._made(1)
        if not (second := self.fake.double(self.object, first)):
            self.not_here("the system holds one record per key at most (FakeSystem.double makes a second one)")
        key = self.write(1).key
        found = sorted(self._sink().find(self.object, [key]).get(key, ()))
        assert found == sorted([first, second]), f"two records carry the key, and `find` names {len(found)}"

    def test_held_tells_what_records_hold(self) -> None:
        """Asked before guarded fields are written, and for what an undo puts back; who is gone is left out."""
        sink = self._sink()
        if type(sink).held is Sink.held:
            self.not_here("its records cannot be read back, so no field of it can be guarded")
        ids = self._made(2)
        found = self._sink().held(self.object, [*ids, "no-such-record"], [self.text])
        assert set(found) == set(ids), "`held` gives other records than those that are there"
        for number, id_ in enumerate(ids, 1):
            value = found[id_].values.get(self.text)
            assert value == self.fields(number)[self.text], f"`held` gives another value of {self.text!r}"
            at = found[id_].at
            assert at is None or at.utcoffset() is not None, "`held` gives a time without a zone"

    def test_the_catalogue_knows_what_is_written(self) -> None:
        """Mapping files are held against it: names, types in a mapping file's words, what can be written."""
        sink = self._sink()
        if type(sink).describe is Sink.describe:
            self.not_here("it has no catalogue")
        found = self._sink().describe(self.object)
        for name, one in found.items():
            assert one.name == name, f"the catalogue has {one.name!r} under {name!r}"
            assert one.type in MEANINGS, f"{name}: {one.type!r} is no type that a mapping file knows"
        for name in self.fields(1):
            assert name in found, f"the catalogue does not know {name!r}"
            assert found[name].writable, f"the catalogue says that {name!r} cannot be written"
        assert not self._sink().describe("no_such_object_of_ours"), "a catalogue of an object that is not there"

    def test_the_catalogue_tells_how_long_a_text_may_be(self) -> None:
        """Longer values are then told before they are sent; skip it where the system does not say."""
        sink = self._sink()
        if type(sink).describe is Sink.describe:
            self.not_here("it has no catalogue")
        length = sink.describe(self.object)[self.text].length
        said = "no length" if length is None else f"{length} characters"
        assert length == self.longest, f"{self.text!r}: the catalogue says {said}, and {self.longest} fit"

    def test_links_lead_to_records(self) -> None:
        """Addresses with {record} in them, for people; under * also {object}."""
        for name, address in self._sink().links.items():
            assert re.match(r"https?://", address), f"links: {name}: not an address for a browser"
            assert "{record}" in address, f"links: {name}: no place for the record's id"
            rest = re.findall(r"\{(\w+)\}", address)
            assert set(rest) <= ({"record", "object"} if name == "*" else {"record"}), f"links: {name}: {rest}"

    def test_it_carries_what_the_gateway_knows(self) -> None:
        """``carries`` names tasks, lists, campaigns or notices, and under which names they are kept."""
        for name, under in self._sink().carries.items():
            assert name in (*COMPANIONS, NOTICE), f"carries: {name!r} is none of {', '.join((*COMPANIONS, NOTICE))}"
            assert not isinstance(under, str), f"carries: {name}: a collection of names, ('*',) for any"
            assert under, f"carries: {name}: no name at all; leave it out"

    def test_what_stands_beside_a_record_is_made_once(self) -> None:
        """Tasks, places on lists and in campaigns: said twice, or said again after an answer that was lost."""
        carried = {name: under for name, under in self._sink().carries.items() if name in COMPANIONS}
        if not carried:
            self.not_here("it carries nothing beside records")
        [person] = self._made(1)
        for number, (name, under) in enumerate(carried.items(), 10):
            made = replace(self.write(number, fields=self.beside(name, min(under))), object=name)
            made = replace(made, refs={self.object: person})
            made = replace(made, key=f"handoff:{made.fields['handoff']}:task") if name == TASK else made
            first = self._deliver(self._sink(), [made])[made.key]
            assert (first.result, bool(first.record)) == ("done", True), f"{name}: {self._told({'': first})}"
            for fault in (None, "cut after"):
                if fault is not None:
                    self.fake.fail("cut after")
                sink = self._sink()
                told = self._receipts(sink, sink.calls([made])[0], lost=True)[made.key]
                again = self._followed(made, told)
                assert (again.result, again.record) == ("done", first.record), f"{name}: said twice, it is another"
                assert len(self.fake.records(name)) <= 1, f"{name}: said twice, it is there twice"
                self.fake.calm()
            if name == TASK and type(self._sink()).tasks is not Sink.tasks:
                told_of = dict(self._sink().tasks(self.object, [person]).get(person, {}))
                assert told_of == {first.record: made.key}, f"`tasks` does not name the {name} and its key"
            if name == TASK:
                closed = replace(
                    made, key=f"{made.key}-closed", record=first.record, create=False, fields={"done": True}
                )
                told = self._deliver(self._sink(), [closed])[closed.key]
                assert told.result == "done", f"{name}: not closed: {self._told({'': told})}"

    # -- how it is done -----------------------------------------------------------------------------------------------

    def _exercised(self) -> Iterator[Any]:
        sink = self._sink()
        yield sink
        try:
            calls = sink.calls([self.write(1)])
        except Exception as exc:  # noqa: BLE001 - whatever it says, no secret is in it
            yield exc
            return
        yield from calls
        for fault in self._told_apart():
            if fault is not None:
                self._fail(fault)
            for call in calls:
                try:
                    yield from sink.deliver(call)
                except Exception as exc:  # noqa: BLE001 - whatever it says, no secret is in it
                    yield exc

    def _sink(self, left: int | None = None) -> Sink:
        sink: Sink = self._part(left)
        return sink

    def _held(self) -> Mapping[str, Mapping[str, Any]]:
        return self.fake.records(self.object)

    def _made(self, number: int) -> list[str]:
        writes = [self.write(one) for one in range(1, number + 1)]
        receipts = self._deliver(self._sink(), writes)
        assert self._results(receipts) == {"done"}, self._told(receipts)
        return [receipts[one.key].record for one in writes]

    def _deliver(self, sink: Sink, writes: Sequence[Write]) -> dict[str, Receipt]:
        """As the gateway does it: call after call; who is met over there alone is linked, and written to by id."""
        told: dict[str, Receipt] = {}
        for call in sink.calls(writes):
            told |= self._receipts(sink, call)
        missing = [one.key for one in writes if one.key not in told]
        assert not missing, f"{len(missing)} of {len(writes)} writes are in no call"
        met = [replace(one, record=id_, create=False) for one in writes if (id_ := _met(one, told[one.key]))]
        return told | (self._deliver(sink, met) if met else {})

    def _receipts(self, sink: Sink, call: Call, lost: bool = False) -> dict[str, Receipt]:
        """The receipts of one call. ``lost``: an exception may stand for an answer that never came."""
        try:
            given = list(sink.deliver(call))
        except Exception as exc:
            if lost:
                return {one.key: Receipt(key=one.key, result="unknown", code=type(exc).__name__) for one in call.writes}
            raise AssertionError(
                f"deliver raised {type(exc).__name__}: say it in a receipt for each write, or all of them are unsure"
            ) from exc
        assert all(isinstance(one, Receipt) for one in given), "deliver gave something else than receipts"
        keys = [one.key for one in given]
        assert len(set(keys)) == len(keys), "two receipts for one write"
        assert set(keys) == {one.key for one in call.writes}, "not one receipt for each write of the call, by its key"
        return {one.key: one for one in given}

    def _fail(self, fault: Fault, after: int = 0) -> None:
        self.fake.fail(fault, seconds=WAIT if fault == "limit" else 0, after=after)

    def _refused_once(self, fault: Fault, writes: Sequence[Write]) -> dict[str, Receipt]:
        sink = self._sink()
        calls = sink.calls(writes)
        self._fail(fault)
        receipts = self._receipts(sink, calls[0])
        assert not self._held(), "the call was refused, and records are there"
        return receipts

    def _goes_on(self, writes: Sequence[Write], told: Mapping[str, Receipt]) -> None:
        again = self._deliver(self._sink(), writes)
        assert self._results(again) == {"done"}, self._told(again)
        assert len(self._held()) == len(writes), f"{len(writes)} writes made {len(self._held())} records"

    def _comes_through(self, fault: Fault) -> None:
        """A create and an update that meet a fault: unsure or to be tried again, then done, once."""
        [id_] = self._made(1)
        both = (self.write(2), self.write(1, id_, {self.text: "Another"}))
        for made in both[:1] if self.once else both:
            sink = self._sink()
            calls = sink.calls([made])
            self._fail(fault)
            with self._deadlines() if fault == "hang" else nullcontext():
                told = self._receipts(sink, calls[0], lost=True)[made.key]
            expected = ("retry", "unknown", "limit", "done")
            goes_on = told.result in expected or _met(made, told)
            assert goes_on, f"{fault}: {self._told({'': told})}: the gateway would not try again"
            told = self._followed(made, told)
            assert told.result == "done", f"{fault}: the trouble is over, and {self._told({'': told})}"
            self._stands(told.record or id_, made.fields)
        assert len(self._held()) == 2, f"{fault}: two people, and the system holds {len(self._held())} records"

    def _followed(self, made: Write, told: Receipt) -> Receipt:
        """The gateway's way from there: looked up where nobody knows, else said again, until it is done."""
        for _ in range(ROUNDS):
            if told.result == "done":
                break
            found = list(self._sink().find(made.object, [made.key]).get(made.key, ()))
            if told.result == "unknown" and made.create and len(found) == 1:
                told = Receipt(key=made.key, result="done", record=found[0])
            else:
                told = self._deliver(self._sink(), [made])[made.key]
        return told

    def _can_change(self) -> None:
        if self.once:
            self.not_here("what it says is said once, and never changed")

    def _stands(self, record: str, wanted: Mapping[str, Any]) -> None:
        held = self._held().get(record)
        assert held is not None, "the receipt names a record that the system does not hold"
        for name, value in wanted.items():
            here = held.get(name)
            same = here in (None, "") if value is None else here == value
            assert same, f"{name!r} is held as {_kind(here)}, wanted was {_kind(value)}"

    @staticmethod
    def _shown(calls: Sequence[Call]) -> list[tuple[str, tuple[str, ...], int]]:
        return [(call.title, tuple(one.key for one in call.writes), call.cost) for call in calls]

    @staticmethod
    def _results(receipts: Mapping[str, Receipt] | Sequence[Receipt]) -> set[str]:
        return {one.result for one in (receipts.values() if isinstance(receipts, Mapping) else receipts)}

    @staticmethod
    def _told(receipts: Mapping[str, Receipt]) -> str:
        told = [" ".join(filter(None, (one.result, one.code, one.message))) for one in receipts.values()]
        return f"the receipts say: {'; '.join(sorted(set(told)))}"


def _met(made: Write, receipt: Receipt) -> str:
    """The one record that a create would have doubled."""
    alone = made.record is None and receipt.result == "duplicate" and len(receipt.candidates) == 1
    return receipt.candidates[0] if alone else ""


def _kind(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:40]}… ({len(str(value))} characters)"
