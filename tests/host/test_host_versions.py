"""Which plugins fit this gateway, by what they require of it; and hooks that will go, told at the plugin's own line."""

import sys
import types
import warnings
from importlib.metadata import EntryPoint

import pluggy
import pytest

from gateway import hookspecs
from gateway.hookspecs import HookDeprecated, deprecated, hookspec
from gateway.host import Host, _fits
from gateway.testing import hooks
from gateway.testing.hooks import packages_of, refuse_deprecated

PLUGIN = """
from gateway.hookspecs import hookimpl

@hookimpl
def lead_rated(rates):
    pass

@hookimpl
def register_transforms(
    register
):
    register("loud", str.upper)
"""


class Installed:
    metadata = {"Name": "gateway-late"}  # noqa: RUF012 - as importlib.metadata has it
    version = "1.0"
    requires = ["lead-gateway>=1,<2"]  # noqa: RUF012


@pytest.mark.parametrize(
    ("wanted", "this", "fits"),
    [
        (">=1,<2", "1.0.0", True),  # the lower end belongs to the range
        (">=1,<2", "1.99.3", True),
        (">=1,<2", "2.0.0", False),  # the upper end does not
        (">=1,<2", "0.9.9", False),
        (">=1.5,<2", "1.4.9", False),
        (">=1.5,<2", "1.5.0", True),
        (">=1,<2", "1.5.0.dev3", True),
        (">=1.5,<2", "1.5.0rc1", True),  # it is there so that plugins for 1.5 are tried with it
        (">=1.5,<2", "1.4.0rc1", False),
        (">=1,<2", "2.0.0rc1", False),  # has what 2 has
        (">=2,<3", "2.0.0rc1", True),
        (">=1,<=1.5", "1.5.0.post1", False),
        ("==1.*", "1.5.0", True),
        ("!=1.5.0,>=1", "1.5.0", False),
        ("!=1.5.0,>=1", "1.5.0rc1", True),
        ("", "3.1.4", True),  # says nothing of versions
    ],
)
def test_the_range_that_a_plugin_requires_decides(wanted, this, fits):
    """Both ends, and what comes before a release."""
    assert _fits(wanted, this) is fits


@pytest.fixture
def specs():
    """The hooks as they could be one day: one that goes, and one with an argument that goes."""
    module = types.ModuleType("hooks_of_tomorrow")
    for name, value in vars(hookspecs).items():
        if getattr(value, f"{hookspecs.PROJECT}_spec", None) and name != "register_transforms":
            setattr(module, name, value)

    @hookspec(warn_on_impl=deprecated("hook lead_rated", "2.0", "implement lead_scored"))
    def lead_rated(rates):
        """Goes."""

    @hookspec(warn_on_impl_args={"register": deprecated("argument 'register'", "1.9", "return them")})
    def register_transforms(register):
        """Stays, without its argument."""

    module.lead_rated, module.register_transforms = lead_rated, register_transforms
    return module


@pytest.fixture
def late(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "gateway_late.py").write_text(PLUGIN)
    monkeypatch.delitem(sys.modules, "gateway_late", raising=False)
    return tmp_path / "gateway_late.py", EntryPoint("late", "gateway_late", "lead_gateway")


def expected(path):
    return [
        f"{path}:4: hook lead_rated goes in lead-gateway 2.0: implement lead_scored",
        f"{path}:8: argument 'register' goes in lead-gateway 1.9: return them",
    ]


def test_what_will_go_warns_at_the_plugins_own_line_and_works_until_then(late, specs):
    """Python's own way of warning, so that filters, tests and editors know it; the list of plugins tells it, too."""
    path, entry = late
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        host = Host([(entry, Installed())], specs=specs)
    mine = [one for one in told if one.category is HookDeprecated]
    assert sorted(f"{one.filename}:{one.lineno}: {one.message}" for one in mine) == sorted(expected(path))
    [plugin] = host.plugins
    assert plugin.state == "active"
    assert sorted(plugin.deprecations) == sorted(expected(path))


def test_where_warnings_are_errors_the_plugin_is_broken_by_it(late, specs):
    """As in its author's test run."""
    _, entry = late
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [plugin] = Host([(entry, Installed())], specs=specs).plugins
    assert plugin.state == "broken"
    assert "goes in lead-gateway" in plugin.reason


def test_nothing_that_is_there_today_will_go():
    """What we ship is warned of by nobody."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    assert not any(
        caller.spec.warn_on_impl or caller.spec.warn_on_impl_args
        for name in vars(hookspecs)
        if (caller := vars(manager.hook).get(name)) is not None
    )
    assert all(not plugin.deprecations for plugin in Host().plugins)


def test_the_contract_suites_fail_for_a_plugin_with_hooks_that_will_go(late, specs, monkeypatch):
    """Whatever part of it a suite is about: the modules that its test file imports say whose it is."""
    path, entry = late
    monkeypatch.setattr(hooks, "entry_points", lambda group: [entry])
    test_file = types.ModuleType("test_late")
    test_file.part = type("Late", (), {"__module__": "gateway_late.parts"})
    refuse_deprecated({"unknown"}, specs)
    with pytest.raises(AssertionError) as told:
        refuse_deprecated(packages_of(test_file), specs)
    assert sorted(str(told.value).splitlines()) == sorted(expected(path))
