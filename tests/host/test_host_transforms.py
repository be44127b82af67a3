"""A plugin's transforms run in the midst of other plugins' reading: what they do and raise is their own."""

import sys
from contextlib import contextmanager
from importlib.metadata import EntryPoint

import pytest

from gateway.host import Host

PLUGIN = """
from gateway.hookspecs import hookimpl

def greedy(value):
    value.clear()
    return "taken"

def strict(value):
    raise ValueError("not of that kind")

def wrong(value):
    raise KeyError(value)

def leaves(value):
    raise SystemExit(3)

@hookimpl
def register_transforms(register):
    for one in (greedy, strict, wrong, leaves):
        register(one.__name__, one)
"""


class Installed:
    metadata = {"Name": "gateway-words"}  # noqa: RUF012 - as importlib.metadata has it
    version = "1.0"
    requires = ()


@pytest.fixture
def host(tmp_path, monkeypatch):
    (tmp_path / "words_of_a_test.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "words_of_a_test", raising=False)
    return Host([(EntryPoint("words", "words_of_a_test", "lead_gateway"), Installed())])


@pytest.mark.parametrize("value", [["a", "b"], {"a": 1}])
def test_a_transform_changes_a_value_of_its_own(host, value):
    """Other fields of the record are read from the same payload."""
    before = value.copy()
    assert host.transforms["greedy"](value) == "taken"
    assert value == before


def test_a_value_error_is_an_answer_and_anything_else_is_the_plugins_fault(host):
    """Either way the field is told as one that does not load, without its value."""
    ends = []

    @contextmanager
    def guard(plugin, call):
        try:
            yield
        except BaseException as exc:
            ends.append((plugin, call, type(exc)))
            raise
        ends.append((plugin, call, None))

    host.guard = guard
    with pytest.raises(ValueError, match="not of that kind"):
        host.transforms["strict"]("secret")
    for name, raised in (("wrong", "KeyError"), ("leaves", "SystemExit")):
        with pytest.raises(ValueError, match="raised") as told:
            host.transforms[name]("secret")
        assert str(told.value) == f"plugin words: transform {name!r} raised {raised}"
    assert ends == [
        ("words", "transform strict", None),
        ("words", "transform wrong", KeyError),
        ("words", "transform leaves", SystemExit),
    ]
