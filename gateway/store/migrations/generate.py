"""Write migration steps from ``tables.py``: a tool for developers of the gateway, never used while it runs.

``python -m gateway.store.migrations.generate LINE WORDS``  the next step of LINE (inbox | main), from what differs now
``python -m gateway.store.migrations.generate --first``     the first step of both lines anew (before the first release)
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.operations.ops import UpgradeOps
from sqlalchemy import Connection, String, Text, create_engine

from gateway.store import migrations

_STEP = '''"""{words}"""

import sqlalchemy as sa
from alembic import op{imports}

revision = "{revision}"
down_revision = {down}


def upgrade() -> None:
{body}
'''


def differences(line: migrations.Line, connection: Connection) -> UpgradeOps:
    """What must still be done to the database at ``connection`` to make it look like ``tables.py``."""
    metadata = migrations.METADATA[line]
    context = MigrationContext.configure(
        connection,
        opts={
            "version_table": migrations.version_table(line),
            "target_metadata": metadata,
            "render_as_batch": True,
        },
    )
    found = produce_migrations(context, metadata).upgrade_ops
    assert found is not None
    return found


def write_step(line: migrations.Line, words: str, first: bool = False) -> Path | None:
    """Write the file of the next (or the first) step; None when nothing differs."""
    down = None if first else migrations.head(line)
    number = 1 if down is None else int(down.rpartition("_")[2]) + 1
    with create_engine("sqlite://").connect() as connection:
        if down is not None:
            migrations.steps(line, connection)
        found = differences(line, connection)
    if found.is_empty():
        return None
    body = render_python_code(found, render_as_batch=not first, render_item=_type)
    path = Path(__file__).parent / line / f"m{number:04}_{'_'.join(words.lower().split())}.py"
    revision = f"{line}_{number:04}"
    lines = [text for text in body.splitlines() if not text.strip().startswith("#")]
    path.write_text(
        _STEP.format(
            words=f"{words[:1].upper()}{words[1:]}.",
            imports="\n\nfrom gateway.store.types import string" if "string(" in body else "",
            revision=revision,
            down=repr(down),
            body="\n".join(lines),
        ),
        encoding="utf-8",
    )
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(path)], check=True)
    return path


def _type(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Texts by the name of their own kind: Alembic would write both faces out."""
    if kind == "type" and isinstance(item, String) and not isinstance(item, Text):
        return f"string({item.length or ''})"
    return False


def main(arguments: list[str]) -> int:
    if arguments == ["--first"]:
        made = [write_step(line, "first tables", first=True) for line in get_args(migrations.Line)]
    elif len(arguments) > 1 and arguments[0] in get_args(migrations.Line):
        made = [write_step(arguments[0], " ".join(arguments[1:]))]  # type: ignore[arg-type]
    else:
        print(__doc__)
        return 2
    print("\n".join(f"wrote {path}" for path in made if path) or "nothing differs")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
