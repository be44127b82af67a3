"""Setting up, planning, sending: what changes files and other systems."""

from __future__ import annotations

import csv
import re
import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from gateway_files import FilesSink
from sqlalchemy import insert, select

from gateway.accounts import audit
from gateway.cli import processes
from gateway.cli.main import cli
from gateway.cli.systems import switched_on
from gateway.contracts import Receipt
from gateway.errors import Refused
from gateway.opening import open_gateway
from gateway.store import silence
from gateway.store import tables as t
from gateway.store.database import open_store, read, write
from gateway.times import to_micros


def sent(instance: Any) -> list[dict[str, str]]:
    """What the sink wrote."""
    rows = []
    for path in sorted((instance.root / "out").glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows += list(csv.DictReader(file))
    return rows


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


# -- init and check ----------------------------------------------------------------------------------------------------


def test_init_makes_an_instance_that_checks(tmp_path: Path) -> None:
    """As it comes, but for the secrets, which it names."""
    folder = tmp_path / "new"
    made = CliRunner().invoke(cli, ["init", str(folder)])
    assert made.exit_code == 0, made.output
    assert f"cd {folder}" in made.stdout
    wanted = [line.split()[1].split("=")[0] for line in made.stdout.splitlines() if line.strip().startswith("export")]
    missing = CliRunner().invoke(cli, ["-C", str(folder), "check"], env=dict.fromkeys(wanted))
    assert missing.exit_code == (2 if wanted else 0)
    checked = CliRunner().invoke(cli, ["-C", str(folder), "check"], env=dict.fromkeys(wanted, "a-secret-that-is-long"))
    assert checked.exit_code == 0, checked.output
    assert "outbound on" not in checked.stdout
    assert "a-secret" not in checked.output
    assert all(f"${{{name}}}: there" in checked.stdout for name in wanted)


def test_init_never_writes_into_a_folder_with_something_in_it(tmp_path: Path) -> None:
    """Nothing of what is there is touched."""
    (tmp_path / "precious.txt").write_text("mine")
    result = CliRunner().invoke(cli, ["init", str(tmp_path)])
    assert (result.exit_code, [path.name for path in tmp_path.iterdir()]) == (1, ["precious.txt"])


def test_check_tells_what_comes_in_and_goes_out(instance: Any) -> None:
    """Per system, and stores nothing."""
    report = instance.json("check")
    leads, sales = report["systems"]
    assert [(one["object"], one["kind"], one["activities"], one["outcomes"]) for one in leads["in"]] == [
        ("contact", "person", 1, 2),
        ("firm", "company", 0, 0),
    ]
    assert (leads["out"], sales["out"]) == ([], [{"object": "lead", "fields": 5, "create": "handoff"}])
    assert list((instance.root / "var").glob("*.db")) == []


def test_check_says_whose_plugin_could_not_be_built(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are right, so it is no exit code 2; and what the plugin said may hold a secret."""

    def broken(self: Any, *args: Any) -> None:
        raise RuntimeError("token 4711")

    monkeypatch.setattr(FilesSink, "__init__", broken)
    result = instance.run("check", code=1)
    assert "PROBLEM  plugin files: RuntimeError" in result.stdout
    assert "4711" not in result.output


def test_check_shows_warnings_and_is_content(instance: Any) -> None:
    """A rule about something that no mapping brings in is suspicious, not wrong."""
    instance.edit("scoring.yaml", "attribute: employees", "attribute: employes")
    result = instance.run("check")
    assert result.stdout.startswith("warning: scoring.yaml:")
    assert result.stdout.splitlines()[-1].endswith("1 warning")


# -- plan --------------------------------------------------------------------------------------------------------------


def test_plan_of_a_system_that_is_off_sends_nothing(filled: Any) -> None:
    """Nobody is handed over while the system is off, so there is nothing to create in it."""
    report = filled.json("plan", "sales")
    assert [(one["system"], one["outbound"], one["creates"]) for one in report["systems"]] == [("sales", False, 0)]
    assert not (filled.root / "out").exists()


def test_plan_of_a_system_that_is_off_names_the_command_that_counts_its_handoffs(filled: Any) -> None:
    """Else a lead over the threshold and an empty plan are a riddle."""
    said = filled.run("plan", "sales").stdout
    assert "outbound is off, so nobody is handed over: `gateway activate sales` says who would be" in said


def test_plan_shows_every_field_with_what_is_known(instance: Any, people: Any) -> None:
    """A create of the one lead that was handed over; the number of calls is the sink's own."""
    instance.edit("gateway.yaml", "outbound: off", "outbound: on")
    instance.bring(people)
    [report] = instance.json("plan", "sales")["systems"]
    assert (report["creates"], report["updates"], report["calls"]) == (1, 0, 1)
    [write] = report["writes"]
    assert {one["field"]: one["wanted"] for one in write["fields"]}["mail"] == "ann@one.example"
    assert {one["held"] for one in write["fields"]} == {"unknown"}
    said = instance.run("plan", "sales").stdout
    assert "sales: 1 create, 0 updates, 1 API call" in said
    assert "create lead, lead" in said
    assert sent(instance) == []


def test_plan_shows_ten_examples_unless_asked_for_all(instance: Any, ann: Any) -> None:
    """The totals count all of them; --lead narrows it to one."""
    instance.edit("gateway.yaml", "outbound: off", "outbound: on")
    instance.edit("scoring.yaml", "points: 40}", "points: 60}")
    many = [{**ann, "id": f"n{n}", "email": f"p{n}@one.example"} for n in range(13)]
    instance.bring(many)
    [report] = instance.json("plan", "sales")["systems"]
    assert (report["creates"], len(report["writes"]), report["objects"][0]["fields"]["mail"]) == (13, 10, 13)
    assert len(instance.json("plan", "sales", "--all")["systems"][0]["writes"]) == 13
    assert "and 3 more writes; --all shows them" in instance.run("plan").stdout
    [one] = instance.json("plan", "--lead", "p7@one.example")["systems"][0]["writes"]
    assert {each["field"]: each["wanted"] for each in one["fields"]}["mail"] == "p7@one.example"


def test_plan_of_a_system_that_takes_nothing_says_so(filled: Any) -> None:
    """Its mapping has no field that goes out."""
    assert "its mapping sends nothing" in filled.run("plan", "leads").stdout


def test_a_value_that_does_not_fit_over_there_is_named_and_never_shown(instance: Any, people: Any) -> None:
    """By the plan, by what was sent, and by the status: the field, the kind of trouble, how often; the rest is sent."""
    instance.edit(
        "mappings/sales.yaml", "      score:", "      level: {to: title, type: integer, sync: out}\n      score:"
    )
    instance.edit("gateway.yaml", "outbound: off", "outbound: on")
    instance.bring(people)
    [system] = instance.json("plan", "sales")["systems"]
    reason = "cannot be written as a whole number: it holds text"
    assert system["not_sent"] == [{"object": "lead", "field": "level", "reason": reason, "count": 1}]
    assert [one["field"] for one in system["writes"][0]["fields"]] == [
        "mail",
        "position",
        "gateway_id",
        "score",
        "band",
    ]
    said = instance.run("plan", "sales").stdout
    assert f"left out, because it does not fit: lead level, 1 time: {reason}" in said
    instance.json("push", "sales")
    assert [set(row) & {"mail", "level"} for row in sent(instance)] == [{"mail"}]
    [*_, sales] = instance.json("status")["systems"]
    assert sales["fields_not_sent"] == {f"lead level: {reason}": 1}
    said = instance.run("status").stdout
    assert f"fields not sent   1 lead level: {reason}" in said
    assert "Chief" not in said
    [once] = instance.json("plan", "sales")["systems"]
    assert (once["creates"], once["updates"], once["not_sent"][0]["count"]) == (0, 0, 1)
    assert "left out" in instance.run("plan", "sales").stdout


# -- activate and push -------------------------------------------------------------------------------------------------


def test_activation_says_what_would_happen_and_changes_nothing(filled: Any) -> None:
    """Until --existing says what becomes of those who stand over the threshold already."""
    before = (filled.root / "gateway.yaml").read_text()
    said = filled.run("activate", "sales").stdout
    assert "2 stand where leads are handed over to it: 0 have an owner or open deal, 1 are never handed over, 1" in said
    assert (filled.root / "gateway.yaml").read_text() == before
    assert filled.json("handoffs", "list") == {"handoffs": []}


def test_activation_hands_over_once_and_switches_on(filled: Any) -> None:
    """gateway.yaml keeps its comments; a second run finds nobody left."""
    report = filled.json("systems", "activate", "sales", "--existing", "handover")
    assert (report["over"], report["would_hand_over"], report["outbound"]) == (2, 1, True)
    assert "outbound: on   # until somebody activates it" in (filled.root / "gateway.yaml").read_text()
    assert len(filled.json("handoffs", "list")["handoffs"]) == 1
    again = filled.json("activate", "sales", "--existing", "handover")
    assert again["would_hand_over"] == 0
    assert len(filled.json("handoffs", "list")["handoffs"]) == 1
    assert filled.json("systems", "list")["systems"][1]["activated_at"]


def test_ignored_leads_are_not_handed_over(filled: Any) -> None:
    """They wait for a new crossing."""
    filled.json("activate", "sales", "--existing", "ignore")
    assert filled.json("handoffs", "list") == {"handoffs": []}
    assert filled.json("activate", "sales")["would_hand_over"] == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  b: {plugin: files, outbound: off}\n", "  b: {plugin: files, outbound: on}\n"),
        ("  b:\n    plugin: files\n    outbound: false # no\n", "  b:\n    plugin: files\n    outbound: on # no\n"),
        ("  b:\n    plugin: files\n", "  b:\n    outbound: on\n    plugin: files\n"),
        ("  b: {plugin: files}\n", None),  # more than a word would have to change: a person does it
    ],
)
def test_switching_on_changes_one_word(tmp_path: Path, before: str, after: str | None) -> None:
    """Of the right system, and nothing else of the file."""
    path = tmp_path / "gateway.yaml"
    first = "# ours\nsystems:\n  a: {plugin: files, outbound: off}\n"
    path.write_text(first + before)
    if after is None:
        with pytest.raises(Refused, match=r"gateway.yaml:4: systems.b: write `outbound: on` here yourself"):
            switched_on(path, "b")
    else:
        assert switched_on(path, "b") == first + after


def test_push_sends_what_was_planned_once(filled: Any) -> None:
    """Then there is nothing more to write, and the equations hold."""
    filled.json("activate", "sales", "--existing", "handover")
    [report] = filled.json("push", "sales")["systems"]
    assert (report["confirmed"], report["waiting"], report["dead"]) == (1, 0, 0)
    assert [row["mail"] for row in sent(filled)] == ["ann@one.example"]
    assert filled.json("push")["systems"][0]["confirmed"] == 0
    assert filled.json("plan", "sales")["systems"][0]["creates"] == 0
    writes = filled.json("status")["systems"][1]["writes"]
    assert writes == {"planned": 1, "confirmed": 1, "superseded": 0, "waiting": 0, "dead": 0, "holds": True}
    [entry] = [
        e for e in filled.json("leads", "show", "ann@one.example")["timeline"] if e["text"].endswith("confirmed")
    ]
    assert entry["what"] == "write"


def test_push_to_a_system_that_is_off_is_refused(filled: Any) -> None:
    """With how to look and how to switch on."""
    said = filled.run("push", "sales", code=1).stderr
    assert "outbound is off" in said
    assert "gateway activate" in said
    assert "no system has outbound: on" in filled.run("push", code=1).stderr


def test_paused_system_is_not_sent_to(filled: Any) -> None:
    """Writes wait; resuming sends them."""
    filled.json("activate", "sales", "--existing", "handover")
    filled.run("systems", "pause", "sales")
    [report] = filled.json("push")["systems"]
    assert (report["confirmed"], report["waiting"], report["paused"]) == (0, 1, "paused by hand")
    filled.run("systems", "resume", "sales")
    assert filled.json("push")["systems"][0]["confirmed"] == 1


def test_push_asks_a_system_that_does_not_answer_and_says_that_it_does_not(
    filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, for somebody waits; with one write, and what others have found out before counts."""
    filled.json("activate", "sales", "--existing", "handover")
    asked = []

    def silent(self: Any, call: Any) -> Any:
        asked.append(len(call.writes))
        raise TimeoutError

    monkeypatch.setattr(FilesSink, "deliver", silent)
    with closing(open_gateway(filled.root)) as gateway, write(gateway.store.main) as connection:
        silence.note(connection, "sales", 4, to_micros(gateway.now()) + 200_000_000)
    said = filled.run("push").stdout
    assert "it does not answer" in said
    assert asked == [1]
    assert filled.json("push")["systems"][0]["silent"] is True


# -- deliveries and work -----------------------------------------------------------------------------------------------


@pytest.fixture
def dead(filled: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An instance with one write that the sink rejected for good."""

    def rejects(self: Any, call: Any) -> Any:
        return [Receipt(key=write.key, result="rejected", code="bad field", message="no") for write in call.writes]

    filled.json("activate", "sales", "--existing", "handover")
    with monkeypatch.context() as patch:
        patch.setattr(FilesSink, "deliver", rejects)
        [report] = filled.json("push", code=1)["systems"]
        assert (report["dead"], report["died"]) == (1, 1)
    return filled


def test_push_that_left_a_dead_letter_fails_with_what_to_run_next(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script must notice, and a person must not have to look the commands up."""

    def rejects(self: Any, call: Any) -> Any:
        return [Receipt(key=write.key, result="rejected", code="bad field") for write in call.writes]

    filled.json("activate", "sales", "--existing", "handover")
    monkeypatch.setattr(FilesSink, "deliver", rejects)
    first = filled.run("push", code=1)
    assert "sales: 1 write failed for good" in first.stderr
    assert "`gateway deliveries list --system sales --state dead`" in first.stdout
    assert "`gateway deliveries retry --system sales`" in first.stdout


def test_dead_letter_is_listed_with_its_reason(dead: Any) -> None:
    """As a write, and as work for somebody."""
    [write] = dead.json("deliveries", "list", "--state", "dead")["deliveries"]
    assert write["code"] == "bad field"
    [work] = dead.json("work", "list")["work"]
    assert work["kind"] == "dead letter"
    assert "dead letter" in dead.run("work", "list").stdout


def test_dead_letter_is_tried_again(dead: Any) -> None:
    """And is no work any more once it has arrived."""
    [write] = dead.json("deliveries", "list", "--state", "dead")["deliveries"]
    assert dead.json("deliveries", "retry", write["id"], "--dry-run")["retried"] == 0
    assert dead.run("deliveries", "retry", write["id"], "--dry-run").stdout.split("\n")[:2] == [
        "1 write would be tried again",
        f"  {write['id']}",
    ]
    assert dead.json("deliveries", "retry", write["id"])["retried"] == 1
    dead.json("push")
    assert [row["mail"] for row in sent(dead)] == ["ann@one.example"]
    assert dead.json("work", "list") == {"work": []}
    assert dead.json("status")["ok"]


def test_the_audit_has_what_somebody_changed_by_a_command(dead: Any) -> None:
    """As from the desk: who, and from what to what; a dry run, and what changes nothing, leave no entry."""
    [write] = dead.json("deliveries", "list", "--state", "dead")["deliveries"]
    [read] = dead.json("inbox", "list", "--state", "read")["documents"]
    by = ("--by", "Kim")
    for command in ("retry", "discard"):
        dead.run("deliveries", command, write["id"], "--dry-run", *by)
    dead.run("deliveries", "retry", write["id"], *by)
    dead.run("deliveries", "discard", write["id"], *by)
    dead.run("systems", "pause", "sales", "--reason", "quarter end", *by)
    dead.run("systems", "resume", "leads", "sales", *by)
    dead.run("inbox", "replay", read["id"], "--dry-run", *by)
    dead.run("inbox", "replay", read["id"], *by)
    dead.run("jobs", "resume", "none", *by, code=1)
    with closing(open_store(dead.root / "var")) as store, store.main.connect() as connection:
        entries = audit.entries(connection, 20)[::-1]
    assert {one["by"] for one in entries} == {"Kim"}
    assert [(one["what"], one["subject"], one["before"], one["after"]) for one in entries] == [
        ("writes: retry", "1 write", None, {"ids": [write["id"]]}),
        ("writes: discard", "1 write", None, {"ids": [write["id"]]}),
        ("system: pause", "sales", {"paused": ""}, {"paused": "quarter end"}),
        ("system: resume", "sales", {"paused": "quarter end"}, {"paused": ""}),
        ("documents: read again", "1 document", None, {"ids": [read["id"]]}),
    ]


def test_dead_letters_are_chosen_by_what_they_are(dead: Any) -> None:
    """System, object, code, and when they were given up; a dry run only says which."""

    def would(*options: str) -> int:
        return len(dead.json("deliveries", "retry", "--dry-run", *options)["chosen"])

    today = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    assert would("--system", "sales", "--object", "lead", "--code", "bad field", "--since", today) == 1
    assert [would("--code", "other"), would("--object", "contact"), would("--until", today)] == [0, 0, 0]
    assert "say which dead ones" in dead.run("deliveries", "retry", code=1).stderr
    assert dead.json("deliveries", "retry", "--code", "bad field")["retried"] == 1
    assert dead.json("deliveries", "retry", "--code", "bad field") == {"dry_run": False, "chosen": [], "retried": 0}


def test_dead_letters_go_no_faster_than_they_are_told(dead: Any) -> None:
    """Two a minute: the oldest now, each other half a minute after the one before."""
    store = open_store(dead.root / "var")
    with write(store.main) as connection:
        row = dict(connection.execute(select(t.writes)).mappings().one())
        connection.execute(insert(t.writes), [row | {"id": f"{one}" * 32, "key": f"k{one}"} for one in "ef"])
    assert dead.json("deliveries", "retry", "--system", "sales", "--per-minute", "2")["retried"] == 3
    with read(store.main) as connection:
        due = list(connection.scalars(select(t.writes.c.due_at).order_by(t.writes.c.id)))
    store.close()
    assert [at - due[0] for at in due] == [0, 30_000_000, 60_000_000]


def test_one_write_is_shown_with_what_it_would_write_and_why(dead: Any) -> None:
    """By its id or the end of it; a work item that is about it names it."""
    [letter] = dead.json("deliveries", "list", "--state", "dead")["deliveries"]
    one = dead.json("deliveries", "show", letter["id"][-12:])
    assert {name: one[name] for name in letter} == letter
    assert one["document"] == ""  # planned by `activate`
    said = dead.run("deliveries", "show", letter["id"]).stdout
    for part in (f"gateway leads show {letter['lead']}", letter["code"], *letter["fields"]):
        assert part in said
    [item] = dead.json("work", "list")["work"]
    assert f"gateway deliveries show {letter['id']}" in dead.run("work", "show", item["id"]).stdout
    assert "no write is or ends with 'zz'" in dead.run("deliveries", "show", "zz", code=1).stderr


def test_discarded_write_is_gone_and_counted(dead: Any) -> None:
    """It counts as superseded, so nothing is unaccounted for."""
    assert dead.json("status")["work_open"] == 1
    [letter] = dead.json("deliveries", "list", "--state", "dead")["deliveries"]
    assert f"deliveries retry {letter['id']}" in dead.run("deliveries", "show", letter["id"]).stdout
    dry = dead.run("deliveries", "discard", letter["id"], "nonsense", "--dry-run")
    assert "1 write would be given up" in dry.stdout
    assert "not given up (unknown, settled, or not of those chosen): nonsense" in dry.stderr
    assert "nonsense" in dead.run("deliveries", "retry", letter["id"], "nonsense", "--dry-run").stderr
    assert dead.json("deliveries", "discard", "--system", "sales")["discarded"] == 1
    assert dead.json("work", "list") == {"work": []}
    assert dead.json("status")["work_open"] == 0
    writes = dead.json("status")["systems"][1]["writes"]
    assert (writes["superseded"], writes["dead"], writes["holds"]) == (1, 0, True)
    assert "no write with these ids" in dead.run("deliveries", "discard", "unknown", code=1).stderr


# -- model, funnel, db -------------------------------------------------------------------------------------------------


def test_model_is_shown_in_words(instance: Any) -> None:
    """Rules, stages, and since when they are in use."""
    said = instance.run("model", "show").stdout
    assert "title is vice president or above" in said
    assert "score 50" in said
    report = instance.json("model", "show")
    assert [rule["name"] for rule in report["rules"]] == [
        "Executive or above",
        "Software",
        "Company size",
        "Viewed a page",
    ]
    assert report["active_since"]


def test_funnel_counts_stages_and_groups(filled: Any) -> None:
    """Di won without ever having been handed over."""
    report = filled.json("metrics", "funnel", "--by", "country")
    assert [(stage["stage"], stage["count"]) for stage in report["stages"]] == [("target", 4), ("mql", 3), ("won", 1)]
    assert report["excluded"] == [{"reason": "competitor", "count": 1}]
    assert {group["value"] for group in report["groups"]} == {"DE", None}
    assert "1,500.00 EUR of revenue from 4 leads that entered" in filled.run("metrics", "funnel").stdout


def test_funnel_in_a_pipe_is_plain_columns_with_whole_values(instance: Any, ann: dict[str, str]) -> None:
    """One line per value, as grep and awk like it: no boxes, nothing folded, nothing cut off."""
    long = "Land " * 40 + "end"
    instance.bring([{**ann, "country": long}, {**ann, "id": "9", "email": "x@y.example", "country": "DE"}])
    said = instance.run("metrics", "funnel", "--by", "country").stdout
    assert said.isascii()
    rows = {cells[0]: cells[1:] for line in said.splitlines() if len(cells := re.split(r" {2,}", line)) > 2}
    assert rows["COUNTRY"] == ["REVENUE", "TARGET", "MQL", "OF TARGET", "WON", "OF MQL"]
    assert rows[long][:4] == rows["DE"][:4] == ["0", "1", "1", "100 %"]


def test_months_of_a_funnel_are_in_their_order(instance: Any, ann: Any, bob: Any) -> None:
    """Not in that of their size, as other groups are."""
    later = [{**ann, "id": f"{n}", "email": f"p{n}@one.example", "at": "2026-02-05T09:00:00"} for n in range(3, 6)]
    instance.bring([{**bob, "at": "2026-01-06T09:00:00"}, *later], history=True)
    groups = instance.json("metrics", "funnel", "--by", "month")["groups"]
    assert [group["value"] for group in groups] == ["2026-01", "2026-02"]


def test_misspelt_attribute_is_no_funnel_without_values(filled: Any) -> None:
    """A company's attributes and those that nobody has yet are fine."""
    assert "did you mean 'country'?" in filled.run("metrics", "funnel", "--by", "contry", code=1).stderr
    assert filled.json("metrics", "funnel", "--by", "company.industry")["groups"]


@pytest.mark.parametrize("command", ["run", "web"])
def test_a_port_in_use_is_not_shared(instance: Any, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Two gateways on one port would each get some of the calls, and refuse them as forged."""
    monkeypatch.setattr(processes, "PORT_SECONDS", 0)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        instance.edit("gateway.yaml", "systems:", f"listen: {address}\nsystems:")
        said = instance.run(command, code=1).stderr
    assert f"cannot listen on {address}: address already in use" in said


def test_upgrade_may_be_repeated(instance: Any) -> None:
    """On a store that does not exist yet, and on one that is current."""
    for _ in range(2):
        assert "the tables are those of this version" in instance.run("db", "upgrade").stdout


def test_looking_changes_nothing(filled: Any) -> None:
    """No command that only shows writes to the files of the instance."""
    before = {name: data for name, data in content(filled.root).items() if not name.startswith("var/")}
    for command in (["status"], ["plan"], ["leads", "list"], ["activate", "sales"], ["model", "show"]):
        filled.run(*command)
    assert {name: data for name, data in content(filled.root).items() if not name.startswith("var/")} == before


def test_an_empty_plan_says_who_is_known_from_the_past_alone(instance: Any) -> None:
    """Or it would seem that nothing is missing over there."""
    path = instance.write("data/sales.csv", "id,at,mail\n7,2026-01-05T09:00:00,kim@four.example\n")
    instance.run("db", "upgrade")
    instance.run("import", str(path), "--system", "sales", "--history")
    assert "1 person is known from its past alone" in instance.run("plan", "sales").output
