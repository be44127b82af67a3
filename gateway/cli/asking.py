"""Settings of a plugin, given on the command line or asked for at a terminal. A secret itself never becomes one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.errors import Refused

if TYPE_CHECKING:
    from marshmallow import Schema


def settings_of(given: Sequence[str]) -> dict[str, Any]:
    """``["a.b=1"]`` as ``{"a": {"b": 1}}``. Raises ``Refused`` for what is no KEY=VALUE."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    settings: dict[str, Any] = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise Refused("--set takes KEY=VALUE, such as --set 'token=${HUBSPOT_TOKEN}'")
        try:
            parsed = value if value.startswith(("${", "file:")) else YAML(typ="safe", pure=True).load(value)
        except YAMLError:
            parsed = value
        node = settings
        *parents, leaf = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise Refused(f"--set {key}: {parent} has a value of its own already")
        node[leaf] = parsed
    return settings


def ask_for(schema: Schema, settings: dict[str, Any], root: Path, system: str) -> None:
    """Ask for what the schema needs and nobody gave; secrets typed in are kept in files of the instance."""
    for key, field in schema.fields.items():
        if key not in settings and _wanted(field, schema, settings):
            value = _prompted(key, field, root, system)
            if value not in ("", None):
                settings[key] = value


def _wanted(field: Any, schema: Schema, settings: Mapping[str, Any]) -> bool:
    """What a schema says: required, or ``metadata={"ask": True}``, or ``{"ask": {other setting: value}}``."""
    ask = field.metadata.get("ask", field.required)
    if not isinstance(ask, Mapping):
        return bool(ask)
    return all(settings.get(key, schema.fields[key].load_default) == value for key, value in ask.items())


def _prompted(key: str, field: Any, root: Path, system: str) -> Any:
    from marshmallow import missing

    from gateway.settings.secrets import SecretField

    said = field.metadata.get("help", "")
    if said:
        click.echo(f"{key}: {said}")
    if not isinstance(field, SecretField) or field.metadata.get("open"):
        default = None if field.load_default is missing or callable(field.load_default) else field.load_default
        return click.prompt(key, default=default if default is not None else "" if not field.required else None)
    name = f"{system}_{key}".upper().replace("-", "_")
    kept = f"${{{name}}}" if os.environ.get(name) else f"file:{system}.{key}.secret"
    click.echo("It is never written into gateway.yaml; say where it is kept: ${NAME} in the environment, or file:PATH")
    reference: str = click.prompt(key, default=kept)
    path = root / reference.removeprefix("file:")
    if reference.startswith("file:") and not path.exists():
        value = click.prompt(f"{path.name} is not there yet; paste the secret, it is not shown", hide_input=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(value.strip() + "\n")
    return reference
