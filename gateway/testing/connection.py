"""What every connection keeps to: an admin who connects an account trusts what it says, and that it changes nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.contracts import Account, Connection, Context, Signal, Step
from gateway.errors import AccessRefused, GatewayError, Refused
from gateway.testing.contract import SystemContract, compiled

SAMPLE = 5
STATES = ("there", "missing", "made", "by hand")
DELIVERED = ("delivered", "off", "refused")


class ConnectionContract(SystemContract):
    """Checks of what connecting an account takes. Subclass it and say at least ``build``, ``system``, ``schema`` and
    ``secrets``."""

    contract = "connection"

    objects: Sequence[str] = ()
    """Objects whose ``records`` the fake shows: nothing of them changes by asking."""

    def build(self, context: Context) -> Connection:
        """A connection of yours, as the gateway makes it."""
        raise NotImplementedError("say how yours is built: def build(self, context): return MyConnection(…, context)")

    def by_hand(self) -> None:
        """Do over there what ``setup`` says that only a person can do, where the rest depends on it."""

    def test_the_account_is_named(self) -> None:
        """Its id, and what binds the system to it: settings of your schema."""
        account = self._connection().account()
        assert isinstance(account, Account), f"a {type(account).__name__} is no Account"
        assert account.id, "an account without an id"
        known = set(self.schema().fields) if self.schema is not None else set()
        assert set(account.pin) <= known, f"pin: no settings: {', '.join(sorted(set(account.pin) - known))}"
        again = self._connection().account()
        assert (again.id, again.pin) == (account.id, account.pin), "asked again, it is another account"

    def test_refused_credentials_are_told(self) -> None:
        """``AccessRefused``: the admin is shown that the credentials are wrong, and not that something failed."""
        self.fake.fail("auth")
        exc = self._raised(self._connection().account)
        assert isinstance(exc, AccessRefused), f"credentials refused: {type(exc).__name__} instead of AccessRefused"

    def test_trouble_over_there_is_told(self) -> None:
        """A system that is busy or away is an error of the gateway's tree, in words for the admin."""
        for fault in ("busy", "cut before", "garbage"):
            self.fake.calm()
            self.fake.fail(fault)
            exc = self._raised(self._connection().account)
            assert exc is None or isinstance(exc, GatewayError), f"{fault}: {type(exc).__name__} is no GatewayError"
            assert not isinstance(exc, AccessRefused), f"{fault}: nobody refused the credentials"

    def test_its_mapping_file_is_good(self) -> None:
        """The text compiles as it stands, and is of this gateway's grammar."""
        text = self._mapping()
        assert compiled(text, type(self._connection()).role, self.transforms).objects, "a mapping of no object"

    def test_asking_changes_nothing(self) -> None:
        """``account``, ``signals``, ``sample`` and a dry run of ``setup`` leave the system as it is."""
        before = self._held()
        connection = self._connection()
        connection.account()
        for signal in connection.signals():
            assert isinstance(signal, Signal), f"signals: a {type(signal).__name__} is no Signal"
            assert signal.name, "a signal without a name"
            assert signal.state in DELIVERED, f"{signal.name}: {signal.state!r} is none of {', '.join(DELIVERED)}"
        for name in self.objects:
            rows = list(connection.sample(name, [], SAMPLE))
            assert len(rows) <= SAMPLE, f"sample of {name}: {len(rows)} records, and {SAMPLE} were asked for"
            assert all(isinstance(row, dict) for row in rows), f"sample of {name}: items are flat tables"
        self._steps(connection, True)
        assert self._held() == before, "the system is another after it was only asked"

    def test_setup_makes_what_is_missing_once(self) -> None:
        """What a dry run calls missing is made; made, it is there, and nothing is made again."""
        missing = {
            (step.object, step.name) for step in self._steps(self._connection(), True) if step.state == "missing"
        }
        made = {(step.object, step.name) for step in self._steps(self._connection(), False) if step.state == "made"}
        assert made == missing, "what is made is not what was said to be missing"
        self.by_hand()
        again = [step for step in self._steps(self._connection(), False) if step.state in ("made", "missing")]
        assert not again, f"made again: {', '.join(f'{one.object}.{one.name}' for one in again)}"

    def test_no_request_without_budget(self) -> None:
        """Each request is paid before it is sent."""
        for left in range(3):
            connection, before = self._connection(left), self.fake.calls
            self._raised(connection.account)
            heard = self.fake.calls - before
            assert heard <= left, f"the budget gave {left} requests and the system heard {heard}"

    # -- how it is done -----------------------------------------------------------------------------------------------

    def _exercised(self) -> Iterator[Any]:
        connection = self._connection()
        yield connection
        for fault in self._told_apart():
            if fault is not None:
                self.fake.fail(fault)
            for ask in (connection.account, connection.signals):
                try:
                    yield ask()
                except Exception as exc:  # noqa: BLE001 - what it should have raised, other checks say
                    yield exc
            self.fake.calm()

    def _connection(self, left: int | None = None) -> Connection:
        connection: Connection = self._part(left)
        return connection

    def _mapping(self) -> str:
        try:
            return type(self._connection()).mapping()
        except Refused as exc:
            self.not_here(f"it has no mapping file: {exc}")

    def _steps(self, connection: Connection, dry_run: bool) -> list[Step]:
        steps = list(connection.setup(dry_run))
        for step in steps:
            assert isinstance(step, Step), f"setup: a {type(step).__name__} is no Step"
            assert step.state in STATES, f"{step.name}: {step.state!r} is none of {', '.join(STATES)}"
            assert not (dry_run and step.state == "made"), f"{step.name}: made in a dry run"
        return steps

    def _held(self) -> Any:
        return copy.deepcopy({name: dict(self.fake.records(name)) for name in self.objects})
