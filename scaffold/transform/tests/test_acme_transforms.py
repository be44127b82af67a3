"""The transforms by themselves, as the gateway's contract suite wants them, and at work in a mapping file."""

from __future__ import annotations

import pytest
from gateway.testing import TransformContract

from gateway_acme.values import domain, headcount


class TestHeadcount(TransformContract):
    transform = staticmethod(headcount)
    examples = (
        ("80", 80),
        (80, 80),
        ("201-500 employees", 350),
        ("11 to 50", 30),
        ("1,000+", 1000),
    )
    refused = ("many", "500-201", "", "-5", "1.5")


class TestDomain(TransformContract):
    transform = staticmethod(domain)
    examples = (
        ("https://www.Firm.example/about?x=1", "firm.example"),
        ("firm.example", "firm.example"),
        ("ann@sales.firm.example", "sales.firm.example"),
    )
    refused = ("no site", "http://", "localhost", "a..b")


GATEWAY = "systems: {site: {plugin: memory, role: ma}}"
MAPPING = """
system: site
timezone: UTC
objects:
  contact:
    kind: person
    id: id
    time: at
    fields:
      email: email
      size: {to: employees, type: integer, transforms: [acme_headcount]}
      homepage: {to: website, transforms: [acme_domain]}
"""


def test_a_mapping_file_uses_them(gateway_instance):
    """What a system wrote in its own way is on the lead as the model wants it; what cannot be read is told."""
    instance = gateway_instance({"gateway.yaml": GATEWAY, "mappings/site.yaml": MAPPING})
    ann = {"id": "1", "at": "2026-05-01T09:00:00", "email": "ann@firm.example", "size": "201-500"}
    instance.give("site", {**ann, "homepage": "https://www.Firm.example"})
    instance.work()
    [lead] = instance.leads()
    assert lead["attributes"] == {"email": "ann@firm.example", "employees": 350, "website": "firm.example"}
    assert instance.troubles() == []


def test_a_value_that_cannot_be_read_is_told_without_itself(gateway_instance):
    instance = gateway_instance({"gateway.yaml": GATEWAY, "mappings/site.yaml": MAPPING})
    instance.give("site", {"id": "1", "at": "2026-05-01T09:00:00", "email": "ann@firm.example", "size": "a few"})
    instance.work()
    [lead] = instance.leads()
    assert "employees" not in lead["attributes"]
    [trouble] = instance.troubles()
    assert "size" in trouble
    assert "a few" not in trouble


@pytest.mark.parametrize("name", ["acme_headcount", "acme_domain"])
def test_the_gateway_offers_them(name):
    from gateway.host import Host

    assert name in Host().transforms
