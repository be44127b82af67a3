"""What campaigns cost: ``gateway import FILE --costs``."""

from __future__ import annotations

from pathlib import Path

from gateway.answers.texts import plural
from gateway.cli.main import App
from gateway.cli.output import say, say_json
from gateway.errors import ConfigError


def take_costs(app: App, file: Path, as_json: bool) -> None:
    """Take in a file of costs, whole or not at all. Raises ``ConfigError`` with every problem of it."""
    from gateway.metrics.costs import read_costs
    from gateway.settings.files import suggest
    from gateway.store import campaigns as store
    from gateway.store.database import read, write

    gateway = app.gateway
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError([f"{file.name}: not readable as UTF-8 text"]) from None
    rows, problems = read_costs(file.name, text, gateway.instance.currency)
    if problems:
        raise ConfigError(problems)
    with read(gateway.store.main) as connection:
        known = store.known(connection)
    with write(gateway.store.main) as connection:
        new = store.put_costs(connection, rows)
    unknown = sorted({one.campaign for one in rows} - set(known))
    if as_json:
        say_json({"file": str(file), "rows": len(rows), "new": new, "unknown_campaigns": unknown})
        return
    say(f"{plural(len(rows), 'cost')} read, {new} new or changed")
    for name in unknown:
        line = next(one.line for one in rows if one.campaign == name)
        say(f"{file.name}:{line}: no activity names the campaign {name!r}{suggest(name, known)}", err=True)
