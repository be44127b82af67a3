"""``gateway``: finds the command, opens the instance when the command needs it, turns errors into messages.

Exit codes: 0 done · 1 it did not work (the message says why) · 2 a file or the command line needs an edit.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import click

from gateway.cli.patience import alone, impatient
from gateway.errors import ConfigError, GatewayError, Problem, Refused, StorageBusy

if TYPE_CHECKING:
    from gateway.accounts.audit import Entry
    from gateway.host import Host
    from gateway.runtime import Gateway
    from gateway.settings.instance import Instance

P = ParamSpec("P")
R = TypeVar("R")

# name → where the command is. Nothing is imported before it is asked for, so that `gateway --help` is quick.
COMMANDS = {
    "demo": "gateway.demo.command:demo",
    "init": "gateway.cli.setup:init",
    "check": "gateway.cli.checking:check",
    "status": "gateway.cli.status:status",
    "run": "gateway.cli.processes:run",
    "web": "gateway.cli.processes:web",
    "worker": "gateway.cli.processes:worker",
    "systems": "gateway.cli.systems:systems",
    "activate": "gateway.cli.systems:activate",
    "mapping": "gateway.cli.mapping:mapping",
    "import": "gateway.cli.importing:import_",
    "pull": "gateway.cli.pull:pull",
    "try": "gateway.cli.trial:try_",
    "plan": "gateway.cli.sync:plan",
    "push": "gateway.cli.sync:push",
    "undo": "gateway.cli.undo:undo",
    "leads": "gateway.cli.leads:leads",
    "handoffs": "gateway.cli.handoffs:handoffs",
    "owners": "gateway.cli.owners:owners",
    "work": "gateway.cli.work:work",
    "inbox": "gateway.cli.inbox:inbox",
    "deliveries": "gateway.cli.deliveries:deliveries",
    "metrics": "gateway.cli.metrics:metrics",
    "review": "gateway.cli.review:review",
    "journey": "gateway.cli.journey:journey",
    "model": "gateway.cli.model:model",
    "plugins": "gateway.cli.plugins:plugins",
    "users": "gateway.cli.users:users",
    "jobs": "gateway.cli.jobs:jobs",
    "db": "gateway.cli.db:db",
}


class App:
    """What a command works on: the instance's folder, and its gateway once somebody asks for it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.looks = False
        """The command only looks: broken files do not keep it from answering with the active ones."""
        self._gateway: Gateway | None = None

    @property
    def gateway(self) -> Gateway:
        """The instance, checked and opened. Raises ``ConfigError`` with every problem of every file."""
        if self._gateway is None:
            from gateway.opening import open_gateway

            self.require()
            log_to_stderr()
            self._gateway = open_gateway(self.root, guard=impatient, fallback=self.looks, following="replaced")
            if self._gateway.broken:
                self._tell_broken(self._gateway.broken)
        return self._gateway

    def _tell_broken(self, problems: Sequence[Problem | str]) -> None:
        from gateway.answers.texts import plural
        from gateway.cli.output import say

        more = f" and {plural(len(problems) - 1, 'more problem')}" if len(problems) > 1 else ""
        say(f"the files are broken: {problems[0]}{more} (`gateway check`)", err=True)
        say("this answer comes from the files in use, which the store keeps; they differ from those on disk", err=True)

    @property
    def instance(self) -> Instance:
        return self.gateway.instance

    @property
    def zone(self) -> ZoneInfo:
        return self.gateway.instance.zone

    def moment(self, at: datetime) -> datetime:
        """A time from the command line; without a zone it is the instance's."""
        return at if at.tzinfo else at.replace(tzinfo=self.zone)

    def micros(self, at: datetime | None) -> int | None:
        """The same as the store keeps it; None stays None."""
        from gateway.times import to_micros

        return to_micros(self.moment(at)) if at is not None else None

    def require(self) -> None:
        """Raises ``ConfigError`` when the folder is no instance."""
        if not (self.root / "gateway.yaml").is_file():
            raise ConfigError(
                [
                    f"{self.root.resolve()}: no gateway.yaml here; name the instance with -C DIR or GATEWAY_DIR, "
                    "or make one with `gateway init DIR`"
                ]
            )

    def noting(self, by: str, what: str, subject: str, **more: Any) -> AbstractContextManager[Entry]:
        """Around what somebody changes by a command: see ``audit.noting``. The same words as at the desk."""
        from gateway.accounts import audit
        from gateway.store.times import utc_now
        from gateway.times import to_micros

        first = more.pop("first", False)
        entry = audit.Entry(to_micros(utc_now()), by, what, subject, **more)
        return audit.noting(self.gateway.store.main, entry, first)

    def close(self) -> None:
        if self._gateway is not None:
            self._gateway.close()
            self._gateway = None


pass_app = click.make_pass_decorator(App)


def pass_app_to_look(command: Callable[Concatenate[App, P], R]) -> Callable[P, R]:
    """``pass_app`` for commands that only look."""

    @pass_app
    @functools.wraps(command)
    def looking(app: App, /, *args: P.args, **kwargs: P.kwargs) -> R:
        app.looks = True
        return command(app, *args, **kwargs)

    return looking


if TYPE_CHECKING:
    _Time = click.ParamType[datetime]
else:  # older clicks know no type of types
    _Time = click.ParamType


class Moment(_Time):
    """``2026-11-01`` (its first moment) or ``2026-11-01T09:30``, with or without a zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail("expected a day such as 2026-11-01 or a time such as 2026-11-01T09:30", param, ctx)


MOMENT = Moment()


class Cli(click.Group):
    """The commands of ``COMMANDS``, then those of plugins; a plugin's command never takes the place of ours."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*(name for name in COMMANDS if _there(name)), *sorted(self._of_plugins())]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS and _there(name):
            module, _, attribute = COMMANDS[name].partition(":")
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        return self._of_plugins().get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            from gateway.settings.files import suggest

            if close := suggest(args[0], self.list_commands(ctx)):
                raise click.UsageError(f"No such command {args[0]!r}{close}", ctx) from exc
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """The one place where an error that was expected becomes a message."""
        try:
            return super().invoke(ctx)
        except ConfigError as exc:
            for problem in exc.problems:
                click.echo(str(problem), err=True)
            ctx.exit(2)
        except StorageBusy as exc:
            click.echo(f"the store is busy: {exc.reason}; try again in {exc.retry_after} s", err=True)
        except GatewayError as exc:
            click.echo(str(exc), err=True)
        except (click.exceptions.Exit, click.Abort, click.ClickException):
            raise
        except Exception as exc:
            message = _store_trouble(exc) or _file_trouble(exc)
            if message is None:
                raise
            click.echo(message, err=True)
        ctx.exit(1)

    def _of_plugins(self) -> Mapping[str, click.Command]:
        """Commands that plugins add. A plugin that fails here is told of and stops nobody."""
        from gateway.host import DISTRIBUTION, installed
        from gateway.plugins.loading import host_of

        if (ctx := click.get_current_context(silent=True)) and "plugin commands" in ctx.meta:
            known: Mapping[str, click.Command] = ctx.meta["plugin commands"]
            return known
        shelf = _Shelf()
        foreign = [pair for pair in installed() if pair[1].metadata["Name"] != DISTRIBUTION]
        host = host_of(_root(ctx), found=foreign, guard=impatient)
        before = {plugin.name for plugin in host.active()}
        host.commands(shelf)
        for plugin in host.plugins:
            if plugin.name in before and plugin.state != "active":
                click.echo(f"plugin {plugin.name}: {plugin.reason}", err=True)
        if ctx:
            ctx.meta["plugin commands"] = shelf.commands
        return shelf.commands


class _Shelf(click.Group):
    """Where plugins put their commands: a name that is taken is an error of the plugin that wants it too."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        name = name or cmd.name or ""
        if name in COMMANDS or name in self.commands:
            raise Refused(f"there is a command {name!r} already")
        super().add_command(cmd, name)


@click.group(
    cls=Cli,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command explains itself with --help. The instance is the folder with gateway.yaml in it.",
)
@click.option(
    "-C",
    "root",
    metavar="DIR",
    envvar="GATEWAY_DIR",
    show_envvar=True,
    default=".",
    type=click.Path(path_type=Path),
    help="Folder of the instance; default: the current one.",
)
@click.version_option(package_name="lead-gateway", prog_name="gateway", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, root: Path) -> None:
    """Bring leads from marketing to sales: take in, score, hand over, keep both sides in step."""
    ctx.obj = App(root)
    ctx.call_on_close(ctx.obj.close)


def main() -> None:
    alone()
    cli(prog_name="gateway")


def _root(ctx: click.Context | None) -> Path:
    """The folder of the instance, also before the group's own options are taken to heart, as for ``--help``."""
    given = ctx.find_root().params.get("root") if ctx else None
    return Path(given or os.environ.get("GATEWAY_DIR") or ".")


def load_host(root: Path, probing: bool = False) -> Host:
    """Every plugin of this environment, working or not, less those that the instance in ``root`` keeps out.

    :param probing: see ``host_of``.
    """
    from gateway.plugins.loading import host_of

    log_to_stderr()
    return host_of(root, probing=probing, guard=impatient)


def log_to_stderr(level: int = 30) -> None:
    """What is logged goes to stderr, so that stdout holds only what the command prints. 30 = warnings and worse."""
    from gateway import logs

    logs.configure(level)


def plugin_call(plugin: str, call: str, function: Callable[[], Any]) -> Any:
    """What a plugin may raise becomes one line that names it. Errors of the gateway's own tree pass as they are."""
    try:
        with impatient(plugin, call):
            return function()
    except GatewayError:
        raise
    except (Exception, SystemExit) as exc:
        if isinstance(exc, Exception) and _store_trouble(exc) is not None:
            raise
        raise GatewayError(f"plugin {plugin}: {call} raised {type(exc).__name__}") from exc


def _there(name: str) -> bool:
    """Rooms that are not part of every distribution are offered where they are installed."""
    module = COMMANDS[name].partition(":")[0]
    if module.startswith("gateway.cli."):
        return True
    try:
        return find_spec(module) is not None
    except ImportError:
        return False


def _file_trouble(exc: Exception) -> str | None:
    """A file or folder that cannot be used; its name is no secret."""
    if not isinstance(exc, OSError) or not exc.filename or not exc.strerror:
        return None
    return f"{exc.filename}: {exc.strerror.lower()}"


def _store_trouble(exc: Exception) -> str | None:
    """What is wrong with the store, without the statement's parameters: they may hold people's data."""
    if "sqlalchemy" not in sys.modules:
        return None
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.exc import TimeoutError as PoolTimeout

    from gateway.store.database import in_words

    if isinstance(exc, DBAPIError):
        return f"the store {in_words(exc) or f'failed: {type(exc.orig).__name__}: {exc.orig}'}"
    return "the store is busy: no connection is free; try again" if isinstance(exc, PoolTimeout) else None
