"""What a person decided once and for all, written into the text of a mapping file. Pure: text in, text out.

Comments and order stay. A rule that is edited keeps its name, so that what it has told before stays what it told.
"""

from __future__ import annotations

from collections.abc import Collection, MutableMapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from gateway.conditions import attributes_of
from gateway.mapping.grammar import split_sync
from gateway.mapping.rules import names
from gateway.settings.files import ConfigFile

_INDENTS = ((2, 4, 2), (2, 2, 0), (4, 6, 4), (4, 4, 0))


class Edited:
    """One mapping file, open for edits; ``text`` is the file with all of them."""

    def __init__(self, text: str) -> None:
        self._before = text
        self._yaml = like(text)
        self._tree = self._yaml.load(text)
        self._plain = ConfigFile("mapping", text).data

    @property
    def text(self) -> str:
        return dumped(self._yaml, self._tree)

    def prefer(self, to: str, system: str) -> list[str]:
        """Let ``system`` win lead field ``to`` wherever the newest value did. Returns the fields changed."""
        changed = []
        for name, data in self._tree["objects"].items():
            for field, form in (data.get("fields") or {}).items():
                if isinstance(form, MutableMapping) and form.get("to") == to and _newest(form):
                    form["sync"], form["prefer"] = "prefer", system
                    changed.append(f"{name}.{field}")
        return changed

    def map_value(self, object_: str, field: str, raw: str, target: Any) -> None:
        """Add an entry to a field's value map."""
        fields = self._tree["objects"][object_]["fields"]
        if not isinstance(fields[field], MutableMapping):
            fields[field] = flow({"to": fields[field]})
        _below(fields[field], "values")[raw] = target

    def map_back(self, object_: str, field: str, raw: str, value: Any) -> bool:
        """Let lead value ``value`` be sent as ``raw``. False: ``raw`` means another one already, and is read, too."""
        form = self._tree["objects"][object_]["fields"][field]
        known = (form.get("values") or {}) if isinstance(form, MutableMapping) else {}
        if raw not in known:
            self.map_value(object_, field, raw, value)
            return True
        if split_sync(str(form.get("sync", "in")), form.get("prefer"))[0] != "out":
            return False
        known[raw] = flow([*(known[raw] if isinstance(known[raw], list) else [known[raw]]), value])
        return True

    def map_status(self, object_: str, field: str, raw: str, outcome: str) -> None:
        """Let a status mean ``outcome``; empty: none."""
        data = self._tree["objects"][object_]
        if not outcome:
            nothing = _below(data, "no_outcome").setdefault(field, flow([]))
            if raw not in nothing:
                nothing.append(raw)
            return
        rules = data.setdefault("outcomes", CommentedSeq())
        alike = [rule for rule in rules if attributes_of(rule.get("when") or {}) == {field}]
        mine = next((rule for rule in alike if rule["outcome"] == outcome and field in rule["when"]), None)
        if mine is None:  # told like the other outcomes of this field
            first = alike[0] if alike else {}
            kept = {key: first[key] for key in ("at", "reason", "by") if key in first}
            rules.append(flow({"outcome": outcome, "when": flow({field: raw}), **kept}))
            return
        when = mine["when"][field]
        if raw in (when if isinstance(when, list) else [when]):
            return
        self._keep_name(object_, rules, mine)
        if isinstance(when, MutableMapping):
            operator = "in" if "in" in when else "is"
            values = when.pop(operator)
            when["in"] = flow([*(values if isinstance(values, list) else [values]), raw])
        else:
            mine["when"][field] = flow([*(when if isinstance(when, list) else [when]), raw])

    def map_reason(self, object_: str, outcomes: Collection[str], raw: str, reason: str) -> int:
        """Let the system's reason ``raw`` be ``reason`` in the rules of these outcomes. Returns how many there are."""
        rules = self._tree["objects"].get(object_, {}).get("outcomes") or []
        mine = [
            rule for rule in rules if rule["outcome"] in outcomes and not str(rule.get("reason", "=")).startswith("=")
        ]
        for rule in mine:
            self._keep_name(object_, rules, rule)
            _below(rule, "reasons")[raw] = reason
        return len(mine)

    def _keep_name(self, object_: str, rules: Any, rule: Any) -> None:
        """Where several rules tell the same outcome, a hash of the rule is its name: it must not change with it."""
        if "name" in rule:
            return
        data = self._plain["objects"][object_]
        activities = data.get("activities") or []
        name = names([*activities, *data["outcomes"]])[len(activities) + rules.index(rule)]
        if name != rule["outcome"]:
            rule.insert(0, "name", name)


def _newest(form: MutableMapping[str, Any]) -> bool:
    return split_sync(str(form.get("sync", "in")), form.get("prefer"))[0] == "newest"


def _below(node: MutableMapping[str, Any], key: str) -> Any:
    if not node.get(key):
        node[key] = flow({})
    return node[key]


def flow(data: Any) -> Any:
    """A new mapping or list on one line, as people write short ones."""
    made: Any = CommentedMap(data) if isinstance(data, dict) else CommentedSeq(data)
    made.fa.set_flow_style()
    return made


def like(text: str) -> YAML:
    """A reader and writer that lays the file out as it is, as far as that is possible."""
    for mapping, sequence, offset in _INDENTS:
        yaml = YAML(typ="rt")
        yaml.preserve_quotes, yaml.width = True, 1_000_000
        yaml.indent(mapping=mapping, sequence=sequence, offset=offset)
        if dumped(yaml, yaml.load(text)) == text:
            return yaml
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def dumped(yaml: YAML, tree: Any) -> str:
    out = StringIO()
    yaml.dump(tree, out)
    return out.getvalue()
