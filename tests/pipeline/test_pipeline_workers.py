"""Several workers on one store: whoever is slower loads again, so no fact is lost and nobody is two people."""

from __future__ import annotations

import threading

import pytest
from small_instance import Small, days

from gateway.store import tables as t


@pytest.fixture
def small(tmp_path):
    small = Small(tmp_path)
    yield small
    small.store.close()


@pytest.fixture
def meanwhile(small, monkeypatch):
    """Do something after the next batch has computed and before it commits."""

    def between(work):
        compute = small.pipeline.compute

        def slow(*args):
            compute(*args)
            monkeypatch.setattr(small.pipeline, "compute", compute)
            work()

        monkeypatch.setattr(small.pipeline, "compute", slow)

    return between


def test_two_workers_meet_one_new_record_and_it_is_one_person(small, meanwhile):
    """Without any address to settle it, the record itself is the key."""
    meanwhile(lambda: small.take("site", {"kind": "contact", "id": "1", "at": days(3), "country": "Chile"}))
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "title": "CEO"})
    assert small.leads() == [{"title": "CEO", "country": "Chile"}]


def test_two_workers_meet_a_record_known_only_by_its_deletion(small, meanwhile):
    """The record is there but nobody's yet: only one of the two can make it somebody's."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(9), "deleted": True})
    meanwhile(lambda: small.take("site", {"kind": "contact", "id": "1", "at": days(3), "country": "Chile"}))
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "title": "CEO"})
    assert small.leads() == [{"title": "CEO", "country": "Chile"}]


def test_two_workers_meet_one_new_company(small, meanwhile):
    """Both name it first: one company, and both its leads belong to it."""
    meanwhile(lambda: small.take("site", {"kind": "contact", "id": "1", "at": days(3), "firm_id": "f"}))
    small.take("site", {"kind": "contact", "id": "2", "at": days(2), "firm_id": "f"})
    assert len(small.rows(t.companies)) == 1
    assert {row[0] for row in small.rows(t.leads, "company")} == {row[0] for row in small.rows(t.companies, "id")}


def test_a_link_is_told_while_its_person_is_made(small, meanwhile):
    """One worker hears that a deal has a buyer while another hears of the buyer: they find each other."""
    deal = {"kind": "deal", "id": "d", "at": days(3), "status": "Won", "contact_id": "1"}
    meanwhile(lambda: small.take("site", {"kind": "contact", "id": "1", "at": days(2), "title": "CEO"}))
    small.take("site", deal)
    assert len(small.rows(t.deal_leads)) == 1
    meanwhile(lambda: small.take("site", deal | {"id": "e", "contact_id": "2"}))
    small.take("site", {"kind": "contact", "id": "2", "at": days(2), "title": "CEO"})
    assert len(small.rows(t.deal_leads)) == 2
    assert [row[0] for row in small.rows(t.outcomes, "outcome")] == ["won", "won"]


def test_two_workers_with_overlapping_batches_lose_nothing(tmp_path):
    """Every record's facts arrive, each person is there once, and nobody gives up."""
    workers = [Small(tmp_path) for _ in range(2)]
    failures = []

    def work(small, parity):
        try:
            for round_ in range(12):
                small.take(
                    "site",
                    *(
                        {
                            "kind": "contact",
                            "id": str(number),
                            "at": days(30 - round_ - parity / 2),
                            "email": f"p{number}@example.org",
                            "page": f"/{round_}/{parity}",
                            "firm_id": f"f{number % 2}",
                        }
                        for number in range(6)
                    ),
                )
        except Exception as exc:  # noqa: BLE001 - whatever it is, the test must say so
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(small, n)) for n, small in enumerate(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    small = workers[0]
    assert failures == []
    assert len(small.leads()) == 6
    assert len(small.rows(t.companies)) == 2
    assert len(small.rows(t.activities)) == 6 * 24
    assert {row[1] for row in small.rows(t.activity_kinds, "lead", "count")} == {24}
    for one in workers:
        one.store.close()
