"""What stands beside a record: one task per handoff, places on lists and in campaigns, each told once."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
import structlog
from small_instance import SITE, Small, days

from gateway.contracts import CAMPAIGN, LIST, TASK, Call, OutcomeReported, Receipt, Sink
from gateway.journey.package import compile_package
from gateway.outbound.delivery import Delivery
from gateway.people import own_news
from gateway.pipeline import Pipeline
from gateway.settings.files import ConfigFile
from gateway.store import tables as t
from gateway.store.loading import Need, load
from gateway.sync.companions import in_words, uncarried
from gateway.sync.links import link
from gateway.sync.planning import computed

JOURNEY = """
stages:
  - {name: target, shared: target}
  - {name: aware, shared: target, entry: {activity: [email_open]}, steps: [{join: News}, {leave: Cold}]}
  - name: mql
    shared: mql
    entry: {score: 50}
    steps: [{handoff: crm}, {campaign: {name: Spring, status: Responded}}]
  - {name: sal, shared: sal, entry: {outcome: [accepted]}}
  - {name: won, shared: won, entry: {outcome: [won]}}
follow_up: {response: 4h, period: 5d}
lists: {recycled: Nurture, sales_rejected: No mail}
"""
WITH_CONSENT = SITE.replace(
    "      number: customer_no\n",
    """\
      number: customer_no
      firstname: first_name
      lastname: last_name
      firm: company_name
      optout: {to: opted_out_email, type: boolean}
      nocall: {to: do_not_call, type: boolean}
      score: {to: score, type: integer, sync: out}
""",
)
ALL = {TASK: ("*",), LIST: ("News", "Cold", "Nurture", "No mail"), CAMPAIGN: ("*",)}


class System(Sink):
    """One record per key; ``answers`` (one per call) may be receipts' fields, or ``lost`` after the effect."""

    def __init__(self):
        self.records, self.answers, self.sent = {}, [], []

    def calls(self, writes):
        return [Call(title="rows", writes=(one,)) for one in writes]

    def deliver(self, call):
        (one,) = call.writes
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, dict):
            return [Receipt(key=one.key, **answer)]
        self.sent.append(one)
        id_ = one.record or next((i for i, held in self.records.items() if held["key"] == one.key), "")
        id_ = id_ or f"r{len(self.records) + 1}"
        self.records.setdefault(id_, {"key": one.key, "object": one.object}).update(one.fields | one.refs)
        if answer == "lost":
            raise TimeoutError
        return [Receipt(key=one.key, result="done", record=id_)]

    def find(self, object, keys):
        return {key: [i for i, held in self.records.items() if held["key"] == key] for key in keys}


class Both:
    """The small instance with both of its systems delivered to."""

    def __init__(self, folder, site=WITH_CONSENT):
        self.small = Small(folder, site=site, journey=JOURNEY, active=("crm", "site"))
        model = replace(self.small.model, carries={"crm": ALL, "site": {LIST: ALL[LIST]}})
        self.small.model = model
        self.small.pipeline = Pipeline(self.small.store.main, model, lambda: self.small.at, structlog.get_logger())
        self.systems = {name: System() for name in ("crm", "site")}
        self.deliveries = {
            name: Delivery(
                self.small.store.main, name, sink, name, lambda: self.small.at,
                lambda *_: contextlib.nullcontext(), structlog.get_logger(),
            )
            for name, sink in self.systems.items()
        }  # fmt: skip

    def person(self, **fields):
        given = {"kind": "contact", "id": "1", "title": "CEO", "page": "/a", "firstname": "Ann", "lastname": "Doe"}
        self.small.take("site", given | {"at": days(3)} | fields)

    def news(self, system="site", **fields):
        self.small.at += timedelta(hours=1)
        self.small.take(system, {"kind": "contact", "id": "1", "at": self.small.at.isoformat(), **fields})

    def deliver(self):
        """Until nothing is due."""
        for name, delivery in self.deliveries.items():
            while True:
                worked, again = delivery.run("w")
                if again:
                    self.small.pipeline.again(again)
                if not worked:
                    break
            assert name

    def held(self, system, object_):
        return [held for held in self.systems[system].records.values() if held["object"] == object_]

    def on(self, system):
        """The lists that the system has the person on."""
        return {held["list"] for held in self.held(system, LIST) if held["member"]}


@pytest.fixture
def both(tmp_path):
    both = Both(tmp_path)
    yield both
    both.small.store.close()


def test_a_handoff_has_one_task_once_the_record_is_there(both):
    """It waits for the record, says why in words and when it is due, and is not said again."""
    both.person(firm="Firm")
    both.deliveries["crm"].run("w")
    assert not both.held("crm", TASK)
    both.deliver()
    (task,) = both.held("crm", TASK)
    ((handoff, _),) = both.small.rows(t.handoffs, "id", "response_due")
    assert (task["key"], task["handoff"], task["lead"]) == (f"handoff:{handoff}:task", handoff, "r1")
    assert (task["subject"], task["priority"]) == ("Follow up: Ann Doe (Firm)", "high")
    assert task["due_at"] == "2026-06-01T04:00:00Z"
    first, *why = task["description"].split("\n")
    assert first == "Handed over at stage mql with 50 of 100 points."
    assert [line.partition(":")[0] for line in why] == [
        "Answer by Mon 1 Jun 2026, 04",
        "+40 Executive",
        "+10 Looked at a page",
        "Lately",
    ]
    both.news(title="Chief of all")
    both.deliver()
    assert len([one for one in both.systems["crm"].sent if one.object == TASK]) == 1


@pytest.mark.parametrize("answer", ["lost", {"result": "unknown"}, {"result": "retry"}])
def test_whatever_is_answered_there_is_one_task(both, answer):
    """After an answer that never came it is looked up by its key."""
    both.person()
    both.deliveries["crm"].run("w")
    both.systems["crm"].answers = [answer]
    for _ in range(4):
        both.deliver()
        both.small.at += timedelta(minutes=5)
    assert len(both.held("crm", TASK)) == 1
    assert both.small.rows(t.writes, "state").count(("confirmed",)) >= 2


@pytest.mark.parametrize("arrived", [False, True])
def test_a_worker_that_dies_while_it_sends_leaves_one_task(both, arrived):
    """Its heir asks for the key before it sends again."""
    both.person()
    both.deliveries["crm"].run("w")
    sink, deliver = both.systems["crm"], both.systems["crm"].deliver

    def die(call):
        if arrived:
            list(deliver(call))
        raise KeyboardInterrupt

    sink.deliver = die
    with pytest.raises(KeyboardInterrupt):
        both.deliveries["crm"].run("dies")
    sink.deliver = deliver
    both.deliveries["crm"].take_over("heir", dead="dies")
    both.deliver()
    assert len(both.held("crm", TASK)) == 1
    assert len([one for one in sink.sent if one.object == TASK]) == 1


def test_a_task_that_sales_deleted_is_not_made_again(both):
    """It is wanted once."""
    both.person()
    both.deliver()
    both.systems["crm"].records = {"r1": both.systems["crm"].records["r1"]}
    both.news(title="Chief")
    both.deliver()
    assert not both.held("crm", TASK)


def test_a_handoff_of_somebody_whom_sales_deleted_is_work_for_a_person(both):
    """Nothing of it waits for a record that does not come back."""
    both.person(title="Clerk", email="kim@x.example")
    both.small.take("crm", {"id": "r9", "at": days(2), "mail": "kim@x.example", "position": "Clerk"})
    both.systems["crm"].answers = [{"result": "gone"}]
    both.deliver()
    both.news(title="CEO", page="/b")
    both.deliver()
    assert both.small.rows(t.handoffs, "state") == [("open",)]
    assert ("waiting",) not in both.small.rows(t.writes, "state")
    assert both.small.rows(t.work_items, "kind", "system") == [("no record", "crm")]


def test_a_task_is_not_made_once_its_handoff_is_over(both):
    """What waits for the record is withdrawn with the handoff."""
    both.person()
    both.deliveries["crm"].run("w")
    both.news(status="Rejected")
    both.deliver()
    assert not both.held("crm", TASK)


def test_the_task_says_what_the_person_does_not_want(both):
    """Sales read it where they work."""
    both.person(optout=True, nocall=True)
    both.deliver()
    (task,) = both.held("crm", TASK)
    assert task["description"].split("\n")[1:3] == ["Do not e-mail: opted out.", "Do not call: opted out."]


def test_steps_put_a_lead_on_lists_and_into_campaigns(both):
    """Joined where the list is kept; left also where somebody else had put the lead there; a campaign with status."""
    both.person(opens=0)
    both.news(opens=1)
    both.deliver()
    assert both.on("site") == both.on("crm") == {"News"}
    assert {(one["list"], one["member"]) for one in both.held("site", LIST)} == {("News", True), ("Cold", False)}
    (member,) = both.held("crm", CAMPAIGN)
    assert (member["campaign"], member["status"], member["lead"]) == ("Spring", "Responded", "r1")
    before = len(both.systems["site"].sent)
    both.news(title="Chief")
    both.deliver()
    assert [one.object for one in both.systems["site"].sent[before:]] in ([], ["contact"])


def test_history_of_a_record_that_comes_before_its_receipt_withdraws_nothing(both, monkeypatch):
    """What was made takes part in sync, though it was first heard of as history, which does not: said is what it is
    to have beside it."""
    crm = both.systems["crm"]
    deliver = crm.deliver

    def faster(call):
        monkeypatch.undo()
        receipts = list(deliver(call))
        item = {"kind": "lead", "id": receipts[0].record, "at": both.small.at.isoformat(), "mail": "ann@firm.example"}
        both.small.take("crm", item, history=True)
        both.news(title="Chief of all", email="ann@firm.example")
        return receipts

    both.person(email="ann@firm.example")
    monkeypatch.setattr(crm, "deliver", faster)
    both.deliver()
    assert [one["campaign"] for one in both.held("crm", CAMPAIGN)] == ["Spring"]


def test_a_recycled_lead_is_nurtured_until_sales_have_it_again(both):
    """On the list of its bucket, off it when the deal is won after all."""
    both.person()
    both.deliver()
    assert both.on("site") == set()
    both.news("crm", id="r1", state="Recycled")
    both.deliver()
    assert both.on("site") == both.on("crm") == {"Nurture"}
    both.news(status="Won")
    both.deliver()
    assert both.on("site") == both.on("crm") == set()


def test_who_sales_took_up_and_gave_back_again_is_nurtured_again(both):
    """The bucket was decided long before: what sales said last tells whether they have the lead."""
    both.person()
    both.deliver()
    on = []
    for state in ("Recycled", "Working", "Recycled"):
        both.news("crm", id="r1", state=state)
        both.deliver()
        on.append(both.on("site"))
    assert on == [{"Nurture"}, set(), {"Nurture"}]


def test_a_reason_goes_with_its_bucket(tmp_path):
    """A bucket without a reason does not stand beside the reason of the one before."""
    told = "      score: {to: score, type: integer, sync: out}\n"
    more = "      ended: {to: bucket, sync: out}\n      why: {to: bucket_reason, sync: out}\n"
    both = Both(tmp_path, WITH_CONSENT.replace(told, told + more))
    both.person()
    both.deliver()
    both.news("crm", id="r1", state="Recycled", why="not now")
    both.deliver()
    (contact,) = both.held("site", "contact")
    assert (contact["ended"], contact["why"]) == ("recycled", "not now")
    both.news(page="/b")
    both.news(status="Rejected")
    both.deliver()
    assert (contact["ended"], contact["why"]) == ("sales_rejected", None)
    both.small.store.close()


def test_a_new_handoff_takes_the_lead_off_the_nurture_list(both):
    """It qualifies anew: sales have it, and there is a second task."""
    both.person()
    both.deliver()
    both.news("crm", id="r1", state="Recycled")
    both.deliver()
    both.small.at += timedelta(days=200)
    both.small.pipeline.run((), [row[0] for row in both.small.rows(t.leads, "id")], cause="time")
    both.news(page="/b")
    both.deliver()
    assert both.on("site") == set()
    assert len(both.held("crm", TASK)) == 2
    assert "Comes back after nurture" in both.held("crm", TASK)[1]["description"]


def test_who_opted_out_joins_no_list_but_that_of_the_rejected(both):
    """And leaves the others at once."""
    both.person(opens=0)
    both.news(opens=1)
    both.deliver()
    assert both.on("site") == {"News"}
    both.news(optout=True)
    both.deliver()
    assert both.on("site") == set()
    both.news(status="Rejected")
    both.deliver()
    assert both.on("site") == {"No mail"}


@pytest.mark.parametrize("answer", ["lost", {"result": "unknown"}])
def test_who_joined_without_our_knowing_leaves_all_the_same(both, answer):
    """The answer comes when the lead is not to be there any more."""
    both.person()
    both.deliver()
    both.news(status="Rejected")
    both.systems["site"].answers = [answer]
    both.deliver()
    both.news(status="Won")
    for _ in range(3):
        both.small.at += timedelta(minutes=5)
        both.deliver()
    assert both.on("site") == set()


def test_who_is_merged_over_there_joins_with_the_record_that_stays(both):
    """The system may have kept the place of the one it absorbed, or not; joining twice does no harm."""
    both.person(opens=0)
    both.news(opens=1)
    both.deliver()
    both.news(id="2", merged=["1"])
    both.deliver()
    assert [one["contact"] for one in both.held("site", LIST) if one["list"] == "News"] == ["2"]
    before = len(both.systems["site"].sent)
    both.news(id="2", title="Chief")
    both.deliver()
    assert [one.object for one in both.systems["site"].sent[before:] if one.object == LIST] == []


def test_a_join_that_was_not_sent_yet_is_withdrawn(both):
    """Who opts out before the delivery is never put on the list."""
    both.person(opens=0)
    both.news(opens=1)
    both.news(optout=True)
    both.deliver()
    assert [one for one in both.systems["site"].sent if one.object == LIST and one.fields["member"]] == []


def tell(both, outcome):
    """A person says it here, by command."""
    with both.small.store.main.connect() as connection:
        (lead,) = (row[0] for row in both.small.rows(t.leads, "id"))
        stored = load(connection, [], {}, [lead], 0, both.small.pipeline.need(both.small.at)).leads[lead]
    both.small.at += timedelta(hours=1)
    gateway = SimpleNamespace(now=lambda: both.small.at, observe=lambda done: None, pipeline=both.small.pipeline)
    own_news.tell(gateway, stored, OutcomeReported, outcome=outcome, by="kim")


def clock(both):
    """The follow-up is over, and what sales did is read."""
    both.small.at += timedelta(days=6)
    with both.small.store.main.begin() as connection:
        connection.execute(t.handoffs.update().values(checking="known"))
    both.small.pipeline.run((), [row[0] for row in both.small.rows(t.leads, "id")], cause="time")


@pytest.mark.parametrize("end", [clock, lambda both: tell(both, "rejected")], ids=["clock", "command"])
def test_the_task_of_a_handoff_that_ended_here_is_closed_once(both, end):
    """Nobody over there did so."""
    both.person()
    both.deliver()
    end(both)
    both.deliver()
    assert [task.get("done") for task in both.held("crm", TASK)] == [True]
    both.news(title="Chief")
    both.deliver()
    assert len([one for one in both.systems["crm"].sent if one.object == TASK]) == 2


def test_the_task_of_a_handoff_that_sales_ended_is_theirs(both):
    """They may have more to do there."""
    both.person()
    both.deliver()
    both.news("crm", id="r1", state="Recycled")
    both.deliver()
    assert [task.get("done") for task in both.held("crm", TASK)] == [None]


def test_no_task_is_closed_where_the_journey_says_so(both):
    journey = replace(both.small.model.journey, package=compile_package({"close_task": False}))
    both.small.pipeline.model = replace(both.small.model, journey=journey)
    both.person()
    both.deliver()
    clock(both)
    both.deliver()
    assert [task.get("done") for task in both.held("crm", TASK)] == [None]


def test_a_task_that_was_made_while_its_handoff_ended_is_closed(both):
    """It was on its way when the clock spoke."""
    both.person()
    both.deliveries["crm"].run("w")
    both.small.pipeline.again([[row[0]] for row in both.small.rows(t.leads, "id")])
    both.systems["crm"].answers = ["lost"]
    both.deliveries["crm"].run("w")
    clock(both)
    for _ in range(4):
        both.small.at += timedelta(minutes=5)
        both.deliver()
    assert [task.get("done") for task in both.held("crm", TASK)] == [True]


def test_the_task_leads_to_the_record_in_each_other_system(both):
    """Known records whose system says where their pages are; over there it hangs at the record itself."""
    links = {
        "crm": {"*": "https://crm.example/{object}/{record}"},
        "site": {"contact": "https://site.example/{record}"},
    }
    both.small.pipeline.model = replace(both.small.model, links=links)
    both.person()
    both.deliver()
    (task,) = both.held("crm", TASK)
    assert task["lead"] == "r1"
    assert task["description"].split("\n")[-2:] == [
        "Lately: page view /a on 29 May 2026",
        "site contact: https://site.example/1",
    ]


@pytest.mark.parametrize("record", ["a/b", "1?x=y", "javascript:1", "é"])
def test_an_id_that_is_nothing_for_an_address_has_no_page(record):
    """Ids come from outside."""
    assert link({"crm": {"*": "https://crm.example/{record}"}}, ("crm", "lead", record)) == ""


def test_who_is_forgotten_leaves_nothing_of_what_sales_were_told(both):
    """Its texts name the person."""
    both.person(firm="Firm")
    both.deliver()
    assert "Ann Doe" in str(both.small.rows(t.handoffs, "package"))
    both.news(forget=True)
    assert both.small.rows(t.handoffs, "package") == [({},)]
    assert "Doe" not in str(both.small.rows(t.handoffs)) + str(both.small.rows(t.writes))


def test_fields_tell_what_the_package_says(both):
    """As it was when the handoff opened, whatever the lead does later."""
    both.person(firm="Firm")
    with both.small.store.main.connect() as connection:
        (lead,) = (row[0] for row in both.small.rows(t.leads, "id"))
        stored = load(connection, [], {}, [lead], 0, Need(scores=["lead"], whole=[lead])).leads[lead]
    told = computed(stored)
    assert told["handoff_summary"].startswith("50 of 100 points (good).\nWhy: Executive")
    assert told["last_activities"] == "page view /a on 29 May 2026"
    assert (told["response_due"], told["follow_up_ends"]) == ("2026-06-01T04:00:00Z", "2026-06-06T00:00:00Z")


def test_a_list_that_no_system_keeps_is_named_with_its_line():
    """Else it would be joined nowhere, and nobody would know."""
    file = ConfigFile("journey.yaml", JOURNEY)
    carries = {"crm": {CAMPAIGN: ("*",)}, "site": {LIST: ("News", "Cold", "Nurture")}}
    assert [str(one) for one in uncarried(file, carries, ())] == [
        "journey.yaml:12: lists.sales_rejected: no system keeps the list 'No mail': "
        "name it under lists in the settings of the one that does"
    ]
    assert len(list(uncarried(file, {}, ()))) == 5
    assert not list(uncarried(file, {}, ("lists", "campaigns")))  # a mapping file sends them


@pytest.mark.parametrize(
    ("object_", "fields", "record", "said"),
    [
        (TASK, {"subject": "x"}, None, "make the follow-up task"),
        (TASK, {"done": True}, "00T", "close the follow-up task"),
        (LIST, {"list": "Nurture", "member": True}, None, "join the list Nurture"),
        (LIST, {"list": "Nurture", "member": False}, "k", "leave the list Nurture"),
        (CAMPAIGN, {"campaign": "Fair"}, None, "join the campaign Fair"),
        (CAMPAIGN, {"campaign": "Fair", "status": "Won"}, "00v", "stay in the campaign Fair with status Won"),
        (LIST, {}, None, "create list_membership"),  # of somebody who is forgotten
        ("lead", {"score": 1}, "r1", "update lead r1"),
    ],
)
def test_writes_are_told_in_words(object_, fields, record, said):
    """As plan, deliveries and a lead's timeline show them."""
    assert in_words(object_, fields, record) == said
