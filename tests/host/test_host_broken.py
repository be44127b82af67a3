"""Promise 9 at the door: whatever a plugin does while it is loaded or asked, it is listed and stops nobody else."""

import itertools
import sys
from importlib.metadata import EntryPoint

import pytest

from gateway.host import Host

HEAD = "from gateway.hookspecs import hookimpl\n"
WELL = HEAD + "@hookimpl\ndef register_transforms(register): register('shout', str.upper)\n"
_number = itertools.count()


class Installed:
    """A distribution as ``importlib.metadata`` shows it."""

    def __init__(self, name, requires="lead-gateway>=1,<2"):
        self.metadata = {"Name": name}
        self.version = "1.0"
        self.requires = [requires]


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Make a module of some source text; returns what the host finds of it."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(source, name="", distribution="", **more):
        module = f"plugin_of_a_test_{next(_number)}"
        (tmp_path / f"{module}.py").write_text(source)
        monkeypatch.delitem(sys.modules, module, raising=False)
        return EntryPoint(name or module, module, "lead_gateway"), Installed(distribution or f"dist-{module}", **more)

    return make


def listed(host, name):
    return next(plugin for plugin in host.plugins if plugin.name == name)


BROKEN = {
    "import error": ("import no_such_module", "ModuleNotFoundError"),
    "syntax error": ("def (", "SyntaxError"),
    "leaves on import": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "a module whose names cannot be listed": ("def __dir__(): raise RuntimeError('no')", "RuntimeError: no"),
    "a module that is replaced by nothing": ("import sys; sys.modules[__name__] = None", "failed"),
    "wrong signature": (HEAD + "@hookimpl\ndef register_sources(register, more): pass", "more"),
    "unknown hook": (HEAD + "@hookimpl\ndef register_source(register): pass", "did you mean 'register_sources'"),
    "raises in its hook": (
        WELL + "@hookimpl\ndef register_sinks(register): raise OSError('x')",
        "register_sinks: OSError",
    ),
    "leaves in its hook": (
        HEAD + "@hookimpl\ndef register_sinks(register): raise SystemExit(1)",
        "register_sinks: System",
    ),
    "offers what cannot be called": (HEAD + "@hookimpl\ndef register_sinks(register): register('x', None)", "callable"),
    "offers under a name that is none": (HEAD + "@hookimpl\ndef register_sinks(register): register(5, str)", "name"),
    "settings that are no schema": (HEAD + "@hookimpl\ndef register_sinks(register): register('x', str, 5)", "schema"),
}


@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_listed_with_its_reason_and_stops_nobody(plugin, source, reason):
    """Its neighbours before and after it work, and nothing it had offered is left."""
    before, broken, after = plugin(WELL), plugin(source), plugin(WELL.replace("shout", "cry"))
    host = Host([before, broken, after])
    told = listed(host, broken[0].name)
    assert (told.state, told.offers) == ("broken", [])
    assert reason in told.reason
    assert set(host.transforms) == {"shout", "cry"}
    assert not host.sinks


def test_ctrl_c_while_plugins_are_loaded_ends_the_program(plugin):
    """The person at the keyboard is no plugin's failure."""
    with pytest.raises(KeyboardInterrupt):
        Host([plugin("raise KeyboardInterrupt")])


def test_two_plugins_of_one_name_are_an_error_naming_both_distributions(plugin):
    """The first keeps working with all that it offers."""
    first = plugin(WELL, name="twin", distribution="one")
    second = plugin(WELL.replace("shout", "cry"), name="twin", distribution="two")
    host = Host([first, second])
    states = sorted((told.distribution, told.state, told.reason) for told in host.plugins)
    assert states[0] == ("one", "active", "")
    assert states[1][:2] == ("two", "broken")
    assert "'one'" in states[1][2]
    assert "'two'" in states[1][2]
    assert set(host.transforms) == {"shout"}
    assert host.observe("lead_scored", scores=[]) == []


def test_one_module_under_two_names_works_once(plugin):
    """The second name is listed as broken."""
    first = plugin(WELL)
    second = (EntryPoint("again", first[0].value, "lead_gateway"), Installed("other"))
    host = Host([first, second])
    assert [listed(host, name).state for name in (first[0].name, "again")] == ["active", "broken"]
    assert set(host.transforms) == {"shout"}


def test_two_plugins_that_offer_one_name_are_an_error_naming_both(plugin):
    """Nobody's transform is silently another's."""
    first, second = plugin(WELL, name="first"), plugin(WELL, name="second")
    host = Host([first, second])
    assert listed(host, "second").reason.endswith("plugins 'first' and 'second' both offer a transform named 'shout'")
    assert listed(host, "first").state == "active"


def test_a_plugin_for_another_version_is_not_even_imported(plugin, capsys):
    """Its own requirement says so."""
    host = Host([plugin("print('imported')", name="future", requires="lead-gateway>=2")])
    assert listed(host, "future").state == "incompatible"
    assert ">=2" in listed(host, "future").reason
    assert capsys.readouterr().out == ""


def test_observers_that_raise_or_leave_fail_nothing(plugin):
    """Each is named; those after them are still told, and told everything."""
    leaves = plugin(HEAD + "@hookimpl\ndef lead_scored(scores): raise SystemExit(9)", name="leaves")
    greedy = plugin(HEAD + "@hookimpl\ndef lead_scored(scores): scores.clear()", name="greedy")
    told = plugin(HEAD + "told = []\n@hookimpl\ndef lead_scored(scores): told.extend(scores)", name="told")
    orders = [(leaves, greedy, told), (told, greedy, leaves)]
    for order in orders:
        host = Host(order)
        problems = host.observe("lead_scored", scores=[{"lead": "a"}, {"lead": "b"}])
        assert problems == ["plugin leaves: lead_scored raised SystemExit"]
    assert sys.modules[told[0].value].told == [{"lead": "a"}, {"lead": "b"}] * len(orders)


def test_the_first_owner_that_is_an_answer_counts(plugin):
    """A plugin that raises, leaves, or takes the lead apart has passed."""
    leaves = plugin(HEAD + "@hookimpl\ndef assign_owner(lead, handoff, roster): lead.clear(); raise SystemExit")
    anna = plugin(HEAD + "@hookimpl\ndef assign_owner(lead, handoff, roster): return lead.get('owner')")
    lead = {"owner": "anna"}
    assert Host([leaves, anna]).assign_owner(lead, {}, []) == "anna"
    assert lead == {"owner": "anna"}
