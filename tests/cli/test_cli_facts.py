"""Leads, imports and what became of them, seen through the commands."""

from __future__ import annotations

import gzip
import os
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from gateway_files import FilesSource

from gateway.accounts import audit
from gateway.errors import StorageBusy
from gateway.opening import open_gateway
from gateway.store import silence
from gateway.store.database import open_store, write
from gateway.store.inbox import Inbox
from gateway.times import to_micros
from gateway.web.health import Health

ANN_ID = "ann@one.example"


# -- import ------------------------------------------------------------------------------------------------------------


def test_import_says_what_it_moved(instance: Any, people: Any) -> None:
    """Rows, events, new leads; the model has no say in who sales get while their system is off."""
    report = instance.bring(people)
    assert (report["rows"], report["leads_new"], report["handoffs_opened"]) == (5, 4, 0)
    assert report["events"]["read"] == report["events"]["applied"] + report["events"]["skipped"]
    assert report["new"]


def test_second_import_of_a_file_says_nothing_new(filled: Any, people: Any) -> None:
    """The cursor of the file is at its end."""
    again = filled.bring(people)
    assert (again["new"], again["rows"], again["events"]["read"], again["leads_new"]) == (False, 0, 0, 0)
    said = filled.run("import", str(filled.root / "data/people.csv"), "--system", "leads").stdout
    assert said == "nothing new\n"


def test_same_rows_under_another_name_change_nothing(filled: Any, people: Any) -> None:
    """Documents are known by their content, whatever the file is called."""
    before = filled.json("leads", "list")
    again = filled.bring(people, name="copy.csv")
    assert not again["new"]
    assert again["documents"]["duplicates"] == 1
    assert filled.json("leads", "list") == before


def test_gzipped_file_is_imported(instance: Any, people: Any) -> None:
    """Offsets are those of the unzipped bytes; the size on disk says nothing about them."""
    path = instance.csv("people.csv", people)
    zipped = path.with_suffix(".csv.gz")
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert instance.json("import", str(zipped), "--system", "leads")["leads_new"] == 4


def test_excluded_rows_are_counted_by_reason(instance: Any, ann: Any) -> None:
    """What a mapping leaves out on purpose is named in the summary."""
    tester = {**ann, "id": "9", "email": "qa@test.example"}
    report = instance.bring([ann, tester])
    assert report["events"]["skipped_by_reason"] == {"test address": 1}
    assert "1 test address" in instance.run("status").stdout


def test_history_opens_no_handoff(instance: Any, people: Any) -> None:
    """Imported as history, a lead over the threshold stays with marketing even where the system is on."""
    instance.edit("gateway.yaml", "outbound: off", "outbound: on")
    report = instance.bring(people, history=True)
    assert (report["handoffs_opened"], report["writes_waiting"]) == (0, 0)
    assert instance.json("handoffs", "list") == {"handoffs": []}


def test_live_import_hands_over_where_the_system_is_on(instance: Any, people: Any) -> None:
    """Ann is over the threshold; Cy is too, but works for a competitor."""
    instance.edit("gateway.yaml", "outbound: off", "outbound: on")
    report = instance.bring(people)
    assert (report["handoffs_opened"], report["writes_waiting"]) == (1, 1)
    [handoff] = instance.json("handoffs", "list", "--open")["handoffs"]
    assert handoff["state"] == "open"
    assert handoff["score"] == sum(line["points"] for line in handoff["contributions"])


def test_import_goes_on_where_it_was_cut(instance: Any, ann: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that breaks off after its first page is finished by the next run, and nothing is there twice."""
    many = [{**ann, "id": str(n), "email": f"p{n}@one.example"} for n in range(2500)]
    path = instance.csv("many.csv", many)
    whole = FilesSource.pull

    def cut(self: Any, *args: Any) -> Any:
        pages = whole(self, *args)
        yield next(pages)
        raise RuntimeError("p7@one.example")

    monkeypatch.setattr(FilesSource, "pull", cut)
    broken = instance.run("import", str(path), "--system", "leads", code=1)
    assert broken.stderr == "plugin files: pull raised RuntimeError\n"
    monkeypatch.undo()
    assert instance.json("leads", "list")["total"] == 1000
    assert instance.json("import", str(path), "--system", "leads")["rows"] == 1500
    assert instance.json("leads", "list")["total"] == 2500
    assert instance.json("status")["ok"]


def test_import_wants_a_system_that_reads_files(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source without a pull of its own is told of, not silently empty."""
    monkeypatch.delattr(FilesSource, "pull")
    path = instance.csv("people.csv", [])
    assert "does not read files" in instance.run("import", str(path), "--system", "leads", code=1).stderr
    assert "no system 'lead'" in instance.run("import", str(path), "--system", "lead", code=1).stderr


def test_pull_of_a_system_without_streams_says_so(instance: Any) -> None:
    """Files have nothing to pull; the way in is named."""
    assert "gateway import" in instance.run("pull", "leads", code=1).stderr


def test_pull_takes_every_stream_and_remembers_where_it_was(
    instance: Any, ann: Any, bob: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream's first pull begins when the system was connected, a second where that ended, --since where it says."""
    files = {"one": instance.csv("one.csv", [ann]), "two": instance.csv("two.csv", [bob])}
    asked: list[Any] = []
    whole = FilesSource.pull

    def pull(self: Any, stream: str, cursor: Any, since: Any) -> Any:
        asked.append((stream, cursor is not None, since))
        return whole(self, str(files[stream]), cursor, since)

    monkeypatch.setattr(FilesSource, "streams", lambda self: ["one", "two"])
    monkeypatch.setattr(FilesSource, "pull", pull)
    assert instance.json("pull", "leads")["leads_new"] == 2
    assert not instance.json("pull", "leads")["new"]
    instance.json("pull", "leads", "--since", "2026-01-01")
    day = datetime(2025, 12, 31, 23, tzinfo=UTC)  # a day of the instance's zone
    assert [each[:2] for each in asked] == [(s, c) for c in (False, True, False) for s in ("one", "two")]
    assert all(each[2] > day for each in asked[:2])
    assert [each[2] for each in asked[2:]] == [None, None, day, day]


# -- status ------------------------------------------------------------------------------------------------------------


def test_status_shows_the_three_equations(filled: Any) -> None:
    """Of every system in the files, also of one that nothing came from."""
    report = filled.json("status")
    leads, sales = report["systems"]
    assert report["ok"]
    assert leads["documents"] == {
        "stored": 1, "read": 1, "waiting": 0, "quarantined": 0, "discarded": 0, "holds": True,
        "duplicates": 0,
    }  # fmt: skip
    assert leads["events"]["read"] == leads["events"]["applied"] + leads["events"]["skipped"] > 0
    assert (sales["system"], sales["documents"]["stored"]) == ("sales", 0)
    assert report["excluded"] == {"competitor": 1}


def test_status_fails_when_an_equation_does_not_hold(filled: Any) -> None:
    """A lost event is an exit code, a mark on its line, and a word on stderr."""
    from sqlalchemy import delete

    from gateway.store import tables as t
    from gateway.store.database import open_store, write

    store = open_store(filled.root / "var")
    with write(store.main) as connection:
        connection.execute(delete(t.tallies).where(t.tallies.c.what == "applied"))
    store.close()
    result = filled.run("status", code=1)
    assert "DOES NOT HOLD" in result.stdout
    assert "lost or counted twice" in result.stderr
    assert not filled.json("status", code=1)["ok"]


def test_status_shows_what_waits_and_who_is_paused(filled: Any) -> None:
    """An admin sees at one glance why nothing moves."""
    filled.run("systems", "pause", "sales", "--reason", "quarter end")
    said = filled.run("status").stdout
    assert "PAUSED: quarter end" in said
    assert filled.json("status")["systems"][1]["paused"] == "quarter end"
    filled.run("systems", "resume", "sales")
    assert filled.json("status")["systems"][1]["paused"] == ""


def test_a_system_that_does_not_answer_is_told_with_when_it_is_asked_again(filled: Any) -> None:
    """Nobody has to do anything: so it is said wherever a paused one would be told."""
    again = datetime.now(UTC) + timedelta(hours=1)
    with closing(open_gateway(filled.root)) as gateway:
        with write(gateway.store.main) as connection:
            silence.note(connection, "sales", 4, to_micros(again))
        assert Health(gateway, filled.root).warnings() == ["sales does not answer; it is asked again by itself"]
    when = f"{again.astimezone(ZoneInfo('Europe/Berlin')):%H:%M:%S}"
    said = filled.run("status").stdout
    assert "NO ANSWER: asked again by itself at " in said
    assert when in said
    assert when in filled.run("systems", "list").stdout
    for command in (("status",), ("systems", "list")):
        leads, sales = filled.json(*command)["systems"]
        assert (leads["asked_again_at"], sales["asked_again_at"]) == (None, again.isoformat().replace("+00:00", "Z"))
    filled.run("systems", "resume", "sales")
    assert "NO ANSWER" not in filled.run("status").stdout


# -- leads -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["ann@one.example", "cy@rival.example", "bob@two.example", "di@three.example"]),  # the last two have none
        (["--stage", "won"], ["di@three.example"]),
        (["--band", "good"], ["ann@one.example", "cy@rival.example"]),
        (["--persona", "executive"], ["ann@one.example"]),
        (["--excluded"], ["cy@rival.example"]),
        (["--limit", "1"], ["ann@one.example"]),
    ],
)
def test_list_finds_leads(filled: Any, options: list[str], found: list[str]) -> None:
    """Each filter on its own; the highest score first."""
    listed = filled.json("leads", "list", *options)["leads"]
    assert [lead["score"] for lead in listed] == sorted((lead["score"] for lead in listed), reverse=True)
    assert {lead["attributes"]["email"] for lead in listed} == set(found)


def test_misspelt_stage_is_no_empty_list(filled: Any) -> None:
    """Nobody should believe that there are no leads because of a typing error."""
    assert "did you mean 'mql'?" in filled.run("leads", "list", "--stage", "mqll", code=1).stderr


def test_excluded_leads_are_counted_by_reason(filled: Any) -> None:
    """The list ends with how many there are for which reason."""
    said = filled.run("leads", "list", "--excluded").stdout
    assert "competitor" in said.splitlines()[1]
    assert said.splitlines()[-1] == "  1 competitor"


@pytest.mark.parametrize("key", ["ann@one.example", "ANN@one.example", "leads:contact:1", "1"])
def test_a_lead_is_found_by_any_of_its_keys(filled: Any, key: str) -> None:
    """E-mail address in any case, system:object:record, or the record's id alone."""
    shown = filled.json("leads", "show", key)
    assert {entry["field"]: entry["value"] for entry in shown["attributes"]}["email"] == "ann@one.example"
    assert filled.json("leads", "show", shown["lead"])["lead"] == shown["lead"]


def test_unknown_key_is_told_without_repeating_it(filled: Any) -> None:
    """What was typed may be an address that belongs into no log."""
    result = filled.run("leads", "show", "nobody@nowhere.example", code=1)
    assert "no lead" in result.stderr
    assert "nobody" not in result.stderr


def test_show_names_the_system_of_each_value(filled: Any) -> None:
    """And the company's values beside the lead's own."""
    shown = filled.json("leads", "show", ANN_ID)
    assert {entry["system"] for entry in shown["attributes"]} == {"leads"}
    assert shown["company"]["attributes"] == {"industry": "software"}
    said = filled.run("leads", "show", ANN_ID).stdout
    assert "company.industry" in said
    assert "Chief Financial Officer" in said


def test_timeline_is_in_order_and_every_entry_has_a_cause(filled: Any) -> None:
    """Facts at their own time, decisions at theirs."""
    timeline = filled.json("leads", "show", "di@three.example")["timeline"]
    assert [entry["at"] for entry in timeline] == sorted(entry["at"] for entry in timeline)
    assert all(entry["cause"] for entry in timeline)
    [outcome] = [entry for entry in timeline if entry["what"] == "outcome"]
    assert outcome["text"].startswith("won 1500")
    assert [entry["text"] for entry in timeline if entry["what"] == "stage"][-1].endswith("→ won")


def test_long_timeline_is_cut_and_says_so(instance: Any, ann: Any) -> None:
    """The latest entries are shown; --all shows everything."""
    views = [{**ann, "at": f"2026-02-01T10:{n:02}:00", "page": f"/p{n}"} for n in range(60)]
    instance.bring(views)
    assert "earlier entries; --all shows them" in instance.run("leads", "show", ANN_ID).stdout
    whole = instance.run("leads", "show", ANN_ID, "--all").stdout
    assert "earlier" not in whole
    assert whole.count("page_view /p") == 60


# -- values ------------------------------------------------------------------------------------------------------------


def test_values_are_counted_most_frequent_first(filled: Any, ann: Any) -> None:
    """With how many leads have none."""
    filled.bring([{**ann, "id": "7", "email": "eve@one.example"}], name="more.csv")
    found = filled.json("leads", "values", "title")
    assert found["values"][0] == {
        "value": "Chief Financial Officer", "count": 2, "level": "c_level", "phrase": "chief financial officer"
    }  # fmt: skip
    assert "c_level  chief financial officer" in filled.run("leads", "values", "title").stdout
    assert (found["different"], found["missing"]) == (4, 0)
    assert filled.json("leads", "values", "company.industry")["values"] == [{"value": "software", "count": 2}]


def test_unmatched_titles_are_those_without_a_level(filled: Any) -> None:
    """CFO, CEO and intern have one; a wizard has none."""
    assert [row["value"] for row in filled.json("leads", "values", "title", "--unmatched")["values"]] == ["Wizard"]


def test_values_of_an_unknown_field_suggest_a_known_one(filled: Any) -> None:
    """And --unmatched says for which fields there are levels."""
    assert "did you mean 'title'?" in filled.run("leads", "values", "titel", code=1).stderr
    assert "works for title" in filled.run("leads", "values", "country", "--unmatched", code=1).stderr


# -- explain -----------------------------------------------------------------------------------------------------------


def test_points_of_an_explanation_add_up(filled: Any) -> None:
    """To the total that is shown everywhere else."""
    found = filled.json("leads", "explain", ANN_ID)
    assert found["total"] == sum(line["points"] for line in found["contributions"]) == found["fit"] + found["behaviour"]
    assert found["total"] == filled.json("leads", "show", ANN_ID)["score"]["total"]
    said = filled.run("leads", "explain", ANN_ID).stdout
    assert "Executive or above: title 'Chief Financial Officer' is c level" in said


def now() -> str:
    time.sleep(0.002)
    moment = datetime.now(UTC).isoformat()
    time.sleep(0.002)
    return moment


def explained(found: Any) -> Any:
    """An explanation without the moment it was asked at."""
    return {name: value for name, value in found.items() if name not in ("at", "hindsight", "changes_at")}


def test_explanation_of_then_is_what_was_decided_then(filled: Any, ann: Any, firm: Any) -> None:
    """Values, activities, company and persona as they were known, not as they became."""
    at_first = filled.json("leads", "explain", ANN_ID)
    then = now()
    filled.bring([{**ann, "at": "2026-02-01T09:00:00", "title": "Intern", "page": "/pricing"}], name="later.csv")
    filled.bring([{**firm, "at": "2026-02-02T09:00:00", "industry": "retail"}], name="firm.csv")
    today = filled.json("leads", "explain", ANN_ID)
    assert today["total"] != at_first["total"]
    assert explained(filled.json("leads", "explain", ANN_ID, "--at", then)) == explained(at_first)
    assert explained(filled.json("leads", "explain", ANN_ID, "--at", now())) == explained(today)


def test_late_news_of_an_earlier_time_counts_with_hindsight_only(filled: Any, ann: Any) -> None:
    """What happened before T but was heard after it was no ground for a decision at T."""
    at_first = filled.json("leads", "explain", ANN_ID)
    then = now()
    filled.bring([{**ann, "at": "2026-01-04T09:00:00", "page": "/pricing"}], name="late.csv")
    assert explained(filled.json("leads", "explain", ANN_ID, "--at", then)) == explained(at_first)
    hindsight = filled.json("leads", "explain", ANN_ID, "--at", then, "--hindsight")
    assert hindsight["behaviour"] == at_first["behaviour"] + 10


def test_explanation_of_then_uses_the_model_of_then(filled: Any) -> None:
    """A changed scoring.yaml changes today's score, not what was decided before."""
    at_first = filled.json("leads", "explain", ANN_ID)
    then = now()
    filled.edit("scoring.yaml", "points: 40}", "points: 20}")
    today = filled.json("leads", "explain", ANN_ID)
    assert (today["total"], today["scoring"] != at_first["scoring"]) == (at_first["total"] - 10, True)
    assert explained(filled.json("leads", "explain", ANN_ID, "--at", then)) == explained(at_first)


def test_the_history_of_a_score_says_when_it_moved_why_and_by_which_model(filled: Any, ann: Any, bob: Any) -> None:
    """By news, by another model, by points that a person gave; what moved nothing is left out."""
    filled.bring([{**ann, "at": "2026-02-01T09:00:00", "page": "/pricing"}], name="page.csv")
    filled.bring([{**bob, "at": "2026-02-01T09:00:00", "page": "/pricing"}], name="other.csv")
    filled.bring([{**ann, "at": "2026-02-02T09:00:00", "country": "AT"}], name="nothing.csv")
    filled.edit("scoring.yaml", "points: 40}", "points: 20}")
    filled.run("leads", "points", ANN_ID, "5", "--reason", "met")
    found = filled.json("leads", "history", ANN_ID)["history"]
    assert [(one["total"], one["cause"]) for one in found] == [
        (65, "person"),
        (60, "model"),
        (70, "news"),
        (60, "news"),
    ]
    assert [one["scoring"] == found[0]["scoring"] for one in found] == [True, True, False, False]
    for one in found:
        assert filled.json("leads", "explain", ANN_ID, "--at", one["at"])["total"] == one["total"]
    assert "person" in filled.run("leads", "history", ANN_ID, "--limit", "1").stdout


def test_when_a_score_moves_by_itself_is_told_in_the_zone_of_the_instance(instance: Any, ann: dict[str, str]) -> None:
    """As every other time that people read; programs get UTC."""
    instance.edit("scoring.yaml", "points: 10, cap: 40", "points: 10, cap: 40, window: 90d")
    instance.bring([{**ann, "at": now(), "page": "/pricing"}])
    at = datetime.fromisoformat(instance.json("leads", "explain", ANN_ID)["changes_at"])
    zoned = f"{at.astimezone(ZoneInfo('Europe/Berlin')):%Y-%m-%d %H:%M:%S %Z}"
    assert instance.run("leads", "explain", ANN_ID).stdout.splitlines()[-1] == (
        f"changes by itself at {zoned} at the earliest"
    )


def test_before_anything_was_known_there_is_nothing_to_explain(filled: Any) -> None:
    """The message says since when something is known, and what to ask instead."""
    said = filled.run("leads", "explain", ANN_ID, "--at", "2026-01-20", code=1).stderr
    assert "nothing was known of this lead then" in said
    assert "--hindsight" in said
    assert filled.json("leads", "explain", ANN_ID, "--at", "2026-01-20", "--hindsight")["total"] > 0


# -- inbox -------------------------------------------------------------------------------------------------------------


def test_quarantined_document_is_listed_and_read_again(
    instance: Any, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After whatever was wrong with its plugin is put right."""

    def broken(self: Any, document: Any) -> Any:
        raise RuntimeError("no good")

    with monkeypatch.context() as patch:
        patch.setattr(FilesSource, "read", broken)
        assert instance.bring([ann], code=1)["documents"]["quarantined"] == 1
        [document] = instance.json("inbox", "list", "--state", "quarantined")["documents"]
        assert document["reason"].startswith("plugin files: read raised RuntimeError at test_cli_facts.py:")
        assert instance.json("inbox", "replay", document["id"])["quarantined_again"] == 1
    dry = instance.json("inbox", "replay", "--state", "quarantined", "--dry-run")
    assert (dry["dry_run"], dry["documents"]) == (True, [document["id"]])
    assert instance.json("leads", "list")["total"] == 0
    assert instance.json("inbox", "replay", "--system", "leads")["quarantined_again"] == 0
    assert instance.json("leads", "list")["total"] == 1
    assert instance.json("status")["ok"]


def test_what_nobody_will_read_is_given_up_with_a_reason(filled: Any, tmp_path: Any) -> None:
    """By id or by what it has in common; it stays counted and known, with who and why, also in the audit."""
    for number in range(3):
        (tmp_path / f"{number}.csv").write_bytes(b"\x9f\x92\n" * (number + 2))
        filled.json("import", str(tmp_path / f"{number}.csv"), "--system", "leads", code=1)
    bad = [one["id"] for one in filled.json("inbox", "list", "--state", "quarantined")["documents"]]
    read = filled.json("inbox", "list", "--state", "read")["documents"][0]["id"]
    before = filled.json("leads", "list")
    assert "say which" in filled.run("inbox", "discard", "--reason", "a test", code=1).output
    assert "say why" in filled.run("inbox", "discard", bad[0], code=1).output
    assert "in quarantine" in filled.run("inbox", "discard", read, "--reason", "a test", code=1).output
    dry = filled.json("inbox", "discard", "--system", "leads", "--dry-run")
    assert dry == {"dry_run": True, "documents": bad[::-1], "discarded": 0}
    said = filled.run("inbox", "discard", bad[0], read, "--reason", "a test", "--by", "Kim")
    assert "1 document given up" in said.stdout
    assert read in said.stderr
    assert filled.json("inbox", "discard", "--system", "leads", "--reason", "cut off", "--by", "Kim")["discarded"] == 2
    found = filled.json("inbox", "list", "--state", "discarded")["documents"]
    assert [(one["id"], one["size"]) for one in found] == [(one, 0) for one in bad]
    assert found[0]["reason"].startswith("given up by Kim: a test; it was in quarantine: ")
    assert f"discarded: {found[0]['reason']}" in filled.run("inbox", "show", bad[0]).stdout
    assert "a body" in filled.run("inbox", "replay", bad[0], code=1).output
    [leads, _] = filled.json("status")["systems"]
    counts = leads["documents"]
    assert (counts["discarded"], counts["quarantined"], counts["stored"], counts["holds"]) == (3, 0, 4, True)
    assert "4 = 1 read + 0 waiting + 0 quarantined + 3 discarded" in filled.run("status").stdout
    assert filled.json("leads", "list") == before
    with closing(open_store(filled.root / "var")) as store, store.main.connect() as connection:
        entries = audit.entries(connection, 10, what="documents: discard")
    assert [(one["by"], one["subject"], one["after"]) for one in entries] == [
        ("Kim", "2 documents", {"ids": bad[:0:-1], "reason": "cut off"}),
        ("Kim", bad[0], {"ids": bad[:1], "reason": "a test"}),
    ]


def test_troubles_name_record_field_and_kind_never_the_value(instance: Any, ann: Any, bob: Any) -> None:
    """Of a document that was read: the record that was not, and the one that lost a field."""
    report = instance.bring([{**ann, "employees": "a secret"}, {**bob, "at": "yesterday"}])
    assert (report["fields_dropped"], report["events"]["dead"]) == (1, 1)
    found = {one["record"]: one for one in instance.json("inbox", "list", "--troubles")["troubles"]}
    assert found["1"]["state"] == "applied"
    assert "employees" in found["1"]["reason"]
    assert found["2"] == {**found["2"], "system": "leads", "object": "contact", "state": "dead"}
    said = instance.run("inbox", "list", "--troubles", "--system", "leads").stdout
    assert "leads contact 2" in said
    assert "at: not an ISO 8601 time: text of 9 characters" in said
    assert "secret" not in said
    assert "yesterday" not in said
    assert "inbox list --troubles --system leads" in instance.run("status").stdout
    assert instance.json("inbox", "list", "--troubles", "--system", "sales") == {"troubles": []}
    instance.run("inbox", "list", "--troubles", "--state", "read", code=2)


def test_import_says_where_to_read_what_was_wrong(instance: Any, bob: Any) -> None:
    """A number alone helps nobody."""
    path = instance.csv("people.csv", [{**bob, "at": "yesterday"}])
    said = instance.run("import", str(path), "--system", "leads", code=1).stdout
    assert "1 quarantined" in said
    assert "`gateway inbox list --troubles --system leads` names records and fields" in said


def test_replay_of_what_is_known_changes_nothing(filled: Any) -> None:
    """Every event is known already; the equations go on holding."""
    before = filled.json("leads", "list")
    assert len(filled.json("inbox", "replay", "--state", "read")["documents"]) == 1
    assert filled.json("leads", "list") == before
    assert filled.json("status")["ok"]


def test_replay_wants_to_know_what(filled: Any) -> None:
    """Everything at once is never meant by accident."""
    assert "name documents" in filled.run("inbox", "replay", code=1).stderr
    assert "no quarantined or read document" in filled.run("inbox", "replay", "nothing", code=1).stderr


# -- storage -----------------------------------------------------------------------------------------------------------


def test_busy_store_is_a_message(instance: Any, ann: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With how long to wait."""

    def busy(*args: Any, **kwargs: Any) -> Any:
        raise StorageBusy("disk full", 60)

    monkeypatch.setattr(Inbox, "append", busy)
    path = instance.csv("people.csv", [ann])
    result = instance.run("import", str(path), "--system", "leads", code=1)
    assert result.stderr == "the store is busy: disk full; try again in 60 s\n"


def test_a_running_worker_beside_an_import_is_no_trouble(instance: Any, people: Any) -> None:
    """Documents that another worker holds are waited for, whoever finishes them."""
    import threading

    from gateway.opening import open_gateway

    path = instance.csv("people.csv", people)
    gateway = open_gateway(instance.root)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            gateway.run_pipeline_once(f"beside:{os.getpid()}") or time.sleep(0.001)

    beside = threading.Thread(target=work)
    beside.start()
    try:
        report = instance.json("import", str(path), "--system", "leads")
    finally:
        stop.set()
        beside.join()
        gateway.close()
    assert report["leads_new"] == 4
    assert instance.json("status")["ok"]


def test_path_of_a_file_is_as_good_as_its_full_path(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cursor belongs to the file, however it was named."""
    monkeypatch.chdir(filled.root / "data")
    assert not filled.json("import", str(Path("people.csv")), "--system", "leads")["new"]
