"""Sales people: they see what was handed over, answer soon, late or never, and decide.

What they see in Salesforce is what the gateway wrote: leads that its user made, and its open tasks. Everything they do
is done as a person would: statuses, reasons, logged calls, conversions, stages of opportunities.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway_sandbox.clock import Clock
from gateway_sandbox.company.buyers import Buyer, Buyers
from gateway_sandbox.company.diary import Diary, working
from gateway_sandbox.records import Record
from gateway_sandbox.salesforce import RowError, SalesforceSandbox

CONTACTED, CLOSED = "Working - Contacted", "Closed - Not Converted"
REJECTED = ("no budget", "wrong person", "student")
RECYCLED = "not now"
LOST = ("price", "competitor", "no decision")
HOLIDAYS = (((57, 68),), ((15, 22), (72, 79)), ((30, 44),))
"""For each of them from which day of the story to which they are away."""
STAGES = ("Qualification", "Proposal/Price Quote", "Negotiation/Review")


@dataclass(slots=True)
class Seller:
    """``answers_in``: working hours, on average; ``forgets``: share never answered; ``away``: from, until."""

    id: str
    name: str
    email: str
    answers_in: float
    forgets: float
    away: tuple[tuple[datetime, datetime], ...] = ()

    def back(self, at: datetime) -> datetime:
        """``at``, or when they are back from the holiday that they are on then."""
        return next((until for begin, until in self.away if begin <= at < until), at)


class Sellers:
    def __init__(
        self,
        salesforce: SalesforceSandbox,
        buyers: Buyers,
        diary: Diary,
        chance: random.Random,
        told: Callable[..., None],
    ) -> None:
        self.salesforce = salesforce
        self.buyers = buyers
        self.diary = diary
        self.chance = chance
        self.told = told
        habits = ((2.0, 0.0), (26.0, 0.1), (8.0, 0.2))
        users = salesforce.records["User"]
        midnight = salesforce.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        self.all = [
            Seller(
                *(id, users[id]["Name"], users[id]["Email"], answers_in, forgets),
                tuple((midnight + timedelta(days=begin), midnight + timedelta(days=end)) for begin, end in holidays),
            )
            for id, (answers_in, forgets), holidays in zip(salesforce.org.people, habits, HOLIDAYS, strict=True)
        ]
        self._seen: dict[str, object] = {}
        """Leads and tasks that somebody has looked at, and whose they were."""

    @property
    def clock(self) -> Clock:
        return self.salesforce.clock

    def look(self) -> None:
        """See what is new since the last look: each is taken by somebody, to be answered later."""
        org = self.salesforce.org
        tasked = set()
        for task in list(self.salesforce.records.alive("Task")):
            if task["CreatedById"] != org.user or task["IsClosed"]:
                continue
            tasked.add(task["WhoId"])
            if self._seen.get(task.id) != task["OwnerId"]:  # new, or given to somebody else since
                self._seen[task.id] = task["OwnerId"]
                self._take(str(task["WhoId"] or ""), task)
        for lead in list(self.salesforce.records.alive("Lead")):
            if lead["CreatedById"] == org.user and lead.id not in self._seen:
                self._seen[lead.id] = None
                if lead.id not in tasked:
                    self._take(lead.id, None)

    def _take(self, who: str, task: Record | None) -> None:
        record = self.salesforce.org.get(who)
        if record is None:
            return
        self._seen[who] = None
        owner = str(task["OwnerId"] if task else record["OwnerId"])
        seller = next((one for one in self.all if one.id == owner), None) or self.chance.choice(self.all)
        if self.chance.random() < seller.forgets:
            self.told(seller.name, "forgets", record["Email"])
            return
        hours = self.chance.expovariate(1 / seller.answers_in)
        at = seller.back(working(self.clock.now(), hours))
        self.diary.enter(at, lambda: self._answer(seller, who, task, owner))

    def _answer(self, seller: Seller, who: str, task: Record | None, owner: str) -> None:
        """Call them, unless somebody else has to by now: the lead is accepted, or turned down at first sight."""
        record = self._now(who)
        if record is None or (task is not None and (task["IsClosed"] or task["OwnerId"] != owner)):
            return
        buyer = self.buyers.by_email.get(str(record["Email"]).lower())
        self.salesforce.add(
            "Task",
            {
                "WhoId": record.id,
                "Subject": "Call",
                "Status": "Completed",
                "TaskSubtype": "Call",
                "CallType": "Outbound",
                "CallDurationInSeconds": self.chance.randrange(40, 1500),
                "OwnerId": seller.id,
            },
            by=seller.id,
        )
        if task is not None:
            self._edit(seller, task, Status="Completed")
        if buyer is not None and buyer.fit < 0.2:
            self._close(seller, record, task, REJECTED[2], buyer)
            return
        if record.object == "Lead":
            self._edit(seller, record, Status=CONTACTED, OwnerId=seller.id)
        elif self._has_status(record):
            self._edit(seller, record, Contact_Status__c="Working")
        self.told(seller.name, "accepts", record["Email"])
        hours = self.chance.uniform(4, 40)
        self.diary.enter(working(self.clock.now(), hours), lambda: self._decide(seller, who, task, buyer))

    def _decide(self, seller: Seller, who: str, task: Record | None, buyer: Buyer | None) -> None:
        record = self._now(who)
        if record is None:
            return
        if self.chance.random() < seller.forgets:
            self.told(seller.name, "forgets", record["Email"])
            return
        ready = buyer.ready() if buyer is not None else 0.3
        draw = self.chance.random()
        if draw < 0.15 + ready:
            self._qualify(seller, record, buyer)
        elif draw < 0.6 + ready / 2:
            self._close(seller, record, task, RECYCLED, buyer)
        else:
            self._close(seller, record, task, self.chance.choice(REJECTED[:2]), buyer)

    def _close(self, seller: Seller, record: Record, task: Record | None, reason: str, buyer: Buyer | None) -> None:
        if record.object == "Lead":
            self._edit(seller, record, Status=CLOSED, Reject_Reason__c=reason)
        elif self._has_status(record):
            self._edit(seller, record, Contact_Status__c="Closed", Reject_Reason__c=reason)
        if task is not None:
            self._edit(seller, task, CallDisposition=reason)
        self.told(seller.name, f"closes: {reason}", record["Email"])
        if buyer is not None and reason == RECYCLED:
            buyer.interest = min(buyer.interest, 0.08)  # for now
            self.buyers.come_back(buyer, self.clock.now() + timedelta(days=self.chance.uniform(8, 30)))

    def _qualify(self, seller: Seller, record: Record, buyer: Buyer | None) -> None:
        seats = buyer.employees if buyer is not None else 20
        amount = round(600 + seats * self.chance.uniform(20, 60), 2)
        if record.object == "Lead":
            made = self.salesforce.convert(
                record.id, opportunity=f"{record['Company']}, {seats} seats", amount=amount, by=seller.id
            )
            deal = str(made["opportunity"])
        else:
            if self._has_status(record):
                self._edit(seller, record, Contact_Status__c="Qualified")
            deal = self._open_deal(seller, record, seats, amount)
        self.told(seller.name, f"qualifies, {amount:.0f}", record["Email"])
        self._work_on(seller, deal, buyer, list(STAGES))

    def _open_deal(self, seller: Seller, contact: Record, seats: int, amount: float) -> str:
        org, now = self.salesforce.org, self.clock.now()
        values = {
            "Name": f"{contact['Name']}, {seats} seats",
            "AccountId": contact["AccountId"],
            "StageName": "Prospecting",
            "Amount": amount,
            "CloseDate": (now + timedelta(days=30)).strftime("%Y-%m-%d"),
            "OwnerId": seller.id,
        }
        deal = org.create("Opportunity", {name: value for name, value in values.items() if value}, seller.id).id
        org.create("OpportunityContactRole", {"OpportunityId": deal, "ContactId": contact.id}, seller.id)
        return deal

    def _work_on(self, seller: Seller, deal: str, buyer: Buyer | None, stages: list[str]) -> None:
        """The next stage after some days; after the last one it is won or lost."""
        at = working(self.clock.now(), self.chance.uniform(5, 30))

        def move() -> None:
            record = self._now(deal)
            if record is None or record["IsClosed"]:
                return
            if stages:
                self._edit(seller, record, StageName=stages.pop(0))
                self._work_on(seller, deal, buyer, stages)
                return
            today = self.clock.now().strftime("%Y-%m-%d")
            if self.chance.random() < 0.25 + 0.6 * (buyer.ready() if buyer is not None else 0.3):
                self._edit(seller, record, StageName="Closed Won", CloseDate=today)
                self.told(seller.name, f"wins {record['Amount']:.0f}", buyer.email if buyer else record["Name"])
                if buyer is not None:
                    buyer.customer = True
            else:
                reason = self.chance.choice(LOST)
                self._edit(seller, record, StageName="Closed Lost", CloseDate=today, Loss_Reason__c=reason)
                self.told(seller.name, f"loses: {reason}", buyer.email if buyer else record["Name"])

        self.diary.enter(at, move)

    def _now(self, id: str) -> Record | None:
        """The record as it is, the contact it was converted to, the master it was merged into; None if it is gone."""
        org = self.salesforce.org
        record = self.salesforce.records["Lead"].get(id)
        while record is not None and record.merged_into:
            record = self.salesforce.records[record.object].get(record.merged_into)
        if record is None:
            return org.get(id)
        if record["IsConverted"]:
            return org.get(record["ConvertedContactId"])
        return None if record.gone else record

    def _has_status(self, record: Record) -> bool:
        """Salesforce knows a status of leads only; this company gave one to its contacts."""
        return "Contact_Status__c" in self.salesforce.org.objects[record.object]

    def _edit(self, seller: Seller, record: Record, **values: object) -> None:
        try:
            self.salesforce.edit(record.object, record.id, values, seller.id)
        except RowError:
            # The org's own rules stop people, too; they shrug and go on.
            self.told(seller.name, "cannot save", record["Email"] or record["Name"])
