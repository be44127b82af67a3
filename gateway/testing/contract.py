"""What every contract suite shares: how a part is built and what it is given, what is skipped and why."""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, NoReturn
from urllib.parse import quote

import pytest
from marshmallow import Schema, fields

from gateway.contracts import Context
from gateway.engine.slots import DELIVER_CALL
from gateway.mapping import SystemMapping, compile_mapping
from gateway.settings.files import ConfigFile
from gateway.settings.secrets import SecretField
from gateway.testing.api import impatient
from gateway.testing.context import CountedBudget, RecordedLog
from gateway.testing.hooks import loaded, packages_of, refuse_deprecated
from gateway.testing.system import FakeSystem, Fault

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
RULE = "test_what_is_skipped_has_a_reason"
"""The one check that nobody is excused from."""


class Contract:
    """Base of the suites. Public names are yours to set; ``test_…`` are the checks."""

    contract: ClassVar[str] = ""
    """``source``, ``sink``, ``scorer`` or ``connection``: how the pass sheet calls the suite."""

    skips: Mapping[str, str] = {}
    """Checks that do not apply → why: ``{"test_…": "the system cannot be asked"}``. The pass sheet shows it."""

    def setup_method(self, method: Any = None) -> None:
        refuse_deprecated(packages_of(sys.modules[type(self).__module__]))
        self._ends = contextlib.ExitStack()
        name = getattr(method, "__name__", "")
        if self.skips.get(name, "").strip() and name != RULE:
            pytest.skip(self.skips[name])

    def teardown_method(self) -> None:
        self._ends.close()

    def not_here(self, reason: str) -> NoReturn:
        """The part does not do this at all: skip the check, and say so on the sheet."""
        pytest.skip(reason)

    def test_the_gateway_finds_it(self) -> None:
        """The installed plugin loads, and what it registers is what is tested here."""
        host = loaded(packages_of(sys.modules[type(self).__module__]))
        if host is None:
            self.not_here("no plugin is installed whose package this module imports from: nothing is registered")
        offers = getattr(host, f"{self.contract}s")
        names = ", ".join(sorted({plugin.distribution for plugin in host.plugins}))
        assert offers, f"{names} registers no {self.contract}: register_{self.contract}s is not where its hooks are"
        self._is_among(offers)

    def _is_among(self, offers: Mapping[str, Any]) -> None:
        """Fail unless one of them is the part under test."""

    def test_what_is_skipped_has_a_reason(self) -> None:
        """``skips`` names checks of the suite, each with a reason in words."""
        known = checks(type(self))
        unknown = sorted(set(self.skips) - set(known))
        assert not unknown, f"skips: no checks of these names: {', '.join(unknown)}"
        bare = sorted(name for name, reason in self.skips.items() if len(str(reason).split()) < 2)
        assert not bare, f"skips: say why, in a few words: {', '.join(bare)}"
        assert RULE not in self.skips, f"skips: {RULE} itself is never skipped"


class SystemContract(Contract):
    """What suites of parts that talk to a system share."""

    schema: type[Schema] | None = None
    """The settings schema that you register with the part."""
    secrets: Sequence[str] = ()
    """The secret values that ``build`` uses: they must appear nowhere."""
    mapping: str = ""
    """Text of a mapping file, where the part needs one."""
    role: str = "crm"
    """The system's, by which a mapping file fills what it does not say: ``ma``, ``crm`` or ``other``."""
    transforms: Mapping[str, Callable[[Any], Any]] = {}
    """Of your own, where ``mapping`` names some."""

    def build(self, context: Context) -> Any:
        """A part of yours, as its factory makes it. Called often: each stands for another process."""
        raise NotImplementedError("say how yours is built: def build(self, context): return MyPart(settings, context)")

    def system(self) -> FakeSystem:
        """What it talks to; made once per check, as ``self.fake``."""
        raise NotImplementedError("say what it talks to: def system(self): return MyFake()")

    @property
    def fake(self) -> FakeSystem:
        """The system of this check."""
        if not hasattr(self, "_fake"):
            self._fake = self.system()
            self._ends.callback(self._fake.close)
        return self._fake

    @property
    def root(self) -> Path:
        """The instance's folder of this check: empty at first."""
        if not hasattr(self, "_root"):
            folder = self._ends.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            self._root = Path(folder)
        return self._root

    @property
    def name(self) -> str:
        """What the system is called: as the mapping file says, else ``example``."""
        return self._compiled.system if self._compiled is not None else "example"

    @cached_property
    def _compiled(self) -> SystemMapping | None:
        return compiled(self.mapping, self.role, self.transforms) if self.mapping else None

    def context(self, left: int | None = None, now: datetime = NOW) -> Context:
        """What a part is given. ``left``: calls that its budget has; None = as many as it likes."""
        return Context(
            system=self.name,
            root=self.root,
            mapping=self._compiled,
            now=lambda: now,
            budget=CountedBudget(left),
            log=RecordedLog(),
        )

    # -- what every part that talks to a system keeps to -------------------------------------------------------------

    def _is_among(self, offers: Mapping[str, Any]) -> None:
        built = built_by(type(self._part()), offers.values())
        if self.contract != "connection":  # it has the settings of the source and the sink of its name
            known = [one.settings for one in built]
            assert self.schema in known, f"registered with the settings of {_named(known)}, tested with others"

    def test_settings_are_documented(self) -> None:
        """Each setting says what it is for (``metadata={"description": …}``), and secrets are ``SecretField``."""
        assert self.schema is not None, "name the settings schema that you register: schema = MySettings"
        wrong = [f"{name}: {what}" for name, what in _undocumented(self.schema())]
        assert not wrong, "; ".join(wrong)

    def test_secrets_appear_nowhere(self) -> None:
        """Not in a repr, a receipt, a call, an error or a log line, whatever goes wrong."""
        if not self.secrets:
            has = self.schema is not None and any(_is_secret(one) for one in self.schema().fields.values())
            assert not has, 'name the secret values that build uses: secrets = ("…",)'
            self.not_here("it has no secrets")
        told, failed = list[str](), None
        try:
            told += [_text(one) for one in self._exercised()]
        except Exception as exc:  # noqa: BLE001 - other checks say so, too: it is told after all secrets
            told, failed = [*told, _text(exc)], exc
        told += [_text(self._context), repr(self._context.log.lines)]
        for text in told:
            for secret in self.secrets:
                for form in (secret, quote(secret, safe=""), repr(secret)[1:-1]):
                    assert form not in text, f"a secret shows in {text.partition(secret)[0][-60:]!r}…"
        if failed is not None:
            raise failed

    # -- how it is done -----------------------------------------------------------------------------------------------

    def _exercised(self) -> Iterator[Any]:
        """What a part says of itself and of what went wrong."""
        raise NotImplementedError

    def _told_apart(self) -> list[Fault | None]:
        """No fault, then each that the system is not excused from."""
        return [None, "auth", "limit", "busy", "cut before"]

    def _part(self, left: int | None = None, now: datetime = NOW) -> Any:
        if type(self).system is not SystemContract.system:
            self.fake  # noqa: B018 - made first: its address is in the settings
        self._context = self.context(left, now)
        return self.build(self._context)

    def _raised(self, ask: Callable[[], Any]) -> Exception | None:
        try:
            ask()
        except Exception as exc:  # noqa: BLE001 - which one it is, is the question
            return exc
        return None

    @property
    def _budget(self) -> Any:
        return self._context.budget

    @contextlib.contextmanager
    def _deadlines(self) -> Iterator[None]:
        """Whoever waits for an answer that does not come is seen to have a deadline, which is over at once."""
        with impatient() as asked:
            try:
                yield
            finally:  # whether it raised or not
                self._judge(asked.values())

    def _judge(self, asked: Collection[float | None]) -> None:
        endless = getattr(self.fake, "without_deadline", 0) + sum(one is None for one in asked)
        assert not endless, "a request without a deadline waits for ever where a system never answers"
        most = max((one for one in asked if one is not None), default=0.0)
        assert most < DELIVER_CALL, (
            f"a request may wait {most:.0f} s; the gateway ends the worker at {DELIVER_CALL:.0f}"
        )


def built_by(made: type, offers: Collection[Any]) -> list[Any]:
    """Those of the offers whose factory is the class, or makes what nobody can tell beforehand; one, at least."""
    found = [one for one in offers if not isinstance(one.factory, type) or issubclass(made, one.factory)]
    assert found, f"registered is {_named(one.factory for one in offers)}, and build makes a {made.__name__}"
    return found


def _named(some: Iterable[Any]) -> str:
    return ", ".join(sorted({getattr(one, "__name__", None) or type(one).__name__ for one in some}))


_SECRET_NAME = re.compile(r"(?:^|_)(?:secrets?|passwords?|passwd|tokens?|credentials?|api_key|private_key)\Z")


def _undocumented(schema: Schema, path: str = "") -> Iterator[tuple[str, str]]:
    for name, one in schema.fields.items():
        if not str(one.metadata.get("description") or one.metadata.get("help") or "").strip():
            yield path + name, "say what it is for"
        if _SECRET_NAME.search(name) and not _is_secret(one) and not isinstance(one, fields.Boolean | fields.Nested):
            yield path + name, "is a secret by its name: make it a SecretField"
        inner = one.inner if isinstance(one, fields.List) else one
        if isinstance(inner, fields.Nested):
            yield from _undocumented(inner.schema, f"{path}{name}.")


def _is_secret(one: Any) -> bool:
    """A secret, or a list or a table of them, or a form with one in it."""
    if isinstance(one, fields.Nested):
        return any(_is_secret(part) for part in one.schema.fields.values())
    inner = getattr(one, "inner", None) or getattr(one, "value_field", None) or one
    return isinstance(inner, SecretField)


def _text(thing: Any) -> str:
    if isinstance(thing, BaseException):
        return "".join(traceback.TracebackException.from_exception(thing, limit=0).format())
    return f"{thing!r} {thing}"


def compiled(text: str, role: str, transforms: Mapping[str, Callable[[Any], Any]]) -> SystemMapping:
    """A mapping file, named as its system is. Raises ``ConfigError``."""
    return _compiled(text, role, tuple(transforms.items()))


@lru_cache(maxsize=8)
def _compiled(text: str, role: str, transforms: tuple[tuple[str, Callable[[Any], Any]], ...]) -> SystemMapping:
    """Once for all checks: it is as they found it, for ``read`` is pure."""
    named = ConfigFile("mapping.yaml", text).data.get("system", "mapping")
    return compile_mapping(ConfigFile(f"mappings/{named}.yaml", text), role, dict(transforms))


def checks(suite: type[Contract]) -> list[str]:
    """The names of a suite's checks."""
    return [name for name, _ in inspect.getmembers(suite, inspect.isfunction) if name.startswith("test_")]
