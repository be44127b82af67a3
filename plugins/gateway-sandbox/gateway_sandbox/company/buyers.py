"""Buyers: who comes, what they are interested in, and what they do in HubSpot about it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway_sandbox.company.diary import Diary
from gateway_sandbox.hubspot import HubSpotSandbox

SITE = "https://www.sandbox.example"
PAGES = ("/", "/product", "/customers", "/blog/forecasting", "/pricing", "/demo")
HOT_PAGES = ("/pricing", "/demo")
WHITEPAPER, DEMO, NEWSLETTER_FORM = "Whitepaper", "Demo request", "Newsletter"

# persona → (titles, department, how well they fit, how interested they begin)
PERSONAS = {
    "finance": (("Chief Financial Officer", "Head of Finance", "Controller"), "finance", 0.9, 0.6),
    "operations": (("VP Operations", "Operations Manager"), "operations", 0.7, 0.5),
    "marketing": (("Chief Marketing Officer", "Marketing Manager"), "marketing", 0.5, 0.5),
    "student": (("Student", "Intern"), "", 0.05, 0.4),
}
_WEIGHTS = (4, 3, 3, 2)
_FIRST = ("Ada", "Ben", "Chiara", "David", "Emre", "Fatou", "Greta", "Hugo", "Ines", "Jonas", "Kaya", "Lena", "Marek")
_LAST = ("Okafor", "Lindt", "Moreau", "Nowak", "Haddad", "Silva", "Brandt", "Keller", "Sato", "Virtanen", "Rossi", "Ek")
_FIRMS = ("Norvik", "Albatros", "Quarzwerk", "Helion", "Brightwater", "Kontor", "Zephyr", "Ostsee", "Meridian", "Tarn")
_KINDS = ("AG", "GmbH", "Ltd", "SA", "Oy")
_COUNTRIES = ("Germany", "Austria", "Switzerland", "France", "Finland", "Italy")
_INDUSTRIES = ("software", "finance", "manufacturing", "logistics", "healthcare")
_SOURCES = ("ORGANIC_SEARCH", "PAID_SEARCH", "SOCIAL_MEDIA", "REFERRALS", "DIRECT_TRAFFIC")


@dataclass(slots=True)
class Buyer:
    """``interest`` and ``fit`` from 0 to 1 are the truth that a score can only guess."""

    contact: str
    email: str
    name: str
    persona: str
    company: str
    employees: int
    fit: float
    interest: float
    opted_out: bool = False
    customer: bool = False
    asked_for_demo: bool = False

    def ready(self) -> float:
        """How likely a good conversation leads to a deal."""
        return self.fit * self.interest


class Buyers:
    def __init__(self, hubspot: HubSpotSandbox, diary: Diary, chance: random.Random, told: Callable[..., None]) -> None:
        self.hubspot = hubspot
        self.diary = diary
        self.chance = chance
        self.told = told
        self.by_email: dict[str, Buyer] = {}
        self._firms: dict[str, tuple[str, int]] = {}
        """Firm → its HubSpot id and its number of employees."""

    def arrive(self) -> Buyer:
        """Somebody new fills in a form."""
        chance = self.chance
        persona = chance.choices(tuple(PERSONAS), _WEIGHTS)[0]
        titles, department, fit, interest = PERSONAS[persona]
        first, last = chance.choice(_FIRST), chance.choice(_LAST)
        firm = f"{chance.choice(_FIRMS)} {chance.choice(_KINDS)}"
        domain = firm.lower().replace(" ", "-") + ".example"
        number = len(self.by_email) + 1
        email = f"{first}.{last}.{number}@{domain}".lower()
        if firm not in self._firms:
            employees = int(chance.lognormvariate(4.5, 1.2)) + 3
            made = self.hubspot.add(
                "companies",
                {
                    "name": firm,
                    "domain": domain,
                    "numberofemployees": employees,
                    "industry": chance.choice(_INDUSTRIES),
                    "country": chance.choice(_COUNTRIES),
                },
            )
            self._firms[firm] = made.id, employees
        firm_id, employees = self._firms[firm]
        contact = self.hubspot.add(
            "contacts",
            {
                "email": email,
                "firstname": first,
                "lastname": last,
                "jobtitle": chance.choice(titles),
                "job_function": department,
                "company": firm,
                "numemployees": employees,
                "country": self.hubspot.records["companies"][firm_id]["country"],
                "industry": self.hubspot.records["companies"][firm_id]["industry"],
                "hs_analytics_source": chance.choice(_SOURCES),
                "lifecyclestage": "subscriber",
            },
            by="FORM",
        )
        self.hubspot.associate("contacts", contact.id, "companies", firm_id)
        buyer = Buyer(
            contact.id,
            email,
            f"{first} {last}",
            persona,
            firm,
            employees,
            min(1.0, max(0.0, chance.gauss(fit, 0.1))),
            min(1.0, max(0.1, chance.gauss(interest, 0.2))),
        )
        self.by_email[email] = buyer
        form = chance.choice((WHITEPAPER, NEWSLETTER_FORM))
        self.hubspot.activities.submit(buyer.contact, form, page=f"{SITE}/{form.lower()}")
        self.told(buyer.name, f"arrives by the form {form}", email)
        self._next(buyer)
        return buyer

    def _next(self, buyer: Buyer) -> None:
        hours = self.chance.expovariate(1.0) * 10 / (0.15 + buyer.interest)
        self.diary.enter(self.hubspot.clock.now() + timedelta(hours=hours), lambda: self._act(buyer))

    def _act(self, buyer: Buyer) -> None:
        """One thing a buyer does; interest drifts, and those who lose it stop coming."""
        if not self._there(buyer):
            return
        chance, done = self.chance, self.hubspot.activities
        if chance.random() < 0.12 * buyer.interest and not buyer.asked_for_demo:
            buyer.asked_for_demo = True
            done.submit(buyer.contact, DEMO, page=f"{SITE}/demo")
            self.told(buyer.name, "asks for a demo", buyer.email)
        elif chance.random() < 0.1:
            done.submit(buyer.contact, WHITEPAPER, page=f"{SITE}/whitepaper")
            self.told(buyer.name, "downloads the whitepaper", buyer.email)
        else:
            page = chance.choice(HOT_PAGES if chance.random() < buyer.interest / 2 else PAGES)
            done.visit(buyer.contact, SITE + page)
        buyer.interest = min(1.0, max(0.0, buyer.interest + chance.gauss(-0.02, 0.08)))
        if buyer.interest > 0.08 and not buyer.customer:
            self._next(buyer)

    def _there(self, buyer: Buyer) -> bool:
        """A person may have deleted or merged the contact meanwhile."""
        record = self.hubspot.portal.find("contacts", buyer.contact)
        if record is None:
            return False
        buyer.contact = record.id
        return True

    def come_back(self, buyer: Buyer, at: datetime) -> None:
        """A recycled buyer is interested again, later."""

        def again() -> None:
            if not buyer.customer and self._there(buyer):
                buyer.interest = min(1.0, buyer.interest + self.chance.uniform(0.3, 0.6))
                buyer.asked_for_demo = False
                self.told(buyer.name, "is interested again", buyer.email)
                self._next(buyer)

        self.diary.enter(at, again)

    # Campaigns

    def newsletter(self, name: str) -> None:
        """An e-mail to everybody who wants one: some open, fewer click, a few have enough."""
        for buyer in list(self.by_email.values()):
            if buyer.opted_out or not self._there(buyer):
                continue
            chance, email = self.chance, self.hubspot.activities.email
            email(buyer.contact, "SENT", name)
            if chance.random() < 0.03:
                email(buyer.contact, "BOUNCE", name)
                continue
            email(buyer.contact, "DELIVERED", name)
            if chance.random() < 0.25 + 0.5 * buyer.interest:
                email(buyer.contact, "OPEN", name)
                if chance.random() < 0.6 * buyer.interest:
                    email(buyer.contact, "CLICK", name, f"{SITE}/offer")
                    buyer.interest = min(1.0, buyer.interest + 0.05)
            elif chance.random() < 0.02:
                buyer.opted_out = True
                self.hubspot.preferences.opt_out(buyer.email)
                self.told(buyer.name, "unsubscribes from everything", buyer.email)

    def webinar(self, name: str) -> list[tuple[Buyer, bool]]:
        """Some register, most of them come, and coming makes them keener.

        Returns who registered, and whether they came.
        """
        registered = []
        for buyer in list(self.by_email.values()):
            if buyer.opted_out or self.chance.random() > 0.4 * buyer.interest or not self._there(buyer):
                continue
            self.hubspot.activities.attend(buyer.contact, name, "REGISTERED")
            came = self.chance.random() < 0.7
            self.hubspot.activities.attend(buyer.contact, name, "ATTENDED" if came else "NO_SHOW")
            registered.append((buyer, came))
            if came:
                buyer.interest = min(1.0, buyer.interest + 0.15)
                self.told(buyer.name, f"attends {name}", buyer.email)
        return registered
