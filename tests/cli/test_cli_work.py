"""``gateway work``: each kind of item is shown with what is legal, settled by it, and booked with who and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway_files.sink import FilesSink

from gateway.contracts import Receipt


def sell(instance: Any, *rows: str) -> None:
    """News of the CRM."""
    path = instance.write("data/sales.csv", "\n".join(["id,at,mail,position", *rows]) + "\n")
    instance.run("import", str(path), "--system", "sales")


def work(instance: Any) -> list[Any]:
    return instance.json("work", "list")["work"]


@pytest.fixture
def conflict(instance: Any, bob: Any) -> Any:
    """Bob's title was edited in both systems at one moment."""
    instance.edit("mappings/leads.yaml", "      title: title\n", "      title: {to: title, sync: newest} # both\n")
    instance.bring([bob])
    sell(instance, "s1,2026-01-07T09:00:00,bob@two.example,Intern")
    sell(instance, "s1,2026-02-01T09:00:00,bob@two.example,Trainee")
    instance.bring([bob | {"at": "2026-02-01T09:00:00", "title": "Assistant"}], "later.csv")
    return instance


def title(instance: Any) -> Any:
    values = instance.json("leads", "show", "bob@two.example")["attributes"]
    return next(one["value"] for one in values if one["field"] == "title")


def test_a_conflict_is_shown_with_both_values_and_what_may_be_said(conflict: Any) -> None:
    """The values are read where they stand; the item itself holds none."""
    [item] = work(conflict)
    shown = conflict.json("work", "show", item["id"])
    assert (shown["kind"], shown["legal"]) == ("conflict", ["--keep", "--value"])
    assert {side["system"]: side["value"] for side in shown["sides"]} == {"sales": "Trainee", "leads": "Assistant"}
    assert "Trainee" not in str(item)


def test_keeping_one_system_s_value_tells_the_other(conflict: Any) -> None:
    """The lead has it from now on, and the plan holds it for the other system alone."""
    [item] = work(conflict)
    conflict.run("work", "resolve", item["id"], "--keep", "sales", "--by", "Kim")
    assert (title(conflict), work(conflict)) == ("Trainee", [])
    systems = conflict.json("plan")["systems"]
    told = [(one["system"], field["field"]) for one in systems for write in one["writes"] for field in write["fields"]]
    assert [field for field in told if field[1] in ("title", "position")] == [("leads", "title")]


def test_who_said_what_is_shown_by_the_item_and_by_the_lead(conflict: Any) -> None:
    """Append-only: the item, and the lead's timeline."""
    [item] = work(conflict)
    conflict.run("work", "resolve", item["id"], "--value", "Manager", "--by", "Kim")
    [said] = conflict.json("work", "show", item["id"])["said"]
    assert (said["by"], said["resolution"]) == ("Kim", "value")
    timeline = conflict.json("leads", "show", "bob@two.example")["timeline"]
    assert [(one["text"], one["cause"]) for one in timeline if one["what"] == "work"] == [
        ("conflict settled: value", "by Kim")
    ]
    assert title(conflict) == "Manager"


def test_always_writes_the_rule_into_the_mapping_files(conflict: Any) -> None:
    """Comments stay, and the next edits of both are no question any more."""
    [item] = work(conflict)
    said = conflict.run("work", "resolve", item["id"], "--keep", "sales", "--always").output
    assert "mappings/leads.yaml: contact.title: sync: prefer, prefer: sales" in said
    assert (
        "title: {to: title, sync: prefer, prefer: sales} # both" in (conflict.root / "mappings/leads.yaml").read_text()
    )
    assert "position: {to: title, sync: prefer, prefer: sales}" in (conflict.root / "mappings/sales.yaml").read_text()
    assert (title(conflict), work(conflict)) == ("Trainee", [])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["--keep", "sails"], "no value of 'sails' is in question; there are"),
        (["--merge"], "a work item of kind 'conflict' is settled with --keep or --value"),
        (["--value", "x", "--always"], "--always goes with --keep"),
    ],
)
def test_what_is_not_legal_is_refused_with_what_is(conflict: Any, said: list[str], message: str) -> None:
    """And nothing is booked."""
    [item] = work(conflict)
    assert message in conflict.run("work", "resolve", item["id"], *said, code=1).output
    assert conflict.json("work", "show", item["id"])["said"] == []


def test_one_thing_is_said_at_a_time(conflict: Any) -> None:
    """Two ways, or none, are a mistake of the command line."""
    [item] = work(conflict)
    assert "say exactly one thing" in conflict.run("work", "resolve", item["id"], code=2).output
    assert "say exactly one thing" in conflict.run("work", "resolve", item["id"], "--merge", "--apart", code=2).output


def test_an_unknown_item_is_told(filled: Any) -> None:
    """With where to look."""
    assert "`gateway work list` shows them" in filled.run("work", "show", "nonsense", code=1).output


# -- unmapped values ---------------------------------------------------------------------------------------------------


@pytest.fixture
def unmapped(instance: Any, ann: Any, bob: Any) -> Any:
    """Two people with a status that no rule knows."""
    instance.bring([ann | {"status": "Signed"}, bob | {"status": "Signed"}])
    return instance


def test_a_status_that_no_rule_knows_is_named_and_counted(unmapped: Any) -> None:
    """Neither dropped nor guessed."""
    [item] = work(unmapped)
    assert (item["kind"], item["system"], item["object"], item["count"]) == ("unmapped value", "leads", "contact", 2)
    assert item["detail"] == {"field": "status", "value": "Signed"}


def test_a_status_that_is_mapped_tells_what_it_would_have_told(unmapped: Any) -> None:
    """The rule gets the value, and what was read before is read by it anew."""
    [item] = work(unmapped)
    unmapped.run("work", "resolve", item["id"], "--map", "won")
    assert "{outcome: won, when: {status: [Won, Signed]}, amount" in (unmapped.root / "mappings/leads.yaml").read_text()
    timeline = unmapped.json("leads", "show", "ann@one.example")["timeline"]
    assert [one["text"] for one in timeline if one["what"] == "outcome"] == ["won"]
    assert work(unmapped) == []


def test_a_status_that_means_nothing_asks_nobody_again(unmapped: Any, bob: Any) -> None:
    """It stands in the mapping file as such."""
    [item] = work(unmapped)
    unmapped.run("work", "resolve", item["id"], "--map", "nothing")
    assert "no_outcome: {status: [Signed]}" in (unmapped.root / "mappings/leads.yaml").read_text()
    unmapped.bring([bob | {"id": "9", "email": "new@two.example", "status": "signed"}], "more.csv")
    assert work(unmapped) == []


def test_a_word_that_is_no_outcome_is_refused(unmapped: Any) -> None:
    """With what there is."""
    [item] = work(unmapped)
    said = unmapped.run("work", "resolve", item["id"], "--map", "wonn", code=1).output
    assert "it cannot mean that; did you mean 'won'?" in said


@pytest.mark.parametrize("default", ["drop", "quarantine"])
def test_a_value_that_its_map_does_not_know_is_mapped(instance: Any, bob: Any, default: str) -> None:
    """Dropped or with its record in quarantine: afterwards the lead has it."""
    instance.edit(
        "mappings/leads.yaml",
        "      country: country\n",
        f"      country: {{to: country, values: {{DE: Germany}}, values_default: {default}}}\n",
    )
    instance.bring([bob | {"country": "AT"}], code=1 if default == "quarantine" else 0)
    [item] = work(instance)
    assert item["detail"] == {"field": "country", "value": "AT"}
    instance.run("work", "resolve", item["id"], "--map", "Austria")
    values = instance.json("leads", "show", "bob@two.example")["attributes"]
    assert [one["value"] for one in values if one["field"] == "country"] == ["Austria"]


# -- who is who --------------------------------------------------------------------------------------------------------


@pytest.fixture
def twins(instance: Any, bob: Any) -> Any:
    """Two records of one system with one address."""
    instance.bring([bob])
    instance.bring([bob | {"id": "22", "title": "Clerk"}], "twin.csv")
    return instance


def test_two_leads_with_one_address_become_one(twins: Any) -> None:
    """Because somebody said so."""
    [item] = work(twins)
    assert twins.json("work", "show", item["id"])["legal"] == ["--merge", "--apart"]
    twins.run("work", "resolve", item["id"], "--merge", "--by", "Kim")
    assert twins.json("leads", "list")["total"] == 1
    timeline = twins.json("leads", "show", "bob@two.example")["timeline"]
    assert [one["cause"] for one in timeline if one["what"] == "work"] == ["by Kim"]


def test_two_people_with_one_address_stay_two(twins: Any, bob: Any) -> None:
    """However often the address is met."""
    [item] = work(twins)
    twins.run("work", "resolve", item["id"], "--apart")
    twins.bring([bob | {"id": "22", "at": "2026-03-01T09:00:00", "title": "Boss"}], "again.csv")
    assert (twins.json("leads", "list")["total"], work(twins)) == (2, [])


# -- several records that could be the lead ----------------------------------------------------------------------------


@pytest.fixture
def several(filled: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The system says of a new person that two of its records could be them, until a person has seen that."""
    deliver = FilesSink.deliver

    def asks(self: Any, call: Any) -> Any:
        if all(write.anyway or write.record for write in call.writes):
            return deliver(self, call)
        return [Receipt(key=write.key, result="duplicate", candidates=("s1", "s2")) for write in call.writes]

    filled.json("activate", "sales", "--existing", "handover")
    monkeypatch.setattr(FilesSink, "deliver", asks)
    filled.json("push", code=1)
    return filled


def sent(instance: Any) -> list[str]:
    path = instance.root / "out" / "lead.csv"
    return path.read_text().splitlines()[1:] if path.exists() else []


def test_one_of_several_records_is_linked(several: Any) -> None:
    """It is the lead's from now on, and what the gateway alone knows is told to it."""
    [item] = work(several)
    assert several.json("work", "show", item["id"])["legal"] == ["--link", "--create", "--ignore"]
    several.run("work", "resolve", item["id"], "--link", "s2")
    records = several.json("leads", "show", "ann@one.example")["records"]
    assert [one["record"] for one in records if one["system"] == "sales"] == ["s2"]
    several.json("push")
    assert (len(sent(several)), work(several)) == (1, [])
    assert several.json("status")["ok"]


def test_a_record_that_was_not_found_cannot_be_linked(several: Any) -> None:
    """A slip of the hand would give somebody else's record to the lead."""
    [item] = work(several)
    said = several.run("work", "resolve", item["id"], "--link", "s3", code=1).output
    assert "it is none of those found there: s1, s2" in said


def test_a_new_record_is_made_all_the_same(several: Any) -> None:
    """Because a person has seen who is there."""
    [item] = work(several)
    several.run("work", "resolve", item["id"], "--create")
    several.json("push")
    assert (len(sent(several)), work(several)) == (1, [])


def test_nothing_is_made_of_a_lead_that_is_ignored(several: Any) -> None:
    """Not now and not at the next push; and nobody is asked again."""
    [item] = work(several)
    several.run("work", "resolve", item["id"], "--ignore")
    several.json("push")
    assert (sent(several), work(several)) == ([], [])
    assert several.json("status")["ok"]


def test_a_dead_letter_is_given_up(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the work item as well as by the write."""
    filled.json("activate", "sales", "--existing", "handover")
    no = lambda self, call: [Receipt(key=write.key, result="rejected", code="no") for write in call.writes]  # noqa: E731
    monkeypatch.setattr(FilesSink, "deliver", no)
    filled.json("push", code=1)
    [item] = work(filled)
    filled.run("work", "resolve", item["id"], "--discard")
    assert work(filled) == []
    [said] = filled.json("work", "show", item["id"])["said"]
    assert said["resolution"] == "discard"


# -- why it ended ------------------------------------------------------------------------------------------------------


@pytest.fixture
def ended(instance: Any, ann: Any) -> Any:
    """A handoff, and journey.yaml says why one may end."""
    instance.edit("gateway.yaml", "outbound: off", "outbound: on")
    instance.write(
        "journey.yaml",
        (instance.root / "journey.yaml").read_text() + "reasons: {sales_rejected: [no budget, wrong person]}\n",
    )
    instance.bring([{"object": "firm", "id": "f1", "at": "2026-01-01T09:00:00", "industry": "software"}, ann])
    return instance


def soon() -> str:
    """After the handoff, and within its follow-up."""
    return f"{datetime.now(UTC) + timedelta(seconds=30):%Y-%m-%dT%H:%M:%S}"


def bucket(instance: Any) -> Any:
    [handoff] = instance.json("handoffs", "list")["handoffs"]
    return handoff["bucket"], handoff["bucket_reason"]


def test_a_bucket_without_a_reason_is_chased(ended: Any, ann: Any) -> None:
    """Taken as not given, until somebody gives one."""
    ended.bring([ann | {"at": soon(), "status": "Rejected"}], "ended.csv")
    assert bucket(ended) == ("sales_rejected", "not given")
    [item] = work(ended)
    assert (
        "there are no budget, wrong person"
        in ended.run("work", "resolve", item["id"], "--reason", "money", code=1).output
    )
    ended.run("work", "resolve", item["id"], "--reason", "no budget")
    assert (bucket(ended), work(ended)) == (("sales_rejected", "no budget"), [])


def test_a_reason_in_other_words_is_mapped(ended: Any, ann: Any) -> None:
    """The system's word goes into the rule, and the handoff ends for the journey's reason."""
    ended.bring([ann | {"at": soon(), "status": "Rejected", "why": "No Money"}], "ended.csv")
    assert bucket(ended) == ("sales_rejected", "No Money")
    [item] = work(ended)
    assert item["detail"] == {"field": "reason", "value": "No Money"}
    ended.run("work", "resolve", item["id"], "--map", "no budget")
    assert "reasons: {No Money: no budget}" in (ended.root / "mappings/leads.yaml").read_text()
    assert (bucket(ended), work(ended)) == (("sales_rejected", "no budget"), [])


def test_a_guard_that_a_plugin_cannot_keep_is_told(instance: Any) -> None:
    """A file cannot be asked what it holds now."""
    instance.edit("mappings/sales.yaml", "{to: title, sync: newest}", "{to: title, sync: newest, guard: true}")
    said = instance.run("check").output
    assert "mappings/sales.yaml:12: objects.lead.fields.position.guard: has no effect: the plugin files" in said


def test_a_word_for_a_reason_that_the_journey_does_not_list_is_told(ended: Any) -> None:
    """It would be chased for ever."""
    ended.edit("mappings/leads.yaml", "reason: why}", "reason: why, reasons: {No Money: no budgt}}")
    said = ended.run("check").output
    assert "reasons.No Money: no such reason in journey.yaml; did you mean 'no budget'?" in said
