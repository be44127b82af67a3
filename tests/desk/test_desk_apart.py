"""Numbers that are worked out in a process of their own, as those of many leads are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from disk_instance import Instance

from gateway.errors import NotFound, Refused
from gateway.runtime import Gateway
from gateway.web.desk import apart
from gateway.web.desk.page import NAME


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every company has too many leads; the other process finds what these tests give it to do."""
    monkeypatch.setattr(apart, "FEW", -1)
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (here, here.parent))))


def whose(gateway: Gateway, kind: str) -> Any:
    """Runs where ``worked`` has it run."""
    if kind == "dies":
        os._exit(3)
    if kind == "fails":
        raise ValueError("ann@one.example is what it failed on")
    if kind == "refuses":
        raise Refused("nothing is asked")
    if kind == "finds none":
        raise NotFound("there is none")
    print("what a plugin prints is no answer")
    return os.getpid(), os.nice(0), gateway.now(), gateway.instance.name


def test_another_process_with_the_same_clock_that_gives_way(app: Any, many: None) -> None:
    gateway = app.extensions[NAME].gateway
    process, niceness, now, name = apart.worked(gateway, whose, "")
    assert process != os.getpid()
    assert niceness >= min(os.nice(0) + apart.NICE, 19)
    assert abs((gateway.now() - now).total_seconds()) < 60
    assert name == gateway.instance.name


def test_few_leads_need_no_other_process(app: Any) -> None:
    assert apart.worked(app.extensions[NAME].gateway, whose, "")[0] == os.getpid()


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("refuses", Refused, "nothing is asked"),
        ("finds none", NotFound, "there is none"),
        ("fails", ChildProcessError, "ended with 1"),
        ("dies", ChildProcessError, "ended with 3"),
    ],
)
def test_what_goes_wrong_there_is_told_here_without_a_value(
    app: Any, many: None, capfd: pytest.CaptureFixture[str], kind: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        apart.worked(app.extensions[NAME].gateway, whose, kind)
    told = capfd.readouterr().err
    assert "ann@" not in told
    assert ("ValueError at test_desk_apart.py" in told) is (kind == "fails")


def test_too_long_is_ended(app: Any, many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "LONGEST", 0.01)
    with pytest.raises(Refused, match="was ended"):
        apart.worked(app.extensions[NAME].gateway, whose, "")


def test_pages_csv_and_the_api_say_the_same_of_few_and_of_many(
    app: Any, company: Instance, desk: Any, program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, caller = desk("marketing"), program("marketing")
    paths = ["/numbers/funnel", "/numbers/funnel.csv", "/numbers/funnel/leads.csv?number=mql"]
    calls = ["/metrics/attribution"]

    def everything() -> list[Any]:
        app.extensions[NAME].beside._kept.clear()
        return [*map(browser.get, paths), *map(caller.get, calls)]

    few = everything()
    monkeypatch.setattr(apart, "FEW", -1)
    for path, one, other in zip([*paths, *calls], few, everything(), strict=True):
        assert (path, _still(other)) == (path, _still(one))


def _still(told: Any) -> Any:
    """Without what differs from view to view: tokens of forms, and the moment."""
    if not isinstance(told, str):
        return told
    moving = ("csrf_token", "data-now", "<time")
    return [line for line in told.splitlines() if not any(word in line for word in moving)]
