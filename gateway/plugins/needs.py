"""What a distribution needs: its own requirements, and all that came with it beside the gateway and other plugins.

In: the metadata of what is installed. Requirements for another platform or Python do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distributions

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from gateway.hookspecs import PROJECT

DISTRIBUTION = "lead-gateway"


def needs(distribution: Distribution, extras: Iterable[str] = ()) -> Iterator[Requirement]:
    """Its requirements in this environment, those of ``extras`` with them."""
    for line in distribution.requires or ():
        try:
            need = Requirement(line)
        except InvalidRequirement:
            continue
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield need


def brought(distribution: Distribution) -> dict[str, str]:
    """Name → version of what it needs, and what that needs in turn, as far as it is installed.

    Without other plugins, and without what the gateway itself needs: that is there anyway.
    """
    there: dict[str, Distribution] = {}
    for one in distributions():
        there.setdefault(canonicalize_name(one.metadata["Name"] or "?"), one)  # the first one is imported
    found = _reached(distribution, there)
    found -= {DISTRIBUTION, canonicalize_name(distribution.metadata["Name"] or "?")}
    if gateway := there.get(DISTRIBUTION):
        found -= _reached(gateway, there)
    plugins = {name for name in found if any(entry.group == PROJECT for entry in there[name].entry_points)}
    return {name: there[name].version for name in sorted(found - plugins)}


def _reached(distribution: Distribution, there: Mapping[str, Distribution]) -> set[str]:
    """Names of everything that is required, however far; the gateway's own requirements are not followed."""
    done: set[tuple[str, str]] = set()
    waiting = list(needs(distribution))
    while waiting:
        need = waiting.pop()
        name: str = canonicalize_name(need.name)
        new = {(name, extra) for extra in ("", *need.extras)} - done
        done |= new
        if new and name in there and name != DISTRIBUTION:
            waiting += needs(there[name], need.extras)
    return {name for name, _ in done if name in there}
