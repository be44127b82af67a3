"""The contract suite for connections: a good one passes, and each check catches one that breaks what it promises."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from small_crm import HOOK, MAPPING, OURS, TOKEN, CrmConnection, FakeCrm, Settings, run, settings

from gateway.contracts import Account, Connection, Context, Step
from gateway.errors import GatewayError
from gateway.testing import ConnectionContract, FakeSystem

FOUND, RULE = "test_the_gateway_finds_it", "test_what_is_skipped_has_a_reason"  # of every suite: tried elsewhere
CHECKS = [name for name in dir(ConnectionContract) if name.startswith("test_") and name not in (FOUND, RULE)]


class TestCrm(ConnectionContract):
    schema, secrets, mapping, objects = Settings, (TOKEN, HOOK), MAPPING, ("person", "field")

    def build(self, context: Context) -> Connection:
        return CrmConnection(settings(self.fake), context)

    def system(self) -> FakeSystem:
        fake = FakeCrm(people=8)
        fake.held["field"] = {"all": fake.fields}
        return fake


# -- connections that keep no promise ----------------------------------------------------------------------------------


class Translates(CrmConnection):
    into: Callable[[GatewayError], Exception] = staticmethod(lambda exc: RuntimeError("it failed"))

    def account(self) -> Account:
        try:
            return super().account()
        except GatewayError as exc:
            raise self.into(exc) from None


class Nameless(CrmConnection):
    def account(self) -> Account:
        return replace(super().account(), id="")


class PinsWhatIsNoSetting(CrmConnection):
    def account(self) -> Account:
        return replace(super().account(), pin={"portal": 1})


class HasABrokenMapping(CrmConnection):
    @classmethod
    def mapping(cls) -> str:
        return MAPPING.replace("kind: person", "kind: lead")


class SamplesAll(CrmConnection):
    def sample(self, object: str, fields: Sequence[str], records: int) -> Iterable[Mapping[str, Any]]:
        return [{"id": number} for number in range(records + 1)]


class MakesInADryRun(CrmConnection):
    def setup(self, dry_run: bool = True, folder: Any = None) -> Iterable[Step]:
        list(super().setup(False))
        return [Step(object="person", name=OURS, state="there")]


class MakesNothing(CrmConnection):
    def setup(self, dry_run: bool = True, folder: Any = None) -> Iterable[Step]:
        return super().setup(True)


class MakesItAgain(CrmConnection):
    def setup(self, dry_run: bool = True, folder: Any = None) -> Iterable[Step]:
        return [Step(object="person", name=OURS, state="missing" if dry_run else "made")]


class PaysNothing(CrmConnection):
    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, replace(context, budget=None))


class Shows(CrmConnection):
    def __repr__(self) -> str:
        return f"Shows({self.client._token.reveal()})"


Make = Callable[[Mapping[str, Any], Context], Connection]
BAD: Sequence[tuple[Make, str, str]] = [
    (Nameless, "test_the_account_is_named", "an account without an id"),
    (PinsWhatIsNoSetting, "test_the_account_is_named", "pin: no settings: portal"),
    (Translates, "test_refused_credentials_are_told", "credentials refused: RuntimeError instead of AccessRefused"),
    (Translates, "test_trouble_over_there_is_told", "busy: RuntimeError is no GatewayError"),
    (
        HasABrokenMapping,
        "test_its_mapping_file_is_good",
        "mappings/crm.yaml:6: objects.person.kind: not one of person",
    ),
    (MakesInADryRun, "test_asking_changes_nothing", "the system is another after it was only asked"),
    (SamplesAll, "test_asking_changes_nothing", "sample of person: 6 records, and 5 were asked for"),
    (MakesNothing, "test_setup_makes_what_is_missing_once", "what is made is not what was said to be missing"),
    (MakesItAgain, "test_setup_makes_what_is_missing_once", "made again: person.gw_score"),
    (PaysNothing, "test_no_request_without_budget", "the budget gave 0 requests and the system heard 1"),
    (Shows, "test_secrets_appear_nowhere", "a secret shows"),
]


def suite(make: Make, **parts: Any) -> ConnectionContract:
    return type("Suite", (TestCrm,), {"build": lambda self, context: make(settings(self.fake), context), **parts})()


@pytest.mark.parametrize(("make", "check", "said"), BAD, ids=lambda one: getattr(one, "__name__", one))
def test_a_connection_that_breaks_a_promise_fails_its_check(make: Make, check: str, said: str) -> None:
    with pytest.raises((AssertionError, GatewayError), match=re.escape(said)):
        run(suite(make), check)


def test_a_schema_is_named() -> None:
    with pytest.raises(AssertionError, match="name the settings schema"):
        run(suite(CrmConnection, schema=None), "test_settings_are_documented")


def test_every_check_can_fail() -> None:
    assert set(CHECKS) == {check for _, check, _ in BAD} | {"test_settings_are_documented"}
