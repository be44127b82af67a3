"""The contract suite for sinks: a good one passes, and each check catches a sink that breaks what it promises."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from marshmallow import Schema, fields
from small_crm import LONGEST, MAPPING, TOKEN, CrmSink, Endless, FakeCrm, Settings, run, settings

from gateway.contracts import TASK, Call, Context, Field, Held, Receipt, Sink, Write
from gateway.testing import FakeSystem, SinkContract

FOUND, RULE = "test_the_gateway_finds_it", "test_what_is_skipped_has_a_reason"  # of every suite: tried elsewhere
CHECKS = [name for name in dir(SinkContract) if name.startswith("test_") and name not in (FOUND, RULE)]


class TestCrm(SinkContract):
    object, text, longest = "person", "name", LONGEST
    schema, secrets, mapping = Settings, (TOKEN,), MAPPING

    def build(self, context: Context) -> Sink:
        return CrmSink(settings(self.fake), context)

    def system(self) -> FakeSystem:
        return FakeCrm()


# -- sinks that keep no promise ----------------------------------------------------------------------------------------


class Bad(CrmSink):
    """The good one, with one thing wrong."""

    def wrong(self, receipts: Iterable[Receipt], **parts: Any) -> list[Receipt]:
        return [replace(one, **parts) for one in receipts]


class Lies(Bad):  # says done, sends nothing
    def deliver(self, call: Call) -> Iterable[Receipt]:
        return [Receipt(key=one.key, result="done", record="1") for one in call.writes]


class Doubles(Bad):  # another key at every try
    def deliver(self, call: Call) -> Iterable[Receipt]:
        mine = [replace(one, key=f"{one.key}{id(self)}") for one in call.writes]
        told = super().deliver(replace(call, writes=tuple(mine)))
        return [replace(one, key=made.key) for one, made in zip(told, call.writes, strict=True)]

    def find(self, object: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return {}


class MakesTasksAnew(Doubles):
    def deliver(self, call: Call) -> Iterable[Receipt]:
        return (super() if call.writes[0].object == TASK else super(Doubles, self)).deliver(call)


class LeavesTasksOpen(Bad):  # takes what closes one for a new one without a record
    def deliver(self, call: Call) -> Iterable[Receipt]:
        receipts = super().deliver(call)
        return self.wrong(receipts, result="rejected") if call.writes[0].fields == {"done": True} else receipts


class MakesAnew(Bad):  # never looks at the record's id
    def deliver(self, call: Call) -> Iterable[Receipt]:
        return super().deliver(replace(call, writes=tuple(replace(one, record=None) for one in call.writes)))


class Edits(Bad):
    """Sends other fields than it was given."""

    def edit(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return given

    def deliver(self, call: Call) -> Iterable[Receipt]:
        edited = tuple(replace(one, fields=self.edit(one.fields)) for one in call.writes)
        return super().deliver(replace(call, writes=edited))


class KeepsBlanks(Edits):
    def edit(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: value for name, value in given.items() if value is not None}


class Cuts(Edits):
    def edit(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: value and value[:LONGEST] for name, value in given.items()}


class CutsShort(Edits):
    def edit(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: value and value[:200] for name, value in given.items()}


class PlainLetters(Edits):
    def edit(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: value and value.encode("ascii", "replace").decode() for name, value in given.items()}


class AllOrNothing(Bad):  # one bad write spoils its batch
    def deliver(self, call: Call) -> Iterable[Receipt]:
        if any(value and len(value) > LONGEST for one in call.writes for value in one.fields.values()):
            return [Receipt(key=one.key, result="rejected", code="too_long") for one in call.writes]
        return super().deliver(call)


class StopsAll(Bad):  # one row's value stops every row
    def deliver(self, call: Call) -> Iterable[Receipt]:
        return [replace(one, scope="mapping") for one in super().deliver(call)]


class OneRequest(Bad):  # however many
    def calls(self, writes: Sequence[Write]) -> Sequence[Call]:
        return [Call(title="people", writes=tuple(writes))]


class AsksFirst(Bad):
    def calls(self, writes: Sequence[Write]) -> Sequence[Call]:
        self.client.ask("GET", "/account", "id")
        return super().calls(writes)


class ChangesThem(Bad):
    def calls(self, writes: Sequence[Write]) -> Sequence[Call]:
        for one in writes:
            one.fields["seen"] = "yes"  # type: ignore[index]
        return super().calls(writes)


class LeavesOneOut(Bad):
    def calls(self, writes: Sequence[Write]) -> Sequence[Call]:
        return super().calls(writes[:4])


class TellsNames(Bad):
    def calls(self, writes: Sequence[Write]) -> Sequence[Call]:
        return [replace(one, title=f"write {one.writes[0].fields}") for one in super().calls(writes)]


class SendsMore(Bad):  # keeps what it was to write, and sends it along
    others: tuple[Write, ...] = ()

    def deliver(self, call: Call) -> Iterable[Receipt]:
        mine = {one.key for one in call.writes}
        SendsMore.others += tuple(replace(one, key=f"{one.key}x") for one in call.writes)
        return [one for one in super().deliver(replace(call, writes=self.others + call.writes)) if one.key in mine]


class AsksTwice(Bad):
    def deliver(self, call: Call) -> Iterable[Receipt]:
        self.find("person", [one.key for one in call.writes])
        return super().deliver(call)


class PaysNothing(Bad):
    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, replace(context, budget=None))


class Says(Bad):
    """Other results than the good one says."""

    said: Mapping[str, str]

    def deliver(self, call: Call) -> Iterable[Receipt]:
        return [replace(one, result=self.said.get(one.result, one.result)) for one in super().deliver(call)]


class TakesLimitsForErrors(Says):
    said = {"limit": "retry"}  # noqa: RUF012 - read only


class TakesAuthForErrors(Says):
    said = {"auth": "rejected"}  # noqa: RUF012


class GivesUp(Says):
    said = {"unknown": "rejected"}  # noqa: RUF012


class WaitsAsItLikes(Bad):
    def deliver(self, call: Call) -> Iterable[Receipt]:
        return [replace(one, seconds=1.0) for one in super().deliver(call)]


class Raises(Bad):
    def deliver(self, call: Call) -> Iterable[Receipt]:
        receipts = list(super().deliver(call))
        if receipts[0].result == "limit":
            raise TimeoutError("too many calls")
        return receipts


class TakesLossForSuccess(Says):
    said = {"unknown": "done"}  # noqa: RUF012


class SendsAgain(Doubles):  # at once, and under another key
    def find(self, object: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return {}


class Waits(Bad):
    """For ever."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        self.client = Endless(settings, context)


class FindsAnything(Bad):
    def find(self, object: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return {key: ["1001"] for key in keys}


class HoldsTheWrongThing(Bad):
    def held(self, object: str, records: Sequence[str], fields: Sequence[str]) -> Mapping[str, Held]:
        return {record: Held(values={}) for record in records}


class KnowsNothing(Bad):
    def describe(self, object: str) -> Mapping[str, Field]:
        return {"name": Field(name="name", type="varchar")}


class NamesOne(Bad):  # of those who carry a key
    def find(self, object: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return {key: found[:1] for key, found in super().find(object, keys).items()}


class TellsNoLength(Bad):
    def describe(self, object: str) -> Mapping[str, Field]:
        return {name: replace(one, length=None) for name, one in super().describe(object).items()}


class LeadsNowhere(Bad):
    links = {"person": "/people"}  # noqa: RUF012


class CarriesLetters(Bad):
    carries = {"letter": ("*",)}  # noqa: RUF012


class Shows(Bad):
    def __repr__(self) -> str:
        return f"Shows({self.client._token.reveal()})"


class TwoReceipts(Bad):
    def deliver(self, call: Call) -> Iterable[Receipt]:
        return [*super().deliver(call)] * 2


class Undocumented(Schema):
    url = fields.String(required=True, metadata={"description": "address of the CRM's API"})
    token = fields.String(required=True)


Make = Callable[[Mapping[str, Any], Context], Sink]
BAD: Sequence[tuple[Make, str, str]] = [
    (Lies, "test_a_new_record_is_made_as_wanted", "receipts of three writes name fewer records"),
    (TwoReceipts, "test_a_new_record_is_made_as_wanted", "two receipts for one write"),
    (Doubles, "test_the_same_write_twice_has_one_effect", "two writes, said twice, made 4 records"),
    (MakesAnew, "test_an_update_keeps_its_record", "the receipt names another record than was written to"),
    (KeepsBlanks, "test_none_clears_and_absent_does_not", "'name' is held as 'Name 1', wanted was None"),
    (PlainLetters, "test_text_arrives_as_it_is", "'name' is held as"),
    (CutsShort, "test_the_longest_value_is_kept_whole", "'name' is held as '"),
    (Cuts, "test_a_value_too_long_is_refused_by_name", "a value too long: done, not rejected"),
    (
        StopsAll,
        "test_a_value_too_long_is_refused_by_name",
        "one bad value is no reason to stop every record",
    ),
    (AllOrNothing, "test_a_bad_write_harms_no_other", "the receipts say: rejected too_long"),
    (OneRequest, "test_many_writes_are_all_delivered", "the receipts say: unknown"),
    (AsksFirst, "test_calls_only_batches", "`calls` has asked the system"),
    (ChangesThem, "test_calls_only_batches", "`calls` changed the writes it was given"),
    (LeavesOneOut, "test_every_write_is_in_one_call", "what is in the calls is not what was to be written"),
    (TellsNames, "test_a_title_tells_no_value", "the title of a call tells a value of 'name'"),
    (SendsMore, "test_what_was_previewed_is_what_is_sent", "a call of one write made 2 records"),
    (AsksTwice, "test_a_call_takes_the_requests_it_says", "'write 4 people' says 1 and took 2 requests"),
    (PaysNothing, "test_no_request_without_budget", "the budget gave 0 requests and the system heard 1"),
    (TakesLimitsForErrors, "test_too_many_calls_cost_no_try", "the receipts say: retry"),
    (Raises, "test_too_many_calls_cost_no_try", "deliver raised"),
    (WaitsAsItLikes, "test_it_waits_as_long_as_the_system_says", "the system said 17 s, the receipt 1 s"),
    (
        TakesAuthForErrors,
        "test_refused_credentials_pause_the_system",
        "the receipts say: rejected the CRM refused ${TOKEN}",
    ),
    (GivesUp, "test_a_busy_system_is_asked_again", "busy: the receipts say: rejected: the gateway would not try again"),
    (
        TakesLossForSuccess,
        "test_a_line_cut_before_the_call_loses_nothing",
        "'name' is held as 'Name 1', wanted was 'Name 2'",
    ),
    (
        SendsAgain,
        "test_a_line_cut_after_the_call_doubles_nothing",
        "cut after: two people, and the system holds 3 records",
    ),
    (SendsAgain, "test_an_answer_that_is_none_doubles_nothing", "garbage: two people, and the system holds 3 records"),
    (Waits, "test_a_call_that_hangs_ends_by_itself", "a request without a deadline waits for ever where a system"),
    (FindsAnything, "test_find_tells_whose_key_it_is", "`find` does not name the record of a key"),
    (NamesOne, "test_find_tells_of_every_record", "two records carry the key, and `find` names 1"),
    (TellsNoLength, "test_the_catalogue_tells_how_long_a_text_may_be", "'name': the catalogue says no length, and 255"),
    (HoldsTheWrongThing, "test_held_tells_what_records_hold", "`held` gives other records than those that are there"),
    (KnowsNothing, "test_the_catalogue_knows_what_is_written", "name: 'varchar' is no type that a mapping file knows"),
    (LeadsNowhere, "test_links_lead_to_records", "links: person: not an address for a browser"),
    (
        CarriesLetters,
        "test_it_carries_what_the_gateway_knows",
        "carries: 'letter' is none of follow_up_task, list_membership",
    ),
    (MakesTasksAnew, "test_what_stands_beside_a_record_is_made_once", "follow_up_task: said twice, it is another"),
    (
        LeavesTasksOpen,
        "test_what_stands_beside_a_record_is_made_once",
        "follow_up_task: not closed: the receipts say: rejected",
    ),
    (Shows, "test_secrets_appear_nowhere", "a secret shows"),
]


def suite(make: Make, **parts: Any) -> SinkContract:
    return type("Suite", (TestCrm,), {"build": lambda self, context: make(settings(self.fake), context), **parts})()


@pytest.mark.parametrize(("make", "check", "said"), BAD, ids=lambda one: getattr(one, "__name__", one))
def test_a_sink_that_breaks_a_promise_fails_its_check(make: Make, check: str, said: str) -> None:
    SendsMore.others = ()
    with pytest.raises(AssertionError, match=re.escape(said)):
        run(suite(make), check)


def test_a_schema_without_words_fails_its_check() -> None:
    with pytest.raises(AssertionError, match=r"token: say what it is for; token: is a secret by its name"):
        run(suite(CrmSink, schema=Undocumented), "test_settings_are_documented")
    with pytest.raises(AssertionError, match="name the secret values"):
        run(suite(CrmSink, secrets=()), "test_secrets_appear_nowhere")


def test_every_check_can_fail() -> None:
    assert set(CHECKS) == {check for _, check, _ in BAD} | {"test_settings_are_documented"}
