"""One id from the webhook to the receipt: `gateway inbox show`, the header of the answer, and the logs."""

from __future__ import annotations

import re
from contextlib import closing

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from gateway import logs
from gateway.opening import open_gateway
from gateway.store import tables as t
from gateway.store.arrivals import Arrival
from gateway.store.times import utc_now
from gateway.web.accepted import Accepted


@pytest.fixture
def handed(filled):
    """With what was handed over sent to the sales system."""
    filled.edit("gateway.yaml", "outbound: off", "outbound: on")
    filled.run("activate", "sales", "--existing", "handover")
    return filled


def test_a_document_is_followed_to_the_answer(handed, people):
    """What was read, who it is about, what was decided and planned, and what the system said."""
    handed.bring([people[1] | {"at": "2026-02-01T10:00:00", "title": "Chief Executive Officer"}], "more.csv")
    newest = handed.json("inbox", "list")["documents"][0]["id"]
    told = handed.json("inbox", "show", newest)
    assert (told["document"]["id"], told["document"]["state"]) == (newest, "read")
    assert {item["record"] for item in told["items"]} == {"1"}
    [write] = told["writes"]
    assert (write["state"], write["document"], write["lead"]) == ("waiting", newest, told["leads"][0])
    handed.run("push", "sales")
    [write] = handed.json("inbox", "show", newest)["writes"]
    assert (write["state"], bool(write["record"]), bool(write["finished_at"])) == ("confirmed", True, True)
    text = handed.run("inbox", "show", newest).stdout
    assert re.search(r"write \w{32} to sales lead: confirmed as ", text)
    assert "Chief" not in text


def test_what_took_the_place_of_a_write_is_told_too(handed, people):
    """Many changes before a delivery are one write: that of an earlier document goes on in the last one's."""
    for day, title in (("01", "Chief Executive Officer"), ("02", "Chief Operating Officer")):
        handed.bring([people[1] | {"at": f"2026-02-{day}T10:00:00", "title": title}], f"{day}.csv")
    last, first = (one["id"] for one in handed.json("inbox", "list")["documents"][:2])
    writes = handed.json("inbox", "show", first)["writes"]
    assert [(one["document"], one["state"]) for one in writes] == [(first, "superseded"), (last, "waiting")]
    assert "planned later in its place" in handed.run("inbox", "show", first).stdout


def test_two_documents_of_one_batch_lead_to_the_same_writes(handed, people):
    """A write names one of them; neither is told that nothing was sent because of it."""
    with closing(open_gateway(handed.root)) as gateway:
        for day, title in (("01", "Chief Executive Officer"), ("02", "Chief Operating Officer")):
            body = handed.csv("x.csv", [people[1] | {"at": f"2026-02-{day}T10:00:00", "title": title}]).read_bytes()
            gateway.inbox.append([Arrival(system="leads", body=body, received_at=utc_now(), content_type="text/csv")])
        gateway.run_pipeline_once("worker")
    documents = [one["id"] for one in handed.json("inbox", "list")["documents"][:2]]
    [first], [second] = (handed.json("inbox", "show", one)["writes"] for one in documents)
    assert first == second
    for one in documents:
        text = handed.run("inbox", "show", one).stdout
        assert first["id"] in text
        assert "in its place" not in text


def test_a_document_that_said_nothing_of_anybody(handed):
    """Quarantined, or of no record: that it led to nothing is an answer, too."""
    handed.bring([{"id": "", "at": "2026-02-01T10:00:00"}], "odd.csv", code=1)
    newest = handed.json("inbox", "list")["documents"][0]["id"]
    told = handed.json("inbox", "show", newest)
    assert [item["state"] for item in told["items"]] == ["dead"]
    assert (told["leads"], told["writes"]) == ([], [])
    assert "nothing was to be sent" in handed.run("inbox", "show", newest).stdout
    assert "no document has this id" in handed.run("inbox", "show", "0" * 32, code=1).output


def test_the_logs_follow_a_document_by_its_id(handed, people):
    """From its arrival over the batch that worked it to the system's answer."""
    with closing(open_gateway(handed.root)) as gateway:
        accepted = Accepted(gateway.log)
        body = handed.csv("one.csv", [people[1] | {"at": "2026-02-01T10:00:00", "title": "Chief Executive Officer"}])
        one = Arrival(system="leads", body=body.read_bytes(), received_at=utc_now(), content_type="text/csv")
        logs.configure(logs.INFO)
        with capture_logs() as lines:
            came, again = (gateway.inbox.append([one])[0] for _ in range(2))
            accepted("leads", came)
            accepted("leads", again)
            accepted.tell()
            gateway.run_pipeline_once("worker")
            gateway.deliver_once("sales", "worker")
    assert (came.duplicate, again.duplicate) == (False, True)
    told = [(line["event"], line.get("system", "")) for line in lines if came.id in line.get("documents", "")]
    assert told == [("accepted", "leads"), ("repeated", "leads"), ("worked", ""), ("answered", "sales")]
    assert "Ames" not in repr(lines)


def test_the_log_says_under_whose_name_a_document_goes_on(handed, people):
    """Of two that were worked together, of one whose write waited still, and of what time or a person changed since."""

    def said(day, title):
        body = handed.csv("x.csv", [people[1] | {"at": f"2026-02-{day}T10:00:00", "title": title}]).read_bytes()
        one = Arrival(system="leads", body=body, received_at=utc_now(), content_type="text/csv")
        return gateway.inbox.append([one])[0].id

    with closing(open_gateway(handed.root)) as gateway:
        logs.configure(logs.INFO)
        with capture_logs() as lines:
            first, second = said("01", "Chief Executive Officer"), said("02", "Chief Operating Officer")
            gateway.run_pipeline_once("worker")
            third = said("03", "Chief Financial Officer")
            gateway.run_pipeline_once("worker")
            [(lead,)] = handed_over(gateway)
            gateway.observe(gateway.pipeline.run((), [lead], cause="time"))
            gateway.deliver_once("sales", "worker")
    told = [line["documents"] for line in lines if line["event"] == "sent with"]
    assert told == [f"{first}>{second}", f"{second}>{third}"]
    assert [line["documents"] for line in lines if line["event"] == "answered"] == [third]


def handed_over(gateway):
    with gateway.store.main.connect() as connection:
        return connection.execute(select(t.handoffs.c.lead)).all()
