"""Promise 9 at the door: whatever a plugin does while it is loaded or asked, it is listed and stops nobody else."""

import itertools
import sys
from importlib.metadata import EntryPoint

import pytest

from gateway.host import Host, installed
from gateway.plugins.lock import Approved, Lock
from gateway.plugins.rules import Rules
from gateway.plugins.switched import Switched

HEAD = "from gateway.hookspecs import hookimpl\n"
WELL = HEAD + "@hookimpl\ndef register_transforms(register): register('shout', str.upper)\n"
_number = itertools.count()


class Installed:
    """A distribution as ``importlib.metadata`` shows it."""

    def __init__(self, name, requires="lead-gateway>=1,<2"):
        self.metadata = {"Name": name}
        self.version = "1.0"
        self.requires = [requires]

    def read_text(self, name):
        """None of its files is known."""


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
    "a module whose names cannot be listed": ("def __dir__(): raise RuntimeError('no')", "RuntimeError at plugin_of_a"),
    "is no exception": ("class Panic(BaseException): pass\nraise Panic('x')", "Panic at plugin_of_a"),
    "a module that is replaced by nothing": ("import sys; sys.modules[__name__] = None", "failed"),
    "no hooks": ("def register_sinks(register): register('x', list)", "none of its functions has @hookimpl"),
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
    "offers under a name of control characters": (
        HEAD + "@hookimpl\ndef register_sinks(register): register('a\\x1b[31m', list)",
        "is no name for a sink",
    ),
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


@pytest.mark.parametrize("kind", ["RuntimeError", "GatewayError", "ImportError"])
def test_what_a_plugin_raises_is_told_without_what_nobody_may_see(plugin, kind):
    """Words that only the plugin knows may be a secret; of errors that explain themselves they are few."""
    source = "from gateway.errors import GatewayError\n"
    broken = plugin(source + f"raise {kind}('hunter2' + chr(27) + '[31m' + chr(10) + 'x' * 5000)")
    [told] = Host([broken]).plugins
    assert told.reason.isprintable()
    assert len(told.reason) < 400
    assert ("hunter2" in told.reason) == (kind != "RuntimeError")


def test_arguments_that_no_hook_has_are_named_in_one_order(plugin):
    """A set has another one each time."""
    names = ["zeta", "alpha", "gamma", "beta"]
    broken = plugin(HEAD + f"@hookimpl\ndef register_sources(register, {', '.join(names)}): pass")
    [told] = Host([broken]).plugins
    assert "'alpha', 'beta', 'gamma', 'zeta' are declared" in told.reason


def test_ctrl_c_while_plugins_are_loaded_ends_the_program(plugin):
    """The person at the keyboard is no plugin's failure."""
    with pytest.raises(KeyboardInterrupt):
        Host([plugin("raise KeyboardInterrupt")])


@pytest.mark.parametrize("order", [1, -1], ids=["as found", "the other way round"])
def test_two_plugins_of_one_name_are_an_error_naming_both_distributions(plugin, order):
    """Neither is loaded, in whatever order they are found: which of them a file means, nobody can say."""
    first = plugin(WELL, name="twin", distribution="one")
    second = plugin(WELL.replace("shout", "cry"), name="twin", distribution="two")
    host = Host([first, second][::order])
    reason = (
        "'one' and 'two' both have a plugin named 'twin'; uninstall one, or disable it alone, as in `gateway plugins"
    )
    assert [(told.distribution, told.state, told.reason) for told in host.plugins] == [
        ("one", "broken", f"{reason} disable one:twin`"),
        ("two", "broken", f"{reason} disable two:twin`"),
    ]
    assert not host.transforms
    assert host.unavailable["twin"].startswith(f"broken: {reason}")
    assert host.observe("lead_scored", scores=[]) == []


KEPT_OUT = {
    "by the lock": {"lock": ["one"]},
    "by its whole name": {"off": "Two:twin"},
    "by GATEWAY_PLUGINS": {"allowed": "weighted, one:twin"},
    "by its range": {"requires": "lead-gateway>=2"},
}


@pytest.mark.parametrize("how", KEPT_OUT.values(), ids=KEPT_OUT)
def test_who_is_kept_out_takes_nobody_of_its_name_down(plugin, how, monkeypatch):
    """Neither by being installed, nor by what it would be: the other one works, and is the one that files mean."""
    first = plugin(SINK.format(1), name="twin", distribution="one")
    second = plugin(
        SCORER.format(2), name="twin", distribution="Two", requires=how.get("requires", "lead-gateway<2,>=1")
    )
    rules = Rules()
    if "lock" in how:
        rules.lock = Lock({one: Approved("1.0", "", {}, "anna", "now") for one in how["lock"]})
        monkeypatch.setattr("gateway.plugins.lock.fingerprint", lambda distribution: "")
    if "off" in how:
        rules.off = {how["off"]: Switched()}
    if "allowed" in how:
        monkeypatch.setenv("GATEWAY_PLUGINS", how["allowed"])
    host = Host([second, first], rules)
    assert [(told.distribution, told.state == "active") for told in host.plugins] == [("Two", False), ("one", True)]
    assert host.plugins[0].requires == how.get("requires", "lead-gateway>=1,<2").removeprefix("lead-gateway")
    assert set(host.sinks) == {"files", "own1"}
    assert "twin" not in host.unavailable


def test_one_module_under_two_names_works_once(plugin):
    """The second name is listed as broken."""
    first = plugin(WELL)
    second = (EntryPoint("again", first[0].value, "lead_gateway"), Installed("other"))
    host = Host([first, second])
    assert [listed(host, name).state for name in (first[0].name, "again")] == ["active", "broken"]
    assert set(host.transforms) == {"shout"}


SINK = HEAD + "@hookimpl\ndef register_sinks(register): register('files', list); register('own{0}', list)\n"
SOURCE = HEAD + "@hookimpl\ndef register_sources(register): register('files', list); register('own{0}', list)\n"
SCORER = HEAD + "@hookimpl\ndef register_scorers(register): register('files', list); register('own{0}', list)\n"


@pytest.mark.parametrize("order", [1, -1], ids=["as found", "the other way round"])
@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [(SINK, SINK, "sink"), (SOURCE, SINK, "sink or source"), (SCORER, SCORER, "scorer")],
    ids=["two sinks", "the source of one and the sink of another", "two scorers"],
)
def test_what_two_plugins_offer_under_one_name_nobody_offers(plugin, order, one, other, kind):
    """Both are named, in whatever order they are loaded; what else they offer stays."""
    pair = [plugin(one.format(1), name="first"), plugin(other.format(2), name="second")]
    host = Host(pair[::order])
    reason = f"plugins 'first' and 'second' both offer a {kind} named 'files'"
    assert [(told.name, told.state, told.reason) for told in host.plugins] == [
        ("first", "active", reason),
        ("second", "active", reason),
    ]
    assert {*host.sources, *host.sinks, *host.scorers} == {"own1", "own2"}
    assert [told.offers for told in host.plugins] == [[text] for text in _offered(one, other)]
    assert host.unavailable["files"].startswith(f"contested: {reason}")


def _offered(*sources):
    kinds = {SINK: "sink", SOURCE: "source", SCORER: "scorer"}
    return [f"{kinds[source]} own{number}" for number, source in enumerate(sources, 1)]


def test_a_name_of_the_gateway_itself_is_not_taken_away_from_it(plugin):
    """As with commands: whoever wants it too goes without it."""
    taker = plugin(SCORER.replace("'files'", "'weighted'").format(1), name="taker")
    for pairs in ([taker, *installed()], [*installed(), taker]):
        host = Host(pairs)
        assert host.scorers["weighted"].plugin == "weighted"
        assert {name for name, offer in host.scorers.items() if offer.plugin == "taker"} == {"own1"}
        assert "both offer a scorer named 'weighted'" in listed(host, "taker").reason
        assert listed(host, "weighted").reason == ""


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
