"""Writes cli.md from the commands' own help. ``--check``: is it stale?"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import click

from gateway.cli.main import COMMANDS, cli

CLICK = f"click {version('click')}"

PAGE = Path(__file__).with_name("cli.md")
WIDTH = 100
SIZE = {"terminal_width": WIDTH, "max_content_width": WIDTH}
# What each command's JSON holds: every key that is promised, `[]` = a list of such, below a dot = inside. What stands
# under `attributes`, `fields`, `detail` and `hashes` is named by the instance itself.
SHAPES = {
    "check": "ok problems[] warnings[] systems[] systems[].system systems[].plugin systems[].role systems[].outbound "
    "systems[].source systems[].sink systems[].in[] systems[].in[].object systems[].in[].kind systems[].in[].fields "
    "systems[].in[].activities systems[].in[].outcomes systems[].out[] systems[].beside systems[].secrets[] "
    "systems[].problem plugins[] approval[] online[]",
    "status": "ok problems[] systems[] systems[].system systems[].configured systems[].outbound systems[].documents "
    "systems[].documents.stored systems[].documents.read systems[].documents.waiting systems[].documents.quarantined "
    "systems[].documents.discarded systems[].documents.holds systems[].documents.duplicates systems[].events "
    "systems[].events.read "
    "systems[].events.applied systems[].events.skipped systems[].events.waiting systems[].events.dead "
    "systems[].events.holds systems[].events.skipped_by_reason systems[].events.fields_dropped systems[].writes "
    "systems[].writes.planned systems[].writes.confirmed systems[].writes.superseded systems[].writes.waiting "
    "systems[].writes.dead systems[].writes.holds systems[].oldest_waiting_document systems[].oldest_waiting_write "
    "systems[].fields_not_sent systems[].paused systems[].asked_again_at systems[].problem systems[].drift[] leads "
    "excluded handoffs_open clocks_waiting work_open rescores_due rescores_queued rescoring "
    "plugins_quarantined[] plugins_broken[] approval[] review[] jobs[]",
    "systems list": "systems[] systems[].system systems[].plugin systems[].role systems[].outbound systems[].source "
    "systems[].sink systems[].activated_at systems[].paused systems[].asked_again_at systems[].problem",
    "systems add": "system account signals[] written[] next[]",
    "activate": "system over owned excluded would_hand_over held_back existing outbound",
    "handoffs release": "held[]",
    "leads hold": "lead held until reason by",
    "leads points": "lead points until reason by",
    "import": "system file refused[] refused[].line refused[].reason refused_file history new rows documents "
    "documents.stored documents.duplicates documents.quarantined events events.read events.applied "
    "events.skipped events.skipped_by_reason events.dead fields_dropped leads_new handoffs_opened "
    "writes_waiting",
    "plan": "systems[] systems[].system systems[].outbound systems[].creates systems[].updates systems[].calls "
    "systems[].objects[] systems[].writes[] systems[].not_sent[] systems[].problem",
    "try": "documents[] documents[].system documents[].origin documents[].bytes documents[].quarantined "
    "documents[].events[] documents[].events[].type documents[].events[].object documents[].events[].record "
    "documents[].events[].at documents[].events[].known documents[].items[] documents[].items[].what "
    "documents[].items[].object documents[].items[].record documents[].items[].reason records[] records[].system "
    "records[].object records[].record records[].fields[] records[].fields[].field records[].fields[].raw "
    "records[].fields[].lead_field records[].fields[].ours records[].fields[].value records[].fields[].problem "
    "scored_again not_taken_in[] not_taken_in[].system not_taken_in[].what not_taken_in[].count leads[] leads[].lead "
    "leads[].new leads[].takes_over[] leads[].attributes leads[].persona leads[].stage leads[].stage_before "
    "leads[].score leads[].score_before leads[].band leads[].scores leads[].contributions[] leads[].moves[] "
    "leads[].steps[] leads[].excluded leads[].handoff leads[].closed[] leads[].activities[] leads[].outcomes[] "
    "leads[].writes[] leads[].writes[].system leads[].writes[].object leads[].writes[].record leads[].writes[].action "
    "leads[].writes[].fields[] leads[].left_out[] stored",
    "undo": "pushes[] pushes[].push pushes[].system pushes[].at pushes[].created pushes[].updated pushes[].held held",
    "undo PUSH": "push system fields[] fields[].object fields[].record fields[].lead fields[].field fields[].before "
    "fields[].sent fields[].held fields[].possible fields[].reason created[] beside done",
    "leads merge": "what done lead other restored before[] before[].lead before[].attributes before[].stage "
    "before[].score before[].band before[].handoff before[].handoff_opened_at before[].records[] before[].activities "
    "before[].outcomes before[].opt_outs[] after[] absorbed[] reopened[] writes",
    "leads split": "what done lead other restored before[] after[] absorbed[] reopened[] writes",
    "push": "systems[] systems[].system systems[].push systems[].planned systems[].confirmed systems[].superseded "
    "systems[].waiting systems[].dead systems[].died systems[].paused systems[].silent",
    "leads list": "total leads[] leads[].lead leads[].attributes leads[].stage leads[].persona leads[].score "
    "leads[].fit leads[].behaviour leads[].band leads[].generation leads[].entered_at leads[].handoff leads[].excluded",
    "leads show": "lead merged[] erased_at entered_at known_at attributes[] attributes[].field attributes[].value "
    "attributes[].system attributes[].at company identities[] records[] records[].system records[].object "
    "records[].record records[].link records[].primary records[].enrolled records[].gone records[].values "
    "records[].assumed[] persona "
    "stage excluded generation score score.total score.fit score.behaviour score.band score.at score.changes_at "
    "score.scoring scores reached[] reached[].stage reached[].at reached[].cause reached[].ref handoff handoffs[] "
    "deals[] work[] timeline[] timeline[].at timeline[].what timeline[].text timeline[].cause timeline[].heard_at",
    "leads explain": "lead at hindsight persona score total fit behaviour band changes_at scoring contributions[] "
    "contributions[].axis contributions[].rule contributions[].points contributions[].reason rollups rolled_at",
    "leads values": "field different missing values[] values[].value values[].count values[].level values[].phrase",
    "handoffs list": "handoffs[] handoffs[].handoff handoffs[].lead handoffs[].system handoffs[].stage "
    "handoffs[].persona handoffs[].generation handoffs[].owner handoffs[].state handoffs[].bucket "
    "handoffs[].bucket_reason handoffs[].score handoffs[].score_name handoffs[].opened_at handoffs[].response_due "
    "handoffs[].period_ends handoffs[].accepted_at handoffs[].contacted_at handoffs[].closed_at "
    "handoffs[].contributions[] handoffs[].owner_name handoffs[].owner_why handoffs[].alarm handoffs[].alarm_at "
    "handoffs[].waits_for",
    "handoffs show": "handoff lead system stage persona generation owner owner_name owner_why state alarm alarm_at "
    "waits_for cause cause_reason cause_by wake_at package bucket bucket_reason "
    "score score_name opened_at response_due period_ends accepted_at contacted_at closed_at closed_by "
    "contributions[] clock_events[] clock_events[].at clock_events[].kind clock_events[].owner clock_events[].before "
    "clock_events[].reason clock_events[].by endings[]",
    "handoffs reassign": "handoff lead system stage persona generation owner owner_name owner_why state alarm alarm_at "
    "waits_for cause cause_reason cause_by wake_at bucket bucket_reason "
    "score score_name opened_at response_due period_ends accepted_at contacted_at closed_at closed_by "
    "contributions[]",
    "owners list": "owners[] owners[].name owners[].weight owners[].territory owners[].system owners[].zone "
    "owners[].known owners[].gone owners[].at_work owners[].absent_until owners[].absence_reason "
    "owners[].handoffs_open owners[].turn assign[] fallback absences[]",
    "owners absent": "owner from until reason by",
    "owners back": "owner absent",
    "work list": "work[] work[].id work[].kind work[].system work[].object work[].record work[].lead work[].detail "
    "work[].count work[].opened_at",
    "work show": "id kind system object record lead detail count opened_at resolved_at resolution legal[] words[] "
    "sides[] said[]",
    "work resolve": "resolved[] resolved[].id resolved[].kind resolved[].done[] by resolution",
    "inbox show": "document document.id document.system document.received_at document.origin document.stream "
    "document.state document.reason document.flags document.size read_at leads[] items[] items[].key items[].system "
    "items[].object items[].record items[].type items[].at items[].state items[].reason moves[] moves[].lead "
    "moves[].from_stage moves[].stage moves[].at moves[].cause moves[].reason moves[].score handoffs[] handoffs[].id "
    "handoffs[].lead handoffs[].system handoffs[].opened_at handoffs[].state handoffs[].bucket writes[] writes[].id "
    "writes[].lead writes[].system writes[].object writes[].key writes[].record writes[].document writes[].planned_at "
    "writes[].state writes[].attempts writes[].code writes[].message writes[].finished_at",
    "inbox list": "documents[] documents[].id documents[].system documents[].received_at documents[].origin "
    "documents[].stream documents[].state documents[].reason documents[].flags documents[].size documents[].deaths",
    "inbox replay": "dry_run documents[] quarantined_again",
    "inbox discard": "dry_run documents[] discarded",
    "deliveries list": "deliveries[] deliveries[].id deliveries[].system deliveries[].object deliveries[].record "
    "deliveries[].lead deliveries[].key deliveries[].create deliveries[].fields deliveries[].state "
    "deliveries[].attempts deliveries[].push deliveries[].code deliveries[].message deliveries[].planned_at "
    "deliveries[].due_at deliveries[].finished_at",
    "deliveries show": "id system object record lead key create fields state attempts push code message planned_at "
    "due_at finished_at document",
    "deliveries retry": "dry_run chosen[] retried",
    "deliveries discard": "dry_run chosen[] discarded",
    "metrics funnel": "basis currency revenue without_rate without_amount without_leads entered excluded[] "
    "excluded[].reason excluded[].count stages[] stages[].stage stages[].count stages[].conversion outcomes[] "
    "outcomes[].outcome outcomes[].count notes[] groups[] maturing[] median_days_to_win",
    "metrics baseline": "last_year steps[] steps[].stage steps[].to steps[].covered steps[].missing steps[].leads "
    "steps[].went_on steps[].rate steps[].low steps[].high steps[].p90_days steps[].maturing steps[].concluded "
    "steps[].days steps[].short",
    "metrics attribution": "by currency window_days half_life_days deals revenue untouched journeys left_out "
    "without_rate without_amount models[] models[].model models[].assumes models[].credits[]",
    "metrics velocity": "steps[] steps[].stage steps[].to steps[].leads steps[].median_days steps[].p75_days "
    "steps[].p90_days steps[].median_calendar_days steps[].waiting steps[].waiting_median_days steps[].unsure cycle "
    "bottleneck too_few[] owners[]",
    "metrics recycled": "currency without_rate without_amount deals revenue generations[] from_recycling reasons[]",
    "metrics campaigns": "currency without_rate without_amount costs_without_rate unknown_campaigns[] campaigns[] "
    "campaigns[].campaign campaigns[].leads campaigns[].score_mean campaigns[].great_share campaigns[].stages[] "
    "campaigns[].revenue campaigns[].cost campaigns[].return total",
    "model show": "bundle active_since hashes weights bands content_weights rules[] rules[].axis rules[].name "
    "rules[].points rules[].when rules[].limits scores rollups[] rollups[].name rollups[].what rollups[].read_by[] "
    "personas[] stages[] stages[].stage stages[].shared "
    "stages[].entry stages[].steps[] stages[].fall",
    "plugins list": "plugins[] plugins[].name plugins[].distribution plugins[].version plugins[].requires "
    "plugins[].state plugins[].reason plugins[].since plugins[].offers[] plugins[].deprecations[]",
    "plugins show": "name module distribution version requires state reason since offers[] would_offer[] "
    "deprecations[] settings sections wrong",
    "plugins check": "ok plugins[] plugins[].plugin plugins[].distribution plugins[].version plugins[].findings[] "
    "plugins[].findings[].system plugins[].findings[].state plugins[].findings[].about plugins[].findings[].told "
    "missing[] problems[] warnings[]",
    "plugins install": "changes[] changes[].name changes[].now changes[].then changes[].source changes[].sha256 "
    "changes[].plugins[] approves[] installed plugins[] plugins[].name plugins[].state plugins[].reason "
    "plugins[].offers[]",
    "plugins lock": "approves[] written",
    "plugins uninstall": "uninstalled version plugins[] stays[]",
    "plugins disable": "plugin disabled systems[]",
    "plugins test": "ok gateway python plugins loading loading.state loading.reason suites[] suites[].contract "
    "suites[].suite suites[].where "
    "suites[].plugin[] suites[].passed suites[].failed suites[].skipped suites[].checks[] suites[].checks[].check "
    "suites[].checks[].name suites[].checks[].result suites[].checks[].reason",
    "plugins enable": "plugin disabled found[] found[].state found[].reason",
    "db backup": "source target tables[] tables[].table tables[].rows tables[].hash",
    "db copy": "source target tables[] tables[].table tables[].rows tables[].hash",
}
# What every answer of `gateway metrics` begins and ends with.
STATED = "period period.counts period.name period.since period.until period.zone"
SHAPES |= {name: f"{STATED} {shape} definitions" for name, shape in SHAPES.items() if name.startswith("metrics ")}
SHAPES["metrics goals"] = (
    "baseline hash goals[] goals[].name goals[].where goals[].stage goals[].to goals[].team goals[].by "
    "goals[].baseline goals[].baseline_low goals[].baseline_high goals[].wanted goals[].leads goals[].went_on "
    "goals[].rate goals[].forecast goals[].state goals[].problems[] definitions"
)
OPENING = f"""<!-- Made by docs/generate_cli.py ({CLICK}) from the commands; edit the code, then run it again. -->

# Command line

Every command works on an *instance*, the folder with `gateway.yaml` in it: the current folder, the one that
`gateway -C DIR …` names, or the environment variable `GATEWAY_DIR`. Plugins may add commands of their own.

**Exit codes.** `0` done · `1` it did not work, and stderr says why · `2` a file or the command line needs an edit;
problems of files come all at once, one per line, as `file:line: key: what is wrong`.

**Output.** Tables for people on stdout, plain when it is no terminal; messages, progress bars and logs on stderr. With
`--json` stdout is one JSON document, indented, in UTF-8. Its shape is stable: keys are added, never renamed or taken
away. In it times are `2026-11-03T09:00:00Z` (UTC), points of a score are numbers from 0 to 100 with two decimals, and
lists stand under a name (`{{"leads": […]}}`), never alone. The keys of each command are named below: `[]` is a list, a
dot leads inside.

"""


def page() -> str:
    parts = [OPENING]
    for path, command in commands():
        head = f"{'#' * min(len(path) + 1, 3)} {' '.join(('gateway', *path))}"
        parts.append(f"{head}\n\n```text\n{help_of(path, command)}```\n\n")
        for called, shape in SHAPES.items():
            if called.removesuffix(" PUSH") == " ".join(path):
                with_push = " with PUSH" if called.endswith(" PUSH") else ""
                parts.append(f"`--json`{with_push}: {', '.join(f'`{key}`' for key in shape.split())}.\n\n")
    return "".join(parts).rstrip("\n") + "\n"


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that the gateway itself has, groups before what is in them; no plugin's."""
    context = click.Context(cli, info_name="gateway")
    for name in COMMANDS:
        if (command := cli.get_command(context, name)) is not None:
            yield (name,), command
            if isinstance(command, click.Group):
                for inner in sorted(command.commands):
                    yield (name, inner), command.commands[inner]


def help_of(path: Sequence[str], command: click.Command) -> str:
    """What ``gateway PATH --help`` prints on a terminal of ``WIDTH`` columns."""
    context = click.Context(cli, info_name="gateway", **{**cli.context_settings, **SIZE})  # type: ignore[arg-type]
    for name in path[:-1]:
        context = click.Context(click.Group(name), info_name=name, parent=context)
    return command.get_help(click.Context(command, info_name=path[-1], parent=context)) + "\n"


def main(arguments: Sequence[str]) -> int:
    if list(arguments) == ["--check"]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
            print(f"{PAGE.name} is stale; run python docs/generate_cli.py", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
