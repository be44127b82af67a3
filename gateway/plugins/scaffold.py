"""A new plugin's distribution, copied from templates that are one: in them it is called ``acme``.

In: the name of a distribution and what it is to be. Out: a folder whose tests pass. The templates are the package
``gateway_scaffold``; a kind is the folders of ``LAYERS`` laid over each other.
"""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Collection, Iterator
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from gateway.errors import Refused

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from gateway.host import Host

LAYERS = {
    "source": ("every", "http", "source"),
    "scorer": ("every", "scorer"),
    "sink": ("every", "http", "sink"),
    "transform": ("every", "transform"),
}
PREFIX = "gateway-"
LONGEST = 30
"""Characters of a name behind ``gateway-``: the templates' lines have room for so many."""
OURS = ("files", "hubspot", "matrix", "notify", "salesforce", "sandbox", "webhook")
"""Plugins of the gateway's own that need not be installed here: a name of theirs would clash elsewhere."""
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_SKIPPED = ("__pycache__", ".pytest_cache", ".ruff_cache")


class Name:
    """All that a plugin is called by. ``Name("gateway-Acme.CRM")``: distribution ``gateway-acme-crm``, module
    ``gateway_acme_crm``, word ``acme_crm`` (in gateway.yaml), classes ``AcmeCrm…``, variables ``ACME_CRM_…``."""

    def __init__(self, given: str) -> None:
        """Raises ``Refused`` for what cannot be the name of a distribution and of a module."""
        if not _NAME.fullmatch(given):
            raise Refused(
                f"{given!r} cannot be a distribution's name: letters, digits, and - _ . between them, such as "
                f"{PREFIX}acme; it begins with a letter"
            )
        self.distribution = canonicalize_name(given)
        self.module = self.distribution.replace("-", "_")
        self.word = self.module.removeprefix(PREFIX.replace("-", "_"))
        self.camel = "".join(part.capitalize() for part in self.word.split("_"))
        if not self.word.isidentifier() or keyword.iskeyword(self.word) or keyword.iskeyword(self.module):
            raise Refused(f"{given!r}: Python cannot call anything {self.word!r}; take another name, {PREFIX}acme say")
        if len(self.word) > LONGEST:
            raise Refused(f"{given!r}: {len(self.word)} characters; at most {LONGEST} behind {PREFIX}")

    def put(self, text: str) -> str:
        """A template's text with this name in the place of its own."""
        return (
            text.replace("gateway-acme", self.distribution)
            .replace("gateway_acme", self.module)
            .replace("Acme", self.camel)
            .replace("ACME", self.word.upper())
            .replace("acme", self.word)
        )


def refuse_known(name: Name, host: Host) -> None:
    """Raises ``Refused`` when an installed plugin, or one of ours, has the name, or a module is called so."""
    for plugin in host.plugins:
        known = {plugin.name, *(offered.rpartition(" ")[2] for offered in plugin.offers)}
        if canonicalize_name(plugin.distribution) == name.distribution or name.word in known:
            raise Refused(f"{name.distribution}: {plugin.distribution} has a plugin of this name; take another one")
    offered: Collection[str] = {*host.sources, *host.sinks, *host.scorers, *host.connections, *host.transforms}
    if name.word in OURS or name.word in offered:
        raise Refused(f"{name.distribution}: there is a plugin {name.word!r} already; take another name")
    if name.module in sys.stdlib_module_names or find_spec(name.module) is not None:
        raise Refused(f"{name.distribution}: there is a module {name.module!r} already; take another name")


def write(name: Name, kind: str, folder: Path, release: str) -> list[Path]:
    """Write the distribution into ``folder``, which must not be there. Returns its files.

    :param kind: one of ``LAYERS``. :param release: the gateway's version that it is made for.
    """
    if folder.exists():
        raise Refused(f"{folder}: is there already; name a new folder")
    contents = {
        path: text for layer in LAYERS[kind] for path, text in _files(files("gateway_scaffold") / layer, Path())
    }
    written = []
    for path, text in sorted(contents.items()):
        target = folder / name.put(str(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(for_release(name.put(text), release), encoding="utf-8")
        written.append(target)
    return written


def for_release(text: str, release: str) -> str:
    """Templates are written for 1.0; what they use may be of a later one, so that is what the plugin asks for."""
    made = Version(release)
    if made.minor:
        low = f"{made.major}.{made.minor}"
        text = text.replace("lead-gateway>=1,<2", f"lead-gateway>={low},<{made.major + 1}")
        text = text.replace("lead-gateway==1.0.0", f"lead-gateway=={low}.*")
    return text


def _files(source: Traversable, path: Path) -> Iterator[tuple[Path, str]]:
    for entry in source.iterdir():
        if entry.is_dir():
            if entry.name not in _SKIPPED:
                yield from _files(entry, path / entry.name)
        elif not entry.name.endswith(".pyc"):
            yield path / entry.name, entry.read_text(encoding="utf-8")
