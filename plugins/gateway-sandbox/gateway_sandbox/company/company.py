"""The company: buyers come to HubSpot, campaigns run, and sales people work on what arrives in Salesforce.

Between the two is nothing: carrying the good leads over, and the outcomes back, is the gateway's work. One seed, one
story: the same calls at the same times lead to the same records.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway_sandbox.company.buyers import Buyers
from gateway_sandbox.company.diary import Diary
from gateway_sandbox.company.sellers import Sellers
from gateway_sandbox.hubspot import HubSpotSandbox
from gateway_sandbox.salesforce import SalesforceSandbox

LOOK_EVERY = timedelta(minutes=30)
NEWSLETTER_EVERY, WEBINAR_EVERY = timedelta(days=7), timedelta(days=21)


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the story: when, who, what, about whom."""

    at: datetime
    who: str
    what: str
    about: str

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}  {self.who} {self.what}  ({self.about})"


class Company:
    """Both sandboxes must share one clock. ``run`` moves a frozen clock; ``start`` follows a running one."""

    def __init__(
        self, hubspot: HubSpotSandbox, salesforce: SalesforceSandbox, *, seed: int = 0, buyers_per_day: float = 6.0
    ) -> None:
        if hubspot.clock is not salesforce.clock:
            raise ValueError("both sandboxes of one company live by one clock")
        self.hubspot = hubspot
        self.salesforce = salesforce
        self.clock = hubspot.clock
        self.story: list[Happening] = []
        self.buyers_per_day = buyers_per_day
        self._chance = random.Random(seed)
        self._diary = Diary()
        self.buyers = Buyers(hubspot, self._diary, self._chance, self._told)
        self.sellers = Sellers(salesforce, self.buyers, self._diary, self._chance, self._told)
        self._campaigns: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        now = self.clock.now()
        self._diary.enter(now, self._arrivals)
        self._diary.enter(now, self._looks)
        self._diary.enter(now + timedelta(days=2), self._newsletters)
        self._diary.enter(now + timedelta(days=9), self._webinars)

    # How time passes

    def run(self, duration: timedelta) -> list[Happening]:
        """Let so much time pass on a frozen clock. Returns what happened."""
        until, began = self.clock.now() + duration, len(self.story)
        while True:
            with self.hubspot.lock, self.salesforce.lock:
                due = self._diary.take(until)
                if due is None:
                    break
                at, act = due
                self.clock.move_to(at)
                act()
        self.clock.move_to(until)
        return self.story[began:]

    def catch_up(self) -> int:
        """Do what is due by now, on a clock that runs by itself. Returns how many acts."""
        done = 0
        while not self._stop.is_set():
            with self.hubspot.lock, self.salesforce.lock:
                due = self._diary.take(self.clock.now())
                if due is None:
                    break
                due[1]()
                done += 1
        return done

    def start(self, every: float = 0.1) -> None:
        """Keep up with a running clock, looking every so many seconds, until ``close``."""

        def go() -> None:
            while not self._stop.wait(every):
                self.catch_up()

        self._thread = threading.Thread(target=go, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    def summary(self) -> dict[str, int]:
        """How far they all came: buyers, handed over, accepted, rejected, recycled, qualified, won, lost."""
        said = Counter(one.what.split(":")[0].split(",")[0].split(" ")[0] for one in self.story)
        reasons = Counter(one.what for one in self.story if one.what.startswith("closes: "))
        recycled = reasons["closes: not now"]
        return {
            "buyers": len(self.buyers.by_email),
            "accepted": said["accepts"],
            "rejected": said["closes"] - recycled,
            "recycled": recycled,
            "forgotten": said["forgets"],
            "qualified": said["qualifies"],
            "won": said["wins"],
            "lost": said["loses"],
        }

    def _note_member(self, campaign: str, email: str, came: bool) -> None:
        """Whoever sales knows already is put on the campaign there, too."""
        org = self.salesforce.org
        people = [*org.matching("Contact", "Email", email), *org.matching("Lead", "Email", email)]
        person = next((one for one in people if not one["IsConverted"]), None)
        if person is not None:
            member = org.add(
                "CampaignMember", {"CampaignId": campaign, f"{person.object}Id": person.id, "Status": "Invited"}
            )
            if came:
                org.edit(member.id, {"Status": "Attended"})

    # What comes round

    def _told(self, who: str, what: str, about: str | None) -> None:
        self.story.append(Happening(self.clock.now(), who, what, about or ""))

    def _arrivals(self) -> None:
        self.buyers.arrive()
        wait = self._chance.expovariate(self.buyers_per_day)
        self._diary.enter(self.clock.now() + timedelta(days=wait), self._arrivals)

    def _looks(self) -> None:
        self.sellers.look()
        self._diary.enter(self.clock.now() + LOOK_EVERY, self._looks)

    def _newsletters(self) -> None:
        self._campaigns["Newsletter"] += 1
        self.buyers.newsletter(f"Newsletter {self._campaigns['Newsletter']}")
        self._diary.enter(self.clock.now() + NEWSLETTER_EVERY, self._newsletters)

    def _webinars(self) -> None:
        self._campaigns["Webinar"] += 1
        name = f"Webinar {self._campaigns['Webinar']}"
        campaign = self.salesforce.add_campaign(name, {"Invited": False, "Attended": True}, Type="Webinar").id
        for buyer, came in self.buyers.webinar(name):
            self._note_member(campaign, buyer.email, came)
        self._diary.enter(self.clock.now() + WEBINAR_EVERY, self._webinars)
