"""A system put into gateway.yaml: one more section, and not a letter of the rest changed."""

from __future__ import annotations

import pytest

from gateway.errors import Refused
from gateway.settings.files import ConfigFile
from gateway.settings.section import with_system

ENTRY = {"plugin": "hubspot", "outbound": "off", "settings": {"token": "${TOKEN}", "portal_id": 5, "version": "67.0"}}
TEXTS = {
    "no systems": "a: 1  # one\n",
    "no systems yet": "systems:\n\nb: 1\n",
    "an empty mapping": "systems: {}\n",
    "a block": "systems:\n  # first\n  crm: {plugin: files}  # c\n\n# the end\nrates: 1\n",
    "a deep block": "systems:\n      crm:\n            plugin: files\n            settings: {path: x}\n",
    "a block at the end": "b: 1\nsystems:\n  crm:\n    plugin: files   # last",
    "comments inside": "systems:\n  crm:\n    plugin: files\n    # settings: {path: x}\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_section_is_added_and_every_line_stays(text):
    """Behind the other systems, so that it ranks last."""
    new = with_system(ConfigFile("gateway.yaml", text), "hub", ENTRY, {"portal_id": "pinned"})
    before, data = ConfigFile("gateway.yaml", text).data, ConfigFile("gateway.yaml", new).data
    assert data == {**before, "systems": {**(before.get("systems") or {}), "hub": ENTRY}}
    assert list(data["systems"])[-1] == "hub"
    kept = [line for line in text.replace("systems: {}", "systems:").splitlines() if line]
    assert [line for line in new.splitlines() if line in kept] == kept
    assert "portal_id: 5  # pinned" in new


def test_systems_in_one_line_are_left_to_a_person():
    """With what to write."""
    with pytest.raises(Refused, match="write this under systems: yourself") as caught:
        with_system(ConfigFile("gateway.yaml", "systems: {crm: {plugin: files}}\n"), "hub", ENTRY, {})
    assert "token: ${TOKEN}" in str(caught.value)
