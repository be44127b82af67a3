"""Writes reference/: a page per hook and per base class, the values, the errors, the checks and the fixtures.

Signatures and contracts come from the code; who calls what, and what happens when it fails, stands here, and a test
sees to it that nothing is left out. ``--check``: are they stale?
"""

from __future__ import annotations

import ast
import enum
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from gateway import contracts, errors, hookspecs, testing
from gateway.engine import slots
from gateway.testing import plugin as fixtures

FOLDER = Path(__file__).with_name("reference")
WIDTH = 120
BASES = ("Source", "Scorer", "Sink", "Connection")
SUITES = ("SourceContract", "SinkContract", "ScorerContract", "TransformContract", "ConnectionContract")
LATER = "The exception's type is logged with the plugin's name."
AT_START = (
    "each process of the gateway, once, when it loads plugins; commands, too",
    "the plugin is broken: `gateway plugins list` says why, nothing that it offers is there, and the others go on",
)
OBSERVER = ("a worker, after its batch is committed", f"nothing else changes. {LATER}")
UNSURE = "the writes of the call are *unknown*: the gateway asks `find` for their keys before it sends anything again"
PUT_OFF = (
    "`TryLater`: again after its seconds, no try is spent. `AccessRefused`: the whole system pauses until a person "
    "resumes it. Anything else: again later, each time after a longer wait"
)
ASKED = "a person is told, in one line that names the plugin"
# hook or Class.method → (who calls it when, what happens when it raises)
CALLED: dict[str, tuple[str, str]] = {
    "register_sources": AT_START,
    "register_scorers": AT_START,
    "register_sinks": AT_START,
    "register_connections": AT_START,
    "register_transforms": AT_START,
    "register_commands": (
        "the command line, when it lists its commands or is given one that is not its own",
        "the plugin is broken for this run of the command line; its other commands are not there",
    ),
    "assign_owner": (
        "a worker, for each new handoff without an owner, where journey.yaml lists owners",
        "the plugin has passed: the next one is asked, then the rules of journey.yaml",
    ),
    "lead_scored": OBSERVER,
    "stage_changed": OBSERVER,
    "handoff_closed": OBSERVER,
    "delivery_failed": OBSERVER,
    "Source.read": (
        "a worker, for each document, before its batch; again when the document is replayed or its mapping changed; "
        "`gateway try`",
        "the document is quarantined with the reason, and can be replayed; other documents go on",
    ),
    "Source.fetch": ("the system's worker, with all that is named by then; `gateway try`, `gateway pull`", PUT_OFF),
    "Source.per_fetch": ("`gateway pull --fields`, to say beforehand what it costs", ASKED),
    "Source.streams": ("the system's worker, before it pulls; `gateway pull`", "nothing is pulled this time"),
    "Source.pull": ("the system's worker, every `pull:` of gateway.yaml; `gateway pull`", PUT_OFF),
    "Source.history": ("`gateway pull --history`, once per stream", f"{ASKED}; the next one goes on where it stopped"),
    "Source.estimate": ("`gateway pull --history`, before it asks whether to begin", ASKED),
    "Source.counted": ("`gateway metrics reconcile`", ASKED),
    "Scorer.score": (
        "a worker, for each lead with news; when `changes_at` has come; `gateway leads explain` with `explain`",
        "the lead keeps the score that it had; other leads go on",
    ),
    "Scorer.renew": (
        "a worker, for a lead of which only attributes changed, where `lasting` is true",
        "the lead keeps the score that it had; other leads go on",
    ),
    "Scorer.learn": ("`gateway model learn --strategy NAME`", "the command says so; nothing was changed"),
    "Sink.describe": (
        "once a day by a worker, `gateway check --online`, `gateway mapping draft`",
        "the last catalogue stays in use",
    ),
    "Sink.calls": ("the system's worker, for what is due; `gateway plan`", "nothing was sent: again later"),
    "Sink.deliver": ("the system's worker, call after call; `gateway push`", UNSURE),
    "Sink.find": ("the system's worker, for writes that are *unknown*, before anything is sent again", UNSURE),
    "Sink.tasks": (
        "the system's worker, in the month after a store was restored from a backup, before tasks are made",
        "they wait",
    ),
    "Sink.held": (
        "the system's worker, just before fields with `guard: true` are written; `gateway undo`, "
        "`gateway metrics reconcile`",
        "the guarded fields wait",
    ),
    "Connection.__init__": ("the commands that connect an account", ASKED),
    "Connection.mapping": ("`gateway systems add`, `gateway mapping draft`", ASKED),
    "Connection.account": ("`gateway systems add`, `gateway check --online`", ASKED),
    "Connection.signals": ("`gateway systems add`, `gateway check --online`", ASKED),
    "Connection.sample": ("`gateway mapping draft`", ASKED),
    "Connection.setup": ("`gateway plugins setup`, `gateway systems add`", ASKED),
}
WAITED_FOR = (
    "register_commands",
    "Scorer.learn",
    "Source.history",
    "Source.estimate",
    "Source.per_fetch",
    "Source.counted",
)
# What the call is named where the clock is watched, if not as the method is called.
SEEN_AS = {"Sink.held": "deliver: look", "Sink.tasks": "find tasks"}


def opening(source: str) -> str:
    return f"<!-- Made by docs/generate_reference.py from {source}; edit the code, then run it again. -->\n"


def text(thing: Any) -> str:
    """A docstring as Markdown: what is indented is code, parameters and columns of names are lists."""
    made: list[str] = []
    listed = code = False
    doc = inspect.cleandoc(getattr(thing, "__doc__", None) or "").replace("``", "`")
    doc = re.sub(r" :(?=param \w+:)", "\n:", doc)
    doc = re.sub(r"(?<=\S) {3,}(?=`\w+` )", "\n", doc)  # two names with their meanings in one line
    for line in doc.splitlines():
        item = re.match(r":param (\w+):|:(return):|`(\w+)` (?: |(?=\S))", line)
        column = item is not None and item[3] is not None
        if item is not None and (not column or listed or line[item.end() : item.end() + 1] == " "):
            made += [] if listed else [""]
            name = "returns" if item[2] else f"`{item[1] or item[3]}`"
            made.append(f"- {name}: {line[item.end() :].strip()}")
            listed = True
        elif listed and line.startswith(" "):
            made[-1] += f" {line.strip()}"
        elif code or (line.startswith("    ") and made and not made[-1]):
            code = code or not made.append("```python")
            if line and not line.startswith("    "):
                made[-1:] = ["```", "", line]
                code = False
            else:
                made += [""] * line.startswith("    class ") + [line.removeprefix("    ")]
        else:
            made.append(line)
            listed = False
    return re.sub(r"\n{3,}(?=- )", "\n\n", "\n".join([*made, *["```"] * code]).strip())


def first(thing: Any) -> str:
    return text(thing).partition("\n\n")[0].replace("\n", " ")


# -- hooks -------------------------------------------------------------------------------------------------------------


def hooks() -> list[str]:
    marker = f"{hookspecs.PROJECT}_spec"
    return [name for name, value in vars(hookspecs).items() if hasattr(value, marker)]


def hook_page(name: str) -> str:
    function = getattr(hookspecs, name)
    lines = [opening("gateway/hookspecs.py"), f"# {name}\n", signature(function, "@hookimpl\n"), ""]
    if name.startswith("register_") and name != "register_commands":
        protocol = getattr(hookspecs, f"Register{name.removeprefix('register_').removesuffix('s').capitalize()}")
        shown = signature(protocol.__call__, "", "register", skip=("self",))
        lines += [text(function), "\n`register` is called so:\n", shown, ""]
    else:
        lines += [text(function), ""]
    options = getattr(function, f"{hookspecs.PROJECT}_spec")
    for warning in filter(None, [options["warn_on_impl"], *(options["warn_on_impl_args"] or {}).values()]):
        lines.append(f"**Goes:** {warning}\n")
    return "\n".join([*lines, *called(name, name)])


def called(name: str, call: str) -> Iterator[str]:
    who, failed = CALLED[name]
    seconds = f"{slots.allowed(SEEN_AS.get(name, call)):.0f} seconds"
    per = " for each page" if call == "pull" else ""
    deadline = f"{seconds}{per} in a worker, which is killed then; its work is done again one by one"
    if name.startswith("Connection.") or name in WAITED_FOR:
        deadline = "as long as the person waits who gave the command"
    yield "| | |\n|---|---|"
    yield f"| called by | {who} |"
    yield f"| has | {deadline} |"
    yield f"| when it raises | {failed} |\n"


class _Written(str):
    """An annotation as it stands in the code."""

    __slots__ = ()
    __repr__ = str.__str__


def signature(function: Any, before: str = "", name: str = "", skip: tuple[str, ...] = ()) -> str:
    given = inspect.signature(function)
    kept = [
        one if one.annotation is one.empty else one.replace(annotation=_Written(one.annotation))
        for one in given.parameters.values()
        if one.name not in skip
    ]
    back = given.return_annotation
    back = inspect.Signature.empty if back in (None, "None", given.empty) else _Written(back)
    shown = f"def {name or function.__name__}{given.replace(parameters=kept, return_annotation=back)}: ..."
    if len(shown) > WIDTH:
        opened, closed = shown.index("(") + 1, shown.rindex(")", 0, shown.rindex("->") if "->" in shown else None)
        shown = f"{shown[:opened]}\n    {shown[opened:closed]}\n{shown[closed:]}"
    return f"```python\n{before}{shown}\n```"


# -- base classes ------------------------------------------------------------------------------------------------------


def class_page(name: str) -> str:
    kind = getattr(contracts, name)
    lines = [opening("gateway/contracts.py"), f"# {name}\n", text(kind), ""]
    said = dict(attributes(kind))
    if said:
        lines += ["## Set on the class or in `__init__`\n", "| | |\n|---|---|"]
        lines += [f"| `{shown}` | {cell(doc)} |" for shown, doc in said.items()] + [""]
    for method in methods(kind):
        function = inspect.unwrap(getattr(kind, method))
        must = "" if method in kind.__abstractmethods__ else " (optional)"
        lines += [f"## {method}{must}\n", signature(function), "", text(function), ""]
        lines += called(f"{name}.{method}", method)
    return "\n".join(lines).rstrip() + "\n"


def methods(kind: type) -> list[str]:
    """Its own methods in the order in which they stand."""
    made = [
        name
        for name, value in vars(kind).items()
        if inspect.isfunction(inspect.unwrap(getattr(value, "__func__", value)))
    ]
    return [name for name in made if name == "__init__" or not name.startswith("_")]


def attributes(kind: type) -> Iterator[tuple[str, str]]:
    """``name: type = default`` of the class's own attributes, with the text that stands below each."""
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    for node, after in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign):
            doc = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            yield ast.unparse(node), inspect.cleandoc(str(doc)).replace("``", "`")


def cell(doc: str) -> str:
    return doc.replace("\n", " ").replace("|", "\\|")


# -- values, errors ----------------------------------------------------------------------------------------------------


def values_page() -> str:
    lines = [opening("gateway/contracts.py"), "# Values\n"]
    lines.append(
        "What a plugin and the gateway hand each other, all in `gateway.contracts`. "
        "They are frozen; times are aware and in UTC.\n"
    )
    for name, kind in vars(contracts).items():
        mine = inspect.isclass(kind) and kind.__module__ == contracts.__name__ and not issubclass(kind, enum.Enum)
        if not mine or name in BASES or name.startswith("_"):
            continue
        bases = [base.__name__ for base in kind.__bases__ if base.__module__ == contracts.__name__]
        lines += [f"## {name}\n", *([f"A `{bases[0]}`.\n"] if bases else ())]
        if kind.__doc__ and not kind.__doc__.startswith(f"{name}("):
            lines += [text(kind), ""]
        if said := dict(attributes(kind)):
            lines += ["| | |\n|---|---|", *(f"| `{cell(shown)}` | {cell(doc)} |" for shown, doc in said.items()), ""]
        functions = [one for one in methods(kind) if one != "__init__" and inspect.isfunction(vars(kind)[one])]
        for one in functions:
            lines += [signature(getattr(kind, one)), "", text(getattr(kind, one)), ""]
    return "\n".join(lines).rstrip() + "\n"


def errors_page() -> str:
    lines = [opening("gateway/errors.py"), "# Errors\n"]
    lines.append(
        "Sorted by what the caller does next, all in `gateway.errors`. "
        "Which of them a method may raise stands on its page.\n"
    )
    tree = (inspect.getdoc(errors) or "").replace("``", "")
    lines += ["```text", tree[tree.index("GatewayError") :], "```", ""]
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and kind.__module__ == errors.__name__:
            shown = (
                signature(kind.__init__, "", name, skip=("self",))
                if "__init__" in vars(kind) and name != "Problem"
                else ""
            )
            lines += [f"## {name}\n", *([shown.replace("def ", ""), ""] if shown else ()), text(kind), ""]
    return "\n".join(lines).rstrip() + "\n"


# -- tests -------------------------------------------------------------------------------------------------------------


def testing_page() -> str:
    lines = [opening("gateway/testing"), "# Suites and fixtures\n"]
    lines += [text(testing), ""]
    for name in SUITES:
        suite = getattr(testing, name)
        said = [
            one
            for base in reversed(suite.__mro__[:-1])
            for one in attributes(base)
            if not one[0].startswith("contract")
        ]
        lines += [f"## {name}\n", text(suite), "", "| Say | |\n|---|---|"]
        lines += [f"| `{cell(shown)}` | {cell(doc)} |" for shown, doc in said]
        yours = [one for one in inspect.getmembers(suite, inspect.isfunction) if one[0] in OVERRIDDEN]
        lines += [f"| `def {one}{_bare(function)}` | {cell(first(function))} |" for one, function in yours]
        lines += ["", "| Check | What it holds you to |\n|---|---|"]
        checks = [one for one in inspect.getmembers(suite, inspect.isfunction) if one[0].startswith("test_")]
        checks.sort(key=lambda one: (inspect.getsourcefile(one[1]) or "", one[1].__code__.co_firstlineno))
        lines += [f"| `{one}` | {cell(first(function) or said_by(one))} |" for one, function in checks]
        lines.append("")
    lines += ["## Fixtures\n", "Found by pytest wherever the gateway is installed.\n"]
    for name, function in vars(fixtures).items():
        if name.startswith("gateway_"):
            lines += [f"### {name}\n", text(function), ""]
    lines += ["### hostile_value, hostile_body\n", text(fixtures.pytest_generate_tests), ""]
    for name in ("Instance", "MemorySystem", "FrozenClock", "FakeSystem", "FakeApi"):
        lines += list(_tool(name))
    return "\n".join(lines).rstrip() + "\n"


def said_by(check: str) -> str:
    """A check that needs no more words than its name."""
    words = check.removeprefix("test_").replace("_", " ")
    return f"{words[0].upper()}{words[1:]}."


OVERRIDDEN = (
    *("build", "system", "documents", "lookups", "counts", "streams"),
    *("fields", "refused", "by_hand", "subjects"),
)


def _tool(name: str) -> Iterator[str]:
    from gateway.testing.api import FakeApi
    from gateway.testing.clock import FrozenClock
    from gateway.testing.instance import Instance
    from gateway.testing.memory import MemorySystem
    from gateway.testing.system import FakeSystem

    kind = {one.__name__: one for one in (FakeApi, FrozenClock, Instance, MemorySystem, FakeSystem)}[name]
    yield f"## {name}\n"
    yield text(kind)
    yield "\n| | |\n|---|---|"
    for method, function in vars(kind).items():
        inner = function.fget if isinstance(function, property) else function
        if inspect.isfunction(inner) and not method.startswith("_") and inner.__doc__:
            shown = method if isinstance(function, property) else f"{method}{_bare(inner)}"
            yield f"| `{cell(shown)}` | {cell(first(inner))} |"
    yield ""


def _bare(function: Any) -> str:
    """Names and defaults only."""
    given = inspect.signature(function)
    kept = [one.replace(annotation=inspect.Parameter.empty) for one in given.parameters.values() if one.name != "self"]
    return str(given.replace(parameters=kept, return_annotation=inspect.Signature.empty))


# -- index -------------------------------------------------------------------------------------------------------------


def index_page() -> str:
    lines = [opening("gateway"), "# Reference for plugin authors\n"]
    lines.append("How it fits together is told in the [plugin author's page](../plugin-authors.md).\n")
    lines += ["| Base class | |\n|---|---|"]
    lines += [f"| [{name}]({name}.md) | {cell(first(getattr(contracts, name)))} |" for name in BASES]
    lines += ["", "| Hook | |\n|---|---|"]
    lines += [f"| [{name}]({name}.md) | {cell(first(getattr(hookspecs, name)))} |" for name in hooks()]
    lines += ["", "| | |\n|---|---|", "| [Values](values.md) | what is handed over |"]
    lines += ["| [Errors](errors.md) | what to raise, and what happens then |"]
    lines += ["| [Suites and fixtures](testing.md) | every check, and what tests are given |"]
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "README.md": index_page,
    "values.md": values_page,
    "errors.md": errors_page,
    "testing.md": testing_page,
    **{f"{name}.md": partial(hook_page, name) for name in hooks()},
    **{f"{name}.md": partial(class_page, name) for name in BASES},
}


def stale() -> list[str]:
    """Names of the pages that are not what the code says, and of those that the code knows nothing of."""
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    return sorted({name for name, page in PAGES.items() if there.get(name) != page()} | (there.keys() - PAGES.keys()))


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        if found := stale():
            print(f"stale: {', '.join(found)}; run python docs/generate_reference.py", file=sys.stderr)
        return bool(found)
    FOLDER.mkdir(exist_ok=True)
    for name in stale():
        if name in PAGES:
            (FOLDER / name).write_text(PAGES[name](), encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
