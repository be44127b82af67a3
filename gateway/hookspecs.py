"""Every hook a plugin may implement, each with its contract. Implement one with ``@gateway.hookspecs.hookimpl``.

A plugin is an importable module named in the entry-point group ``lead_gateway`` of an installed distribution. The
range of hook API versions it works with is that distribution's own requirement ``lead-gateway>=1,<2``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    import click
    from marshmallow import Schema

    from gateway.contracts import Connection, Context, Scorer, Sink, Source

PROJECT = "lead_gateway"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class HookDeprecated(DeprecationWarning):
    """A plugin implements a hook, or takes an argument of one, that will go. It warns at the plugin's own line."""


def deprecated(what: str, gone_in: str, instead: str) -> HookDeprecated:
    """The warning of a hook or argument that is to go, at least one minor version before it does::

        @hookspec(warn_on_impl=deprecated("hook lead_rated", "2.0", "implement lead_scored"))
        @hookspec(warn_on_impl_args={"total": deprecated("argument 'total'", "2.0", "read scores[…]['total']")})

    :param gone_in: the version that has it no more. :param instead: what to do, as an order.
    """
    return HookDeprecated(f"{what} goes in lead-gateway {gone_in}: {instead}")


class RegisterSource(Protocol):
    def __call__(
        self, name: str, factory: Callable[[Mapping[str, Any], Context], Source], settings: type[Schema] | None = None
    ) -> None: ...


class RegisterScorer(Protocol):
    def __call__(
        self,
        name: str,
        factory: Callable[[Mapping[str, Any]], Scorer],
        check: Callable[[Any], Sequence[Any]] | None = None,
    ) -> None: ...


class RegisterSink(Protocol):
    def __call__(
        self, name: str, factory: Callable[[Mapping[str, Any], Context], Sink], settings: type[Schema] | None = None
    ) -> None: ...


class RegisterConnection(Protocol):
    def __call__(self, name: str, connection: type[Connection]) -> None: ...


class RegisterTransform(Protocol):
    def __call__(self, name: str, function: Callable[[Any], Any]) -> None: ...


@hookspec
def register_sources(register: RegisterSource) -> None:
    """Called once at start. Call ``register(name, factory, settings)`` for each source you offer.

    :param register: ``name`` is what gateway.yaml writes behind ``plugin:``; ``factory(settings, context)`` builds the
        source; ``settings`` is the marshmallow schema of the system's ``settings:`` block. A name that another plugin
        offers already is an error naming both.
    """


@hookspec
def register_scorers(register: RegisterScorer) -> None:
    """Called once at start. Call ``register(name, factory, check)`` for each scoring strategy.

    :param register: ``name`` is what scoring.yaml writes behind ``strategy:``; ``factory(model)`` builds the scorer
        from the file's content; ``check(file)`` returns every problem of a ``ConfigFile`` and builds nothing.
    """


@hookspec
def register_sinks(register: RegisterSink) -> None:
    """Called once at start. Like ``register_sources``, for sinks. Source and sink of one system share a name."""


@hookspec
def register_connections(register: RegisterConnection) -> None:
    """Called once at start. Call ``register(name, connection)`` for what connecting an account of yours takes.

    :param register: ``name`` is that of your source and sink, whose settings it shares; ``connection`` is the class,
        built as ``connection(settings, context)`` by `gateway systems add`, `gateway mapping draft`,
        `gateway check --online` and `gateway plugins setup`.
    """


@hookspec
def register_transforms(register: RegisterTransform) -> None:
    """Called once at start. Call ``register(name, function)`` for each named function that mapping files may use.

    :param register: ``function(value)`` gets one raw value that is never None and returns a value; it is pure, and
        raises ``ValueError`` (without the value in its text) when it cannot.
    """


@hookspec
def register_commands(cli: click.Group) -> None:
    """Called once when the command line starts. Add your own commands with ``cli.add_command``."""


@hookspec(firstresult=True)
def assign_owner(
    lead: Mapping[str, Any], handoff: Mapping[str, Any], roster: Sequence[Mapping[str, Any]]
) -> str | None:
    """Called for each new handoff without an owner; the first answer that is not None wins. Pure.

    Asked only where journey.yaml lists owners. An answer that is not on the roster, or not there, is logged, and the
    rules of journey.yaml decide.

    :param lead: attributes of the lead, its company's as ``company.<name>``.
    :param handoff: ``id``, ``stage``, ``persona``, ``score`` (hundredths), ``system``.
    :param roster: the owners of journey.yaml that serve this system, each with ``id`` (as the system knows them),
        ``name``, ``weight``, ``there`` (not absent, and active over there) and ``at_work``.
    :return: an owner's id or name, or None to pass.
    """


@hookspec
def lead_scored(scores: Sequence[Mapping[str, Any]]) -> None:
    """Observer, after commit, batched, at least once. Each has ``lead``, ``score`` (which), ``total``, ``band``."""


@hookspec
def stage_changed(moves: Sequence[Mapping[str, Any]]) -> None:
    """Observer, after commit, batched, at least once. Each has ``lead``, ``stage``, ``at``, ``cause``."""


@hookspec
def handoff_closed(handoffs: Sequence[Mapping[str, Any]]) -> None:
    """Observer, after commit, batched, at least once. Each has ``id``, ``lead``, ``bucket``, ``reason``."""


@hookspec
def delivery_failed(deliveries: Sequence[Mapping[str, Any]]) -> None:
    """Observer, after commit, batched, at least once. Each has ``system``, ``write``, ``code``, ``message``."""
