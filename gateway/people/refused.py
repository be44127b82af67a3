"""A value that a system refused: which words it has instead, and the one that a person chose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from gateway.answers.texts import plural
from gateway.errors import Refused
from gateway.mapping.edits import Edited
from gateway.people.rewriting import again, rewrite
from gateway.settings.files import suggest
from gateway.store import catalogues, switches
from gateway.store import tables as t
from gateway.store import work as items
from gateway.store.database import read, write
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway


def options(gateway: Gateway, item: Mapping[str, Any]) -> dict[str, str]:
    """What a refused field may hold over there: what people read → what is sent. A list's choices; of an owner, users.

    Of any other field nobody knows: what it refused may be anybody's name.
    """
    system, [field] = item["system"], item["detail"]["fields"]
    rule = gateway.model.joining.inbound(system, item["object"]).get(field)
    with read(gateway.store.main) as connection:
        if rule is not None and rule.to == "owner":
            users = gateway.pipeline.roster(connection, gateway.now()).users.get(system, ())
            return {user.email or user.name or user.id: user.id for user in users if user.active}
        told = catalogues.held(connection, system, item["object"]).get(field)
    return {one: one for one in told.options} if told is not None else {}


def call(gateway: Gateway, item: Mapping[str, Any], word: str) -> list[str]:
    """A refused value is called ``word`` over there: into the mapping file. Every write refused for that field is given
    up and planned anew. Returns what was done. Raises ``Refused``."""
    system, object_, [field] = item["system"], item["object"], item["detail"]["fields"]
    known = options(gateway, item)
    if not known:
        raise Refused(f"{object_}.{field} is no list that {system} told of; correct the value, then --retry")
    if word not in known:
        raise Refused(f"{system} has no {word!r}{suggest(word, known)}; there are {', '.join(known)}")
    w = t.writes.c
    with read(gateway.store.main) as connection:
        fields = connection.scalar(select(w.fields).where(w.id == item["detail"]["write"])) or {}
        alike = items.refused(connection, system, object_, field)
    mapping = gateway.instance.systems[system].mapping
    rule = mapping.objects[object_].outbound.get(field) if mapping is not None and object_ in mapping.objects else None
    if rule is None or field not in fields:
        raise Refused(f"{object_}.{field} is not written any more; --retry plans it anew")
    value = rule.load(fields[field])
    name = f"mappings/{system}.yaml"

    def edit(edited: Edited) -> None:
        if not edited.map_back(object_, field, known[word], value):
            raise Refused(f"{name}: {object_}.{field}: {word} means something else already, when it is read")

    rewrite(gateway, {system: edit})
    with write(gateway.store.main) as connection:
        switches.discard(connection, to_micros(gateway.now()), [row.detail["write"] for row in alike])
    again(gateway, {gateway.find_lead(row.lead) for row in alike if row.lead})
    return [f"{name}: {object_}.{field}: sent as {word}", f"{plural(len(alike), 'refused write')} planned anew"]
