"""``gateway plan`` prints what the systems would be told, field by field; ``gateway push`` tells them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.plan import Plan, write_json
from gateway.answers.texts import plural, raw
from gateway.cli.main import App, pass_app, pass_app_to_look, plugin_call
from gateway.cli.output import json_option, progress, say, say_json, table
from gateway.cli.working import long_work
from gateway.errors import GatewayError, Refused

if TYPE_CHECKING:
    from gateway.contracts import Sink, Write
    from gateway.outbound.planner import Planned
    from gateway.runtime import Gateway
    from gateway.sync.planning import Unsent

EXAMPLES = 10
BATCH = 2000
"""Writes that a sink is given at once, as a delivery does: so the number of calls is the one that `push` makes."""


@dataclass(slots=True)
class _Plan(Plan):
    """What is planned for one system, and in how many calls it would be sent."""

    sink: Sink | None = None
    calls: int = 0
    problem: str = ""
    _batch: list[Write] = field(default_factory=list)

    def take(self, planned: Planned, plugin: str, most: int | None) -> None:
        self.add(planned, most)
        self._batch.append(planned.write)
        if len(self._batch) == BATCH:
            self.close(plugin)

    def close(self, plugin: str) -> None:
        """Ask the sink how many calls the writes so far make. It sends nothing."""
        batch, self._batch = self._batch, []
        if not batch or self.sink is None or self.problem:
            return
        sink = self.sink
        try:
            self.calls += sum(call.cost for call in plugin_call(plugin, "calls", lambda: list(sink.calls(batch))))
        except GatewayError as exc:
            self.problem = str(exc)

    def at_rest(self, gateway: Gateway) -> int:
        from gateway.store.database import read
        from gateway.store.listing import at_rest

        with read(gateway.store.main) as connection:
            return at_rest(connection, self.system)


@click.command()
@click.argument("system", required=False)
@click.option("--all", "everything", is_flag=True, help="Show every write, not ten examples per system.")
@click.option("--lead", "key", metavar="KEY", help="Only for one lead: its id, e-mail address, or SYSTEM:OBJECT:ID.")
@json_option
@pass_app_to_look
def plan(app: App, system: str | None, everything: bool, key: str | None, as_json: bool) -> None:
    """Show what would be written, field by field.

    To SYSTEM, default every system. Sends nothing.

    The plan is what should be there minus what is known to be there; it is the same for systems with outbound off.
    """
    from gateway.outbound.planner import planned
    from gateway.settings.instance import known_systems

    gateway = app.gateway
    names = known_systems(gateway.instance, [system] if system else [])
    lead = gateway.find_lead(key) if key else None
    plans = {
        name: _Plan(name, sink=gateway.sinks.get(name))
        for name in names
        if gateway.model.objects.get(name) or name == system
    }
    most = None if everything or (as_json and lead) else EXAMPLES

    def unsent(one: Unsent) -> None:
        plans[one.system].leave_out(one)

    with progress("planning") as tell:
        for count, one in enumerate(planned(gateway, list(plans), lead, unsent), start=1):
            plans[one.wanted.system].take(one, _plugin(gateway, one.wanted.system), most)
            tell(count)
    for one_plan in plans.values():
        one_plan.close(_plugin(gateway, one_plan.system))
    if as_json:
        say_json({"systems": [_json(one_plan, gateway) for one_plan in plans.values()]})
        return
    if not plans:
        say("no mapping sends anything; give a field `sync: out` to change that")
    who = _names(gateway, [one for one_plan in plans.values() for one in one_plan.examples])
    for one_plan in plans.values():
        _print(one_plan, gateway, who)


def _plugin(gateway: Gateway, system: str) -> str:
    return gateway.instance.systems[system].plugin


def _json(one: _Plan, gateway: Gateway) -> dict[str, Any]:
    objects = dict.fromkeys(object_ for object_, _ in [*one.counts, *one.fields])
    return {
        "system": one.system,
        "outbound": one.system in gateway.model.active,
        "creates": one.total("create"),
        "updates": one.total("update"),
        "calls": one.calls if one.sink is not None and not one.problem else None,
        "objects": [
            {
                "object": object_,
                "creates": one.counts[object_, "create"],
                "updates": one.counts[object_, "update"],
                "fields": {name: count for (of, name), count in one.fields.most_common() if of == object_},
            }
            for object_ in objects
        ],
        "writes": [write_json(planned) for planned in one.examples],
        "not_sent": [
            {"object": object_, "field": name, "reason": reason, "count": count}
            for (object_, name, reason), count in one.unsent.most_common()
        ],
        "problem": one.problem or gateway.problems.get(one.system, ""),
    }


def _names(gateway: Gateway, examples: list[Planned]) -> dict[str, str]:
    from gateway.answers.texts import who
    from gateway.store.database import read
    from gateway.store.listing import attributes_of

    with read(gateway.store.main) as connection:
        found = attributes_of(connection, list({one.wanted.lead for one in examples}))
    return {lead: who(attributes) for lead, attributes in found.items()}


def _print(one: _Plan, gateway: Gateway, who: dict[str, str]) -> None:
    from gateway.sync.companions import in_words

    creates, updates = one.total("create"), one.total("update")
    calls = "calls unknown: no sink" if one.sink is None else plural(one.calls, "API call")
    if one.problem:
        calls = one.problem
    if not gateway.model.objects.get(one.system):
        say(f"{one.system}: its mapping sends nothing (no field with sync: out, newest, prefer or only if blank)")
        return
    if not creates + updates:
        say(f"{one.system}: nothing to write")
        if resting := one.at_rest(gateway):
            many = f"{resting:,} people are" if resting > 1 else "1 person is"
            say(f"  {many} known from its past alone: written to from their next news or handoff on")
        _print_unsent(one)
        if one.system not in gateway.model.active and any(
            made.create == "handoff" for made in gateway.model.objects[one.system]
        ):
            say(f"  outbound is off, so nobody is handed over: `gateway activate {one.system}` says who would be")
        return
    say(f"{one.system}: {plural(creates, 'create')}, {plural(updates, 'update')}, {calls}")
    if one.system not in gateway.model.active:
        say(f"  outbound is off: none of this is sent; `gateway activate {one.system}` says what on would do")
    table(
        ("object", "field", "writes"),
        [(object_, name, count) for (object_, name), count in one.fields.most_common()],
        right=("writes",),
        indent=2,
    )
    _print_unsent(one)
    for planned in one.examples:
        wanted = planned.wanted
        what = in_words(wanted.object, wanted.fields, wanted.record)
        say(f"  {what}, lead {wanted.lead}{_named(who.get(wanted.lead, ''))}")
        width = max(map(len, wanted.fields))
        for name, value in wanted.fields.items():
            before = "" if wanted.create else f"{raw(planned.known[name]) if name in planned.known else '(unknown)'} → "
            say(f"    {name:<{width}}  {before}{raw(value)}")
    left = creates + updates - len(one.examples)
    if left:
        say(f"  … and {plural(left, 'more write')}; --all shows them")


def _print_unsent(one: _Plan) -> None:
    from gateway.sync.holds import HELD
    from gateway.sync.planning import CONFLICT, CONTESTED

    why_of = {
        CONFLICT: "until a person decides",
        CONTESTED: "until a person decides",
        HELD: "until a newer value comes",
    }
    for (object_, name, reason), count in one.unsent.most_common():
        why = why_of.get(reason, "because it does not fit")
        say(f"  left out, {why}: {object_} {name}, {plural(count, 'time')}: {reason}")


def _named(name: str) -> str:
    return f" ({name})" if name else ""


@click.command()
@click.argument("system", required=False)
@json_option
@pass_app
def push(app: App, system: str | None, as_json: bool) -> None:
    """Send what is planned, until nothing is due.

    To SYSTEM, default every system with outbound on. The exit code is 1 when a system refused a write for good.
    """
    from gateway.outbound.planner import push as send
    from gateway.settings.instance import known_systems
    from gateway.store import due, silence
    from gateway.store.database import read
    from gateway.store.times import new_id

    gateway = app.gateway
    names = known_systems(gateway.instance, [system]) if system else gateway.outbound_systems()
    if not names:
        raise Refused(
            "no system has outbound: on; `gateway plan` shows what would be sent, `gateway activate SYSTEM` switches on"
        )
    reports: list[dict[str, Any]] = []
    for name in names:
        with long_work(gateway, "push", name) as work, work.progress("sent") as tell:
            done = [0]

            def told(more: int, done: list[int] = done, tell: Any = tell) -> None:
                done[0] += more
                tell(done[0])

            before = _states(gateway, name)
            report = send(gateway, name, f"push:{os.getpid()}:{new_id()}", told)
        with read(gateway.store.main) as connection:
            paused, (vain, _) = due.paused(connection, name), silence.known(connection, name)
        states = report.states
        reports.append(
            {
                "system": name,
                "push": report.push if report.worked else None,
                "planned": report.planned,
                "confirmed": states.get("confirmed", 0) - before.get("confirmed", 0),
                "superseded": states.get("superseded", 0) - before.get("superseded", 0),
                "waiting": sum(states.get(state, 0) for state in ("waiting", "unknown", "leased")),
                "dead": states.get("dead", 0),
                "died": max(states.get("dead", 0) - before.get("dead", 0), 0),
                "paused": paused,
                "silent": vain > 0,
            }
        )
    if as_json:
        say_json({"systems": reports})
    else:
        for one in reports:
            _print_sent(one)
    if any(one["died"] for one in reports):
        click.get_current_context().exit(1)


def _print_sent(one: Mapping[str, Any]) -> None:
    counts = ", ".join(f"{one[word]:,} {word}" for word in ("confirmed", "superseded", "waiting", "dead"))
    say(f"{one['system']}: {plural(one['planned'], 'new write')} planned; {counts}")
    if one["confirmed"] and one["push"]:
        say(f"  as push {one['push']}; `gateway undo {one['push']}` shows what could be put back")
    if one["paused"]:
        say(f"  paused: {one['paused']} (`gateway systems resume {one['system']}`)")
    if one["silent"]:
        say("  it does not answer: one write asks again, by itself where `gateway run` is up; then the others follow")
    if one["died"]:
        say(f"{one['system']}: {plural(one['died'], 'write')} failed for good", err=True)
    if one["dead"]:
        say(f"  `gateway deliveries list --system {one['system']} --state dead` says why; then")
        say(f"  `gateway deliveries retry --system {one['system']}` sends again, `discard` gives up")


def _states(gateway: Gateway, system: str) -> Mapping[str, int]:
    from gateway.store import outbox
    from gateway.store.database import read

    with read(gateway.store.main) as connection:
        return outbox.counts(connection).get(system, {})
